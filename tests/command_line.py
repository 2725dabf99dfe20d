"""What the tests of the command line share: running it in this process, and a small model file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


def runner(capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs `octavo` with its arguments."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(int(end.value.code or 0), captured.out, captured.err)

    return run


def save_small_model(folder: Path) -> Path:
    """A .keras file of a convolution and a dense layer with 3 classes, beside samples.npz and test.npz."""
    import keras

    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.layers.Input((6, 6, 2)),
            keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(3, name="scores"),
        ],
        name="small",
    )
    model.save(folder / "small.keras")
    x = np.random.default_rng(5).normal(size=(12, 6, 6, 2)).astype(np.float32)
    np.savez(folder / "samples.npz", x=x)
    np.savez(folder / "test.npz", x=x, y=np.arange(12) % 3)
    return folder / "small.keras"
