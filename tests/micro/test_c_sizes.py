"""Bytes of constants, read from the C: what Arm's compiler lays out, for every operator that has a kernel."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from generated import NAME, NEEDS_EMULATOR, write
from octavo.config import scheme_named
from octavo.ir.types import Graph
from octavo.write.c.sizes import constant_bytes
from octavo.write.c.table import LOWERINGS, lower
from single_op import INTEGER_CASES, float_graph, integer_graph, samples

CASES = {
    f"{spec.name}-{config.scheme}": (spec, example, config)
    for spec, example, config in INTEGER_CASES.values()
    if config.scheme in ("int8", "int16x8") and spec.name in LOWERINGS[scheme_named(config.scheme).activations]
}


def graph_of(name: str) -> Graph:
    spec, example, config = CASES[name]
    floats = float_graph(spec, example)
    return integer_graph(floats, samples(floats, example), config)


def defined(graph: Graph) -> dict[str, int]:
    """Bytes of constants by name, as the C is read."""
    calls = [lower(graph, node, f"{NAME}_{i}") for i, node in enumerate(graph.nodes)]
    return {name: size for call in calls for text in call.constants for name, size in constant_bytes(text).items()}


@pytest.mark.parametrize("name", [pytest.param("all", marks=NEEDS_EMULATOR)])
def test_the_compiler_gives_every_constant_as_many_bytes(name: str, tmp_path: Path) -> None:
    for op in CASES:
        folder = tmp_path / op
        write(graph_of(op), folder)
        command = ["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m4", "-O0", "-c", f"{NAME}.c", "-o", "object"]
        subprocess.run(command, cwd=folder, check=True)
        told = subprocess.run(["arm-none-eabi-nm", "-S", "object"], cwd=folder, capture_output=True, text=True).stdout
        symbols = {words[3]: int(words[1], 16) for words in map(str.split, told.splitlines()) if len(words) == 4}
        for constant, size in defined(graph_of(op)).items():
            assert symbols.get(constant, size) == size, (op, constant)
        assert {name for name in symbols if name.startswith(f"{NAME}_0_")} <= defined(graph_of(op)).keys(), op


def test_structures_within_structures_and_pointers_are_counted() -> None:
    text = "static const octavo_reduce a = {\n};\nstatic const octavo_softmax b = {\n};"
    assert constant_bytes(text) == {"a": 80, "b": 16}


def test_weights_are_most_of_a_dense_layer() -> None:
    sizes = defined(graph_of("FULLY_CONNECTED-int8"))
    (weights,) = (size for name, size in sizes.items() if name.endswith("_weights"))
    assert weights >= max(
        tensor.size for tensor in graph_of("FULLY_CONNECTED-int8").tensors.values() if tensor.is_constant
    )
