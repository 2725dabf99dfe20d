"""Imports point down only, and importing Octavo costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from source_tree import imports, modules

# Highest first. Modules of one layer do not import each other unless they are parts of one package.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"__main__"}),
    frozenset({"cli"}),
    frozenset({"tutorial"}),
    frozenset({"demo"}),
    frozenset({""}),
    frozenset({"pages"}),
    frozenset({"diagnosis"}),
    frozenset({"prove"}),
    frozenset({"comparison", "export", "search", "tfmot"}),
    frozenset({"pipeline"}),
    frozenset({"dataless", "trained"}),
    frozenset({"qat"}),
    frozenset({"mixing"}),
    frozenset({"fitting", "mending"}),
    frozenset({"stages"}),
    frozenset({"report"}),
    frozenset({"footprint"}),
    frozenset({"doctor", "result"}),
    frozenset({"condition"}),
    frozenset({"calibration", "load", "passes", "quantization"}),
    frozenset({"data"}),
    frozenset({"plan"}),
    frozenset({"backend", "evaluate"}),
    frozenset({"run", "write"}),
    frozenset({"board"}),
    frozenset({"ops"}),
    frozenset({"config"}),
    frozenset({"numerics"}),
    frozenset({"ir"}),
    frozenset({"arguments", "dtypes", "files", "limits", "notebook", "progress"}),
    frozenset({"errors", "version"}),
)
HEAVY = ("tensorflow", "keras", "jax", "torch", "ai_edge_litert", "sklearn", "matplotlib", "scipy")


def part(module: str) -> str:
    """The package or module right below `octavo` that `module` belongs to; "" is octavo itself."""
    return [*module.split("."), ""][1]


def rank(module: str) -> int:
    """Index of the layer of `module`."""
    return next(index for index, layer in enumerate(LAYERS) if part(module) in layer)


def test_every_module_has_a_layer() -> None:
    placed = frozenset().union(*LAYERS)
    assert {part(name) for name in modules()} <= placed


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_point_down(name: str) -> None:
    upward = [other for other in imports(name) if part(other) != part(name) and rank(other) <= rank(name)]
    assert not upward


def test_no_module_imports_in_a_circle() -> None:
    edges = {name: {other for other in imports(name) if other != name} for name in modules()}
    while leaves := {name for name, others in edges.items() if not others & edges.keys()}:
        edges = {name: others for name, others in edges.items() if name not in leaves}
    assert not edges


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        ("import octavo", set()),
        ("from octavo.cli import main; main(['--help'])", set()),
        ("import octavo; octavo.quantize", {"ai_edge_litert"}),
    ],
)
def test_importing_and_asking_for_help_load_no_framework(statement: str, needed: set[str]) -> None:
    program = f"import sys\ntry:\n    {statement}\nexcept SystemExit:\n    pass\nprint(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert set(HEAVY) & set(output.splitlines()[-1].split()) == needed
