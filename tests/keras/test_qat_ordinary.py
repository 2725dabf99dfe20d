"""Ordinary arithmetic and policies between layers do not stop training, on any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import octavo
from combinations import shared_out
from octavo import qat

pytestmark = pytest.mark.every_backend

ARITHMETIC: dict[str, Callable[[Any], Any]] = {
    "times a number": lambda y: y * 2.0,
    "times one": lambda y: y * 1.0,
    "times a vector": lambda y: y * np.arange(1, 6, dtype=np.float32),
    "divided and moved": lambda y: y / 3.0 + 1.0,
    "times itself": lambda y: y * y,
    "negated": lambda y: -y,
    "a difference of numbers": lambda y: 1.0 - y,
    "gated by itself": lambda y: ops.sigmoid(y) * y,
}
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


@pytest.fixture
def policy(request: pytest.FixtureRequest) -> Iterator[str]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def trained(model: keras.Model, x: np.ndarray) -> tuple[keras.Model, octavo.QuantizedModel]:
    aware = qat.quantize_model(model, data=x)
    aware.compile("sgd", "mse")
    aware.fit(x, np.zeros((len(x), *model.output_shape[1:]), np.float32), batch_size=16, verbose=0)
    return aware, octavo.quantize(aware)


@pytest.mark.parametrize("name", shared_out(ARITHMETIC, 4))
def test_arithmetic_after_a_layer_trains_and_is_deployed(name: str) -> None:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32)
    given = keras.Input((6,))
    y = ARITHMETIC[name](layers.Dense(5)(given))
    for model in (keras.Model(given, y), keras.Model(given, layers.Dense(3)(y))):
        aware, quantized = trained(model, x)
        assert quantized.verification.ok
        assert octavo.parity(aware, quantized, x).largest_steps <= 1


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
def test_a_global_policy_does_not_reach_the_layers_that_round(policy: str) -> None:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(32, 8, 8, 2)).astype(np.float32)
    given = keras.Input((8, 8, 2))
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(given))
    model = keras.Model(given, layers.Dense(3, dtype="float32")(layers.Flatten()(y)))
    aware, quantized = trained(model, x)
    assert all(np.isfinite(aware.predict(x, verbose=0)).ravel())
    assert {str(v.dtype) for q in aware.fake_quantizers for v in q.variables} <= {"float32"}
    assert quantized.verification.ok
