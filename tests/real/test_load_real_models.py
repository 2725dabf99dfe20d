"""Public pretrained models load and compute what Keras computes on real samples."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from keras_agreement import assert_computes_the_same
from octavo.load import load
from octavo.load.keras_files import read_keras

SHARED = Path(os.environ.get("OCTAVO_SHARED", Path(__file__).parents[3] / "shared"))
MODELS = ("resnet8.keras", "resnet8_keras2.h5", "kws.keras")

pytestmark = [pytest.mark.real, pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared")]


def samples(name: str, count: int = 3) -> np.ndarray:
    """Real samples of a model, as its input takes them."""
    if name.startswith("kws"):
        with np.load(SHARED / "data" / "kws01_mfcc.npz") as arrays:
            steps = arrays["x_int8"][:count].astype(np.float32) - np.float32(arrays["zero_point"])
            return steps * np.float32(arrays["scale"])
    with np.load(SHARED / "data" / "cifar10_train4000_lossless.npz") as arrays:
        return arrays["x"][:count].astype(np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_a_pretrained_model_computes_what_keras_computes(name: str) -> None:
    path = SHARED / "models" / name
    model, _ = read_keras(path)
    assert_computes_the_same(model, load(path).graph, [samples(name)])
