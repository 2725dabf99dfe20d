"""What pages show runs as it stands; what they link to exists; the site builds of them."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import octavo
from source_tree import ROOT, tracked_files

PAGES = sorted(path for path in tracked_files() if path.suffix == ".md" and "changelog.d" not in path.parts)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
# CONTRIBUTING shows parts of modules; these are tested where the modules are.
SHOWN_ELSEWHERE = {"CONTRIBUTING.md"}
SHAPE, CLASSES = (8, 8, 3), 4


class Gated(keras.layers.Layer):
    """The layer that docs/own-layers.md lowers."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x: Any) -> Any:
        return x * self.scale * keras.ops.sigmoid(x)


def names() -> dict[str, Any]:
    """What a reader of a page has."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Conv2D(6, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES),
        ]
    )
    x = rng.random((40, *SHAPE)).astype(np.float32)
    y = rng.integers(0, CLASSES, 40)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    given = {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "x": x[:2]}
    return {"keras": keras, "np": np, "model": model, "loss": loss, "Gated": Gated, **given}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    places = [page.parent / link for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert not [place for place in places if not place.exists()]


@pytest.mark.parametrize(
    "page",
    [path for path in PAGES if path.name not in SHOWN_ELSEWHERE and BLOCK.search(path.read_text(encoding="utf-8"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_listings_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = names()
    for number, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
        exec(compile(block, f"{page.name}, listing {number + 1}", "exec"), known)


def test_the_short_guide_names_commands_that_exist() -> None:
    from octavo.cli import COMMANDS

    named = set(re.findall(r"`octavo (\w+)", (ROOT / "SKILL.md").read_text(encoding="utf-8")))
    assert named <= {command.__name__ for command in COMMANDS}


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="no mkdocs")
def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "site.py"), str(tmp_path / "site"), "--no-run"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    api = (tmp_path / "site" / "api.html").read_text(encoding="utf-8")
    assert "Representative dataset" in api
    functions = [name for name in octavo.__all__ if inspect.isfunction(getattr(octavo, name))]
    assert not [name for name in functions if f".{name}" not in api]
    assert (tmp_path / "site" / "skill.html").is_file()
    assert "What quantization is" in (tmp_path / "site" / "tutorial.html").read_text(encoding="utf-8")
