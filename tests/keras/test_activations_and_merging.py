"""Activations, merging layers and arithmetic loaded from Keras compute what Keras computes, in every configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import activations, layers, ops
from layer_calls import Shape, assert_computes_the_same

from octavo.load.keras_graph import load_keras

IMAGE, VECTOR = (4, 5, 3), (6,)
# A few float32 operations on values below 16, each rounded once; exp and its like err by a few units more.
ROUNDING = 16 * 16 * float(np.finfo(np.float32).eps)

CALLS: tuple[Callable[..., Any], ...] = (
    layers.ReLU(),
    layers.ReLU(6.0),
    layers.ReLU(6.0, negative_slope=0.1),
    layers.ReLU(2.5),
    layers.ReLU(negative_slope=0.3),
    layers.ReLU(threshold=0.5),
    lambda x: activations.relu(x, 0.3, 0.8, -0.4),
    layers.Activation("sparsemax"),
    layers.LeakyReLU(0.05),
    layers.ELU(),
    layers.ELU(0.4),
    layers.PReLU(),
    layers.PReLU(shared_axes=[1, 2]),
    layers.PReLU(shared_axes=[3]),
    layers.Softmax(),
    layers.Softmax(axis=-3),
    layers.Softmax(axis=[2]),
    layers.Softmax(axis=(1, 2)),
    layers.Activation("swish"),
    layers.Activation("hard_swish"),
    layers.Activation("linear"),
    lambda x: activations.relu(x, max_value=0.5),
    lambda x: ops.leaky_relu(x, 0.4),
    lambda x: ops.elu(x, 0.4),
    lambda x: ops.celu(x, 0.4),
    lambda x: ops.gelu(x, approximate=False),
    lambda x: ops.gelu(x, approximate=True),
    lambda x: ops.softmax(x, axis=2),
    lambda x: ops.log_softmax(x, axis=1),
    lambda x: x + 1,
    lambda x: 1.5 + x,
    lambda x: x - 2,
    lambda x: 2 - x,
    lambda x: x * np.float32(0.5),
    lambda x: 3 * x,
    lambda x: x / 4,
    lambda x: 1 / (x * x + 1),
    lambda x: x / (x * x + 1),
    lambda x: -x,
    lambda x: abs(x),
    lambda x: x**2,
    lambda x: x**3,
    lambda x: 2**x,
    lambda x: (x * x + 1) ** x,
    lambda x: (x * x) ** 0.5,
    lambda x: (x * x + 1) ** -0.5,
    lambda x: (x * x + 1) ** -1,
    lambda x: x + np.arange(3, dtype=np.float32),
    lambda x: ops.subtract(np.ones((5, 1), np.float32), x),
    lambda x: ops.maximum(x, 0.1),
    lambda x: ops.minimum(0.1, x),
    lambda x: ops.clip(x, 0, 6),
    lambda x: ops.clip(x, -0.3, 0.2),
)
MERGES = (layers.Add, layers.Multiply, layers.Maximum, layers.Minimum, layers.Average)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_computes_what_keras_computes(call: Callable[..., Any]) -> None:
    assert_computes_the_same(call, IMAGE, rounding=ROUNDING)


@pytest.mark.parametrize("kind", MERGES)
@pytest.mark.parametrize(
    "shapes", [(IMAGE, IMAGE), (IMAGE, IMAGE, IMAGE, IMAGE), (IMAGE, (4, 1, 3), (3,)), ((3,), IMAGE)]
)
def test_tensors_are_merged_as_keras_merges_them(kind: type[keras.Layer], shapes: tuple[Shape, ...]) -> None:
    assert_computes_the_same(lambda *tensors: kind()(list(tensors)), *shapes, rounding=ROUNDING)


def test_a_difference_keeps_the_order_of_its_terms() -> None:
    assert_computes_the_same(lambda a, b: layers.Subtract()([b, a]), IMAGE, (3,), rounding=ROUNDING)


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis 0")
def test_a_softmax_over_the_batch_is_told() -> None:
    inputs = keras.Input(IMAGE)
    notes = load_keras(keras.Model(inputs, layers.Softmax(axis=0)(inputs))).notes
    assert any("mixes the samples of a batch" in note.text for note in notes)
