"""Networks that the figures are trained on, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from bench.real_data import cifar_jpeg, mnist, place

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Work:
    """What is trained, and how long.

    Attributes:
        data: Returns x_train, y_train, x_test, y_test.
        start: The model whose weights every row starts from, given a seed and the data.
        epochs, learning_rate, batch: Of the training that the rows compare.
        from_logits: Whether the network ends without softmax.
        schemes: Quantized to.
    """

    data: Callable[[], Data]
    start: Callable[[int, Data], Any]
    epochs: int
    learning_rate: float
    batch: int = 128
    from_logits: bool = True
    schemes: tuple[str, ...] = ("int8",)


def tutorial_network(seed: int, data: Data) -> Any:
    """The tutorial's network on MNIST, trained for an epoch as there."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(12, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    return pretrained(model, data, epochs=1)


def resnet8(seed: int, data: Data) -> Any:
    """The pretrained network of MLPerf Tiny; the seed decides the order of batches alone."""
    import keras

    return keras.models.load_model(place("models/resnet8.keras"), compile=False)


def mobilenet_v1(seed: int, data: Data) -> Any:
    """MobileNetV1 of width 0.25 on 32x32 images in 0..255, trained from scratch."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inputs = keras.Input((32, 32, 3))
    x = convolution(
        layers.Rescaling(1 / 127.5, offset=-1)(inputs), layers.Conv2D(16, 3, padding="same", use_bias=False)
    )
    for filters, stride in (
        (16, 1),
        (32, 2),
        (32, 1),
        (64, 2),
        (64, 1),
        (128, 2),
        (128, 1),
        (128, 1),
        (256, 2),
        (256, 1),
    ):
        x = convolution(x, layers.DepthwiseConv2D(3, stride, "same", use_bias=False))
        x = convolution(x, layers.Conv2D(filters, 1, use_bias=False))
    x = layers.GlobalAveragePooling2D()(x)
    return pretrained(keras.Model(inputs, layers.Dense(10)(x), name="mobilenet_v1"), data, epochs=PRETRAINING)


def mobilenet_v2(seed: int, data: Data) -> Any:
    """MobileNetV2 of width 0.35 (inverted residuals, linear bottlenecks) on 32x32 images, trained from scratch."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inputs = keras.Input((32, 32, 3))
    x = convolution(
        layers.Rescaling(1 / 127.5, offset=-1)(inputs), layers.Conv2D(16, 3, padding="same", use_bias=False)
    )
    blocks = ((8, 1, 1), (8, 2, 6), (8, 1, 6), (16, 2, 6), (16, 1, 6), (24, 1, 6), (32, 2, 6), (32, 1, 6), (56, 1, 6))
    for filters, stride, expansion in blocks:
        entering = x
        if expansion > 1:
            x = convolution(x, layers.Conv2D(expansion * entering.shape[-1], 1, use_bias=False))
        x = convolution(x, layers.DepthwiseConv2D(3, stride, "same", use_bias=False))
        x = layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(x))
        if stride == 1 and entering.shape[-1] == filters:
            x = layers.Add()([entering, x])
    x = layers.GlobalAveragePooling2D()(convolution(x, layers.Conv2D(160, 1, use_bias=False)))
    return pretrained(keras.Model(inputs, layers.Dense(10)(x), name="mobilenet_v2"), data, epochs=PRETRAINING)


def convolution(x: Any, layer: Any) -> Any:
    """Convolution -> batch normalization -> ReLU6."""
    import keras

    return keras.layers.ReLU(6.0)(keras.layers.BatchNormalization()(layer(x)))


def pretrained(model: Any, data: Data, epochs: int) -> Any:
    """The model after some epochs of Adam on the training set."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3 if epochs > 1 else 1e-3), loss)
    model.fit(data[0], data[1], batch_size=128, epochs=epochs, verbose=0)
    return model


def cifar() -> Data:
    """The JPEG images, shuffled."""
    return (*cifar_jpeg("train"), *cifar_jpeg("test"))


# Epochs from scratch before float and quantization-aware training part.
PRETRAINING = 4

WORKS: Mapping[str, Work] = MappingProxyType(
    {
        "mnist": Work(mnist, tutorial_network, epochs=1, learning_rate=1e-3),
        "resnet8": Work(cifar, resnet8, epochs=3, learning_rate=1e-3, from_logits=False, schemes=("int8", "int8x4")),
        "mobilenet_v1": Work(cifar, mobilenet_v1, epochs=2, learning_rate=1e-3),
        "mobilenet_v2": Work(cifar, mobilenet_v2, epochs=2, learning_rate=1e-3),
    }
)
