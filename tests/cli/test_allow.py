"""`--allow`: the functions that a file's Lambda layers name run by leave alone."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from command_line import Run


@pytest.fixture(scope="module")
def clipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with a Lambda on a function of Keras's, and data beside it."""
    folder = tmp_path_factory.mktemp("clipped")
    model = keras.Sequential([keras.Input((6,)), layers.Lambda(ops.relu, name="clip"), layers.Dense(3, name="scores")])
    model.save(folder / "clipped.keras")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)).astype(np.float32), rng.integers(0, 3, 40)
    np.savez(folder / "samples.npz", x=x, y=y)
    return folder / "clipped.keras"


def arguments(command: str, model: Path, folder: Path) -> tuple[object, ...]:
    """A command on the model, which writes into a folder."""
    data = model.with_name("samples.npz")
    return {
        "quantize": ("quantize", model, "--data", data, "--out", folder / "a.tflite"),
        "compare": ("compare", model, "--data", data, "--test", data, "--schemes", "float32,int8"),
        "train": ("train", model, "--data", data, "--epochs", 1, "--out", folder / "b.tflite", "--checkpoint",
                  folder / "b.keras"),
    }[command]  # fmt: skip


@pytest.mark.parametrize("command", ["quantize", "compare", "train"])
def test_a_lambda_of_a_file_runs_where_it_is_allowed(run: Run, clipped: Path, tmp_path: Path, command: str) -> None:
    refused = run(*arguments(command, clipped, tmp_path))
    assert refused.code == 2
    assert "--allow" in refused.err
    assert not list(tmp_path.iterdir())
    assert run(*arguments(command, clipped, tmp_path), "--allow", "clip").code == 0
