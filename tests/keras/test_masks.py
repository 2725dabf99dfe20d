"""Masks of attention written by hand, as people write them, leave the scores their steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import octavo
from octavo import qat

layers, ops = keras.layers, keras.ops

LENGTH = 8
SEEN = np.tri(LENGTH, dtype=bool)
MASKS: dict[str, Callable[[Any, Any], Any]] = {
    "chosen": lambda scores, words: ops.where(SEEN, scores, -1e9),
    "chosen by words": lambda scores, words: ops.where(words != 0, scores, float(np.finfo(np.float32).min)),
    "chosen by words, infinite": lambda scores, words: ops.where(words != 0, scores, -np.inf),
    "added, infinite": lambda scores, words: scores + np.where(SEEN, 0, -np.inf).astype(np.float32),
    "chosen, nothing in some rows": lambda scores, words: ops.where(words > 9, scores, -1e9),
    "chosen, then a bias": lambda scores, words: ops.where(SEEN, scores, -1e9) + 0.1,
    "added": lambda scores, words: scores + np.where(SEEN, 0, -1e9).astype(np.float32),
    "added by words": lambda scores, words: scores + (1.0 - ops.cast(words != 0, "float32")) * -1e9,
    "subtracted by words": lambda scores, words: scores - (1.0 - ops.cast(words != 0, "float32")) * 1e9,
}
# Attention between int8 ends has 30 dB and more here; scores that have no steps 0 to 11.
FLOOR_DB = 28.0


def attention(mask: Callable[[Any, Any], Any]) -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = layers.Embedding(30, 16, embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0))(inputs)
    query, key, value = (layers.Dense(16)(x) for _ in range(3))
    scores = mask(ops.matmul(query, ops.swapaxes(key, 1, 2)), inputs[:, None, :])
    return keras.Model(inputs, layers.Dense(4)(ops.matmul(ops.softmax(scores), value)))


OFTEN = ("chosen by words, infinite", "chosen, nothing in some rows", "chosen, then a bias", "added by words")


@pytest.mark.parametrize(
    "name", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.exhaustive) for name in MASKS]
)
def test_a_mask_takes_no_steps_from_the_scores(name: str) -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(1, 30, (64, LENGTH)) * (np.arange(LENGTH) < rng.integers(3, LENGTH + 1, (64, 1)))
    model, x = attention(MASKS[name]), words.astype(np.int32)
    made = octavo.quantize(model, "int8", x, effort="fast", verify="off")
    wanted = np.asarray(model.predict(x, verbose=0))
    error = np.asarray(made.predict(x)) - wanted
    assert made.islands == ()
    assert 10 * np.log10(np.square(wanted).sum() / np.square(error).sum()) > FLOOR_DB


@pytest.mark.parametrize(("choose", "hidden"), [(ops.max, -1e9), (ops.max, -np.inf), (ops.min, 1e9)])
def test_a_mask_takes_no_steps_from_what_a_largest_or_least_value_is_chosen_of(choose: Any, hidden: float) -> None:
    inputs = [keras.Input((LENGTH, 5)), keras.Input((LENGTH, 1))]
    chosen = ops.where(inputs[1] > 0, layers.Dense(6)(inputs[0]), hidden)
    model = keras.Model(inputs, layers.Dense(4)(choose(chosen, axis=1)))
    rng = np.random.default_rng(0)
    seen = np.arange(LENGTH)[:, None] < rng.integers(1, LENGTH + 1, (64, 1, 1))
    x = [rng.normal(size=(64, LENGTH, 5)).astype(np.float32), seen.astype(np.float32)]
    made, wanted = octavo.quantize(model, "int8", x, effort="fast"), np.asarray(model.predict(x, verbose=0))
    error = np.asarray(made.predict(x)) - wanted
    assert made.islands == ()
    assert 10 * np.log10(np.square(wanted).sum() / np.square(error).sum()) > FLOOR_DB


def test_a_mask_takes_no_steps_from_the_scores_in_training() -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((LENGTH, 12))
    query, key, value = (layers.Dense(12)(inputs) for _ in range(3))
    scores = ops.where(SEEN, ops.matmul(query, ops.swapaxes(key, 1, 2)), -1e9)
    model = keras.Model(inputs, layers.Dense(4)(ops.matmul(ops.softmax(scores), value)))
    x = np.random.default_rng(0).normal(size=(64, LENGTH, 12)).astype(np.float32)
    wanted = np.asarray(model.predict(x, verbose=0))
    trained = qat.quantize_model(model)
    trained.compile(keras.optimizers.SGD(0.0), "mse")
    trained.fit(x, wanted, batch_size=32, verbose=0)
    error = np.asarray(octavo.quantize(trained, verify="off").predict(x)) - wanted
    assert 10 * np.log10(np.square(wanted).sum() / np.square(error).sum()) > FLOOR_DB - 3.0
