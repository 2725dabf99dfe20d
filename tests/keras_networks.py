"""Small Keras models whose weights come from numpy, the same on every machine and backend."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def draw_weights(model: Any, seed: int = 0) -> Any:
    """Give every weight values of a normal distribution, scaled so that activations neither die nor grow."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        fan_in = max(1, int(np.prod(variable.shape[:-1])))
        drawn = rng.normal(0, 1 / np.sqrt(fan_in), variable.shape)
        variable.assign(np.abs(drawn) + 0.5 if "variance" in variable.path or "gamma" in variable.path else drawn)
    return model


def settled(model: Any, *x: np.ndarray) -> Any:
    """The model with moving statistics of these samples, as long training leaves them."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            values = np.asarray(keras.Model(model.inputs, layer.input).predict(list(x), verbose=0))
            over = tuple(range(values.ndim - 1))
            layer.moving_mean.assign(values.mean(over))
            layer.moving_variance.assign(values.var(over))
    return model


def convolutional(name: str = "small") -> Any:
    """Convolution, normalization, activation, pooling, depthwise, a residual sum, a dense softmax: 8x8x3 -> 10."""
    layers = keras.layers
    inputs = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise")(x)
    x = layers.Add(name="sum")([x, y])
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(name="pool")(x))
    x = layers.Dense(10, activation="softmax", name="scores")(x)
    return draw_weights(keras.Model(inputs, x, name=name))


def branching(name: str = "branches") -> Any:
    """Two inputs, a shared layer, two outputs: (6,), (6,) -> (6,), (3,)."""
    layers = keras.layers
    first, second = layers.Input((6,), name="first"), layers.Input((6,), name="second")
    shared = layers.Dense(6, name="shared")
    total = layers.Add(name="total")([shared(first), shared(second)])
    return draw_weights(keras.Model([first, second], [total, layers.Dense(3, name="scores")(total)], name=name))


def images(count: int, seed: int = 1) -> np.ndarray:
    """Samples of `convolutional`, float32 [count, 8, 8, 3]."""
    return np.random.default_rng(seed).normal(size=(count, 8, 8, 3)).astype(np.float32)
