"""Models whose results are no row a sample: as many rows as a sample has values, none at all, or the input as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import octavo

X = np.random.default_rng(0).normal(size=(6, 3, 4)).astype(np.float32)

RESULTS: dict[str, Callable[[Any], Any]] = {
    "a row for each of a sample": lambda x: ops.reshape(ops.abs(x), (-1, 4)),
    "a number for each of a sample": lambda x: ops.ravel(ops.abs(x)),
    "two batches, one behind the other": lambda x: ops.concatenate([x, ops.abs(x)], axis=0),
    "parts of which one is empty": lambda x: ops.array_split(ops.abs(x), 2, axis=0),
    "the first none of each row": lambda x: ops.abs(x)[..., :0],
    "a part of nothing in between": lambda x: ops.concatenate([ops.abs(x), ops.relu(x[:, :, :0]), x[..., 3:1]], -1),
    "the input as it is": lambda x: ops.copy(x),
    "the same twice": lambda x: [ops.abs(x), x, ops.copy(x)] + [ops.abs(x)] * 2,
}


@pytest.mark.parametrize("kind", RESULTS)
def test_it_is_quantized_compared_with_keras_and_answers_as_keras_does(kind: str) -> None:
    inputs = keras.Input((3, 4))
    model = keras.Model(inputs, RESULTS[kind](inputs))
    made = octavo.quantize(model, "int8", X)
    assert made.verification is not None
    assert made.verification.ok
    found = made.predict(X[:1])
    for got, wanted in zip(
        found.values() if isinstance(found, dict) else [found], keras.tree.flatten(model(X[:1])), strict=True
    ):
        expected = keras.ops.convert_to_numpy(wanted)
        assert got.shape == expected.shape
        # Half a step where a value enters, and half a step where it leaves.
        np.testing.assert_allclose(got, expected, rtol=0, atol=np.ptp(X) / 255 + 1e-6)


def test_a_batch_of_one_that_keras_squeezes_away_is_compared_all_the_same() -> None:
    inputs = keras.Input((3, 4))
    made = octavo.quantize(keras.Model(inputs, ops.squeeze(ops.abs(inputs))), "int8", X)
    (loading,) = made.fidelity.loading
    assert loading.sqnr_db is None or loading.sqnr_db > 100
    assert made.predict(X).shape == X.shape
