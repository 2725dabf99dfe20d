"""Faults of what layers hold: offsets, masks, tables, far weights, and data with other statistics."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
from planted import FEATURES, Planted, branches, edit, layers, residual, samples

from keras_networks import draw_weights

WORDS, LENGTH = 40, 12


@cache
def planted() -> dict[str, Planted]:
    """Faults by name."""
    x, t = samples(64, 1), samples(96, 2)
    f, g = samples(64, 3, FEATURES), samples(96, 4, FEATURES)
    logits = ("out",)
    return {
        "an offset of all logits": Planted("far_from_zero", logits, shifted(np.full(5, 3000.0)), f, g),
        "a logit far below the others": Planted(
            "outlier_channels", logits, shifted(np.array([0.0, 0.0, -3000.0, 0.0, 0.0])), f, g
        ),
        "units around values of their own": Planted("far_from_zero", ("inner", "sum"), moved(), f, g),
        "far weights on a dead channel": Planted("outlier_weights", ("after",), dead_channel(), x, t),
        "a row of a table that no text has": Planted("outlier_weights", ("table",), text(900.0), words(1), words(2)),
        "an added mask": Planted("shared_scale", ("masked",), masked(), f, g),
        "standardized data": Planted("mis_scaled_data", ("features",), residual(), (f - 0.8) / 0.5, g),
        "one far feature of some samples": Planted("outlier_samples", ("features",), clipped(), far_features(f), g),
    }


def shifted(offset: np.ndarray) -> Any:
    """The residual network with something added to its logits."""
    return edit(residual(), "out", lambda kernel, bias: [kernel, bias + offset])


def moved() -> Any:
    """The residual network whose inner units, linear, lie around other values each, which the last layer takes back."""
    inputs = layers.Input(FEATURES, name="features")
    wide = layers.Dense(32, activation="relu", name="wide")(inputs)
    summed = layers.Add(name="sum")([wide, layers.Dense(32, name="inner")(wide)])
    model = draw_weights(keras.Model(inputs, layers.Dense(5, name="out")(summed), name="moved"), seed=7)
    offsets = np.random.default_rng(3).uniform(-300, 300, 32)
    edit(model, "inner", lambda kernel, bias: [kernel, bias + offsets])
    return edit(model, "out", lambda kernel, bias: [kernel, bias - offsets @ kernel])


def dead_channel() -> Any:
    """The branches with a channel that is always zero, read by weights far beyond the others."""

    def dead(kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
        kernel, bias = kernel.copy(), bias.copy()
        kernel[..., 2], bias[2] = 0, -1
        return [kernel, bias]

    def far(kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
        kernel = kernel.copy()
        kernel[..., 2, :] = 500 * kernel.std()
        return [kernel, bias]

    return edit(edit(branches(), "left", dead), "after", far)


def words(seed: int) -> np.ndarray:
    """Indices of all words but the last."""
    return np.random.default_rng(seed).integers(0, WORDS - 1, (96, LENGTH), np.int32)


def text(factor: float) -> Any:
    """An embedding whose last row is larger than the others, and a convolution: 12 words -> 5."""
    inputs = keras.Input((LENGTH,), dtype="int32", name="words")
    x = layers.Embedding(WORDS, 16, name="table")(inputs)
    x = layers.GlobalMaxPooling1D(name="top")(layers.Conv1D(16, 3, activation="relu", name="conv")(x))
    model = draw_weights(keras.Model(inputs, layers.Dense(5, name="out")(x), name="text"), seed=12)
    scale = np.where(np.arange(WORDS) == WORDS - 1, factor, 1.0)
    return edit(model, "table", lambda table: [table * scale[:, np.newaxis]])


def masked() -> Any:
    """Scores of five places, to which -10,000 is added where a place is a later one, and their softmax: 24 -> 4."""
    inputs = layers.Input(FEATURES, name="features")
    scores = layers.Reshape((5, 5), name="places")(layers.Dense(25, name="scores")(inputs))
    later = Plus(np.triu(np.full((5, 5), -1e4, np.float32), 1), name="masked")(scores)
    x = layers.Flatten(name="flat")(layers.Softmax(name="weights")(later))
    return draw_weights(keras.Model(inputs, layers.Dense(4, name="out")(x), name="masked"), seed=8)


class Plus(layers.Layer):
    """A constant added."""

    def __init__(self, constant: np.ndarray, **options: Any) -> None:
        super().__init__(**options)
        self._constant = constant

    def call(self, values: Any) -> Any:
        """The sum."""
        return keras.ops.add(values, self._constant)


def clipped() -> Any:
    """Dense layers behind ReLU6, which shows no far value: 24 -> 5."""
    inputs = layers.Input(FEATURES, name="features")
    x = layers.ReLU(6.0, name="relu")(layers.Dense(32, name="wide")(inputs))
    return draw_weights(keras.Model(inputs, layers.Dense(5, name="out")(x), name="clipped"), seed=9)


def far_features(features: np.ndarray) -> np.ndarray:
    """Features of which three samples have a far one."""
    features = features.copy()
    features[[3, 20, 41], 5] = 300.0
    return features
