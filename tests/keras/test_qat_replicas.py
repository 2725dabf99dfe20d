"""Training on several replicas computes what training on one does, ranges included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("train_on_replicas.py")
# Two steps, each a sum over some hundred products in another order.
ROUNDING = 256 * float(np.finfo(np.float32).eps)


def trained_on(folder: Path, *counts: int) -> list[dict[str, np.ndarray]]:
    """Every variable after two steps, by path, for each count of replicas; each step's batch is divided among them."""
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, PROGRAM, folder, *map(str, counts)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [dict(np.load(folder / f"{count}.npz")) for count in counts]


@pytest.mark.every_backend
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras distributes training on JAX and TensorFlow")
def test_two_replicas_train_as_one_does(tmp_path: Path) -> None:
    one, two = trained_on(tmp_path, 1, 2)
    assert one.keys() == two.keys()
    ranges = [path for path in one if path.endswith(("/low", "/high"))]
    assert len(ranges) == 12
    assert any(np.abs(one[path]).max() > 0 for path in ranges)
    for path, value in one.items():
        np.testing.assert_allclose(
            two[path], value, rtol=0, atol=ROUNDING * max(1.0, np.abs(value).max()), err_msg=path
        )
