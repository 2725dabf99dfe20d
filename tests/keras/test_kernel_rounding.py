"""In inference a trained model rounds as the kernels of its file do."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from octavo import qat

X = np.random.default_rng(0).normal(size=(200, 12, 12, 8)).astype(np.float32)
LINEAR: dict[str, Callable[[], list[keras.layers.Layer]]] = {
    "convolution": lambda: [layers.Conv2D(8, 3)],
    "convolution without bias": lambda: [layers.Conv2D(8, 3, use_bias=False)],
    "convolution with ReLU": lambda: [layers.Conv2D(8, 3, activation="relu")],
    "depthwise": lambda: [layers.DepthwiseConv2D(3, depth_multiplier=2)],
    "dense": lambda: [layers.Flatten(), layers.Dense(40)],
}


@pytest.mark.parametrize("scheme", ["int8", "int8x4"])
@pytest.mark.parametrize("make", LINEAR.values(), ids=LINEAR)
def test_values_differ_from_the_files_only_where_float32_sums_do(
    make: Callable[[], list[keras.layers.Layer]], scheme: str
) -> None:
    keras.utils.set_random_seed(1)
    model = qat.quantize_model(keras.Sequential([keras.Input(X.shape[1:]), *make()]), scheme, data=X)
    parity = octavo.parity(model, octavo.quantize(model, verify="off"), X)
    products = int(np.prod(model.quantized_layers[0].layer.kernel.shape[:-1]))
    # A sum of n products wanders by sqrt(n) roundings of float32, of 255 steps at most; so many are as near a tie.
    assert parity.steps[0] >= 1 - 255 * np.sqrt(products) * np.finfo(np.float32).eps
    assert parity.largest_steps <= 1
