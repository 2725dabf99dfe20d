"""The networks of MLPerf Tiny that are not among the shared models: their shapes, in Keras, with random weights.

Source: github.com/mlcommons/tiny, benchmark/training. Instructions and memory depend on shapes alone, but for what the
weights let a kernel leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from octavo.tutorial.networks import activated


def anomaly_detection() -> Any:
    """The autoencoder of machine sounds: 640 values, eight in the middle."""
    import keras

    x = inputs = keras.Input((640,))
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Dense(units)(x)))
    return keras.Model(inputs, keras.layers.Dense(640)(x), name="anomaly_detection")


def visual_wake_words() -> Any:
    """MobileNetV1 of width 0.25 on images of 96 x 96: is there a person?"""
    import keras

    layers = keras.layers
    inputs = keras.Input((96, 96, 3))
    x = activated(inputs, layers.Conv2D(8, 3, 2, "same", use_bias=False))
    for filters, stride in (
        (16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1),
    ):  # fmt: skip
        x = activated(x, layers.DepthwiseConv2D(3, stride, "same", use_bias=False))
        x = activated(x, layers.Conv2D(filters, 1, use_bias=False))
    x = layers.Flatten()(layers.AveragePooling2D(3)(x))
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(x), name="visual_wake_words")


def streaming_wakeword() -> Any:
    """Depthwise and pointwise convolutions along 30 frames of 40 features."""
    import keras

    layers = keras.layers
    x = inputs = keras.Input((30, 1, 40))
    for filters, taps in ((128, 3), (128, 5), (128, 10), (32, 15)):
        x = layers.DepthwiseConv2D((taps, 1), use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(x)))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten()(x)), name="streaming_wakeword")


BUILT: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {"ad": anomaly_detection, "vww": visual_wake_words, "sww": streaming_wakeword}
)


def quantized(name: str, seed: int = 0) -> bytes:
    """The .tflite file of a network of `BUILT`, calibrated on random samples."""
    return calibrated(BUILT[name], seed)


def calibrated(build: Callable[[], Any], seed: int = 0) -> bytes:
    """The .tflite file of a network with random weights and batch statistics, calibrated on random samples."""
    import keras

    import octavo

    keras.utils.set_random_seed(seed)
    model = build()
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            draws = rng.uniform(0.5, 1.5, size), rng.normal(0, 0.1, size), rng.normal(0, 0.2, size)
            layer.set_weights([*draws, rng.uniform(0.5, 1.5, size)])
    samples = rng.normal(size=(16, *model.input_shape[1:])).astype(np.float32)
    return octavo.quantize(model, "int8", data=samples, verify="off").model
