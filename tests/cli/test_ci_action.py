"""The action that a build runs: its step as a runner would start it, on files that fit and that do not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import octavo
from source_tree import ROOT

yaml = pytest.importorskip("yaml")
BAD_INPUT = 2


def step() -> dict[str, Any]:
    action = yaml.safe_load((ROOT / "ci" / "action.yml").read_text(encoding="utf-8"))
    assert action["runs"]["using"] == "composite"
    (only,) = action["runs"]["steps"]
    assert {name.upper() for name in action["inputs"]} == set(only["env"])
    return dict(only)


def ran(folder: Path, model: Path, board: str = "") -> subprocess.CompletedProcess[str]:
    program = folder / "octavo"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m octavo "$@"\n')
    program.chmod(0o755)
    given = {"MODEL": str(model), "BOARD": board, "CORES": "none", "GITHUB_ACTION_PATH": str(ROOT / "ci")}
    environment = {**os.environ, **given, "OCTAVO": str(program)}
    return subprocess.run(
        [step()["shell"], "-c", step()["run"]], env=environment, capture_output=True, text=True, check=False
    )


def test_a_build_goes_on_with_a_model_that_fits_and_stops_at_one_that_is_none(small: Path, tmp_path: Path) -> None:
    file = octavo.quantize(small, "int8", str(small.parent / "samples.npz"), verify="off").save(tmp_path / "m.tflite")
    fits = ran(tmp_path, file)
    assert fits.returncode == 0, fits.stdout + fits.stderr
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(file.read_bytes()[:200])
    assert ran(tmp_path, damaged).returncode == BAD_INPUT
    assert ran(tmp_path, file, "no such board").returncode == BAD_INPUT
