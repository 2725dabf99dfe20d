"""Networks that the figures are trained on, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from bench.real_data import cifar_jpeg, mnist, place
from octavo.tutorial.networks import Build, mobilenet_v1, mobilenet_v2

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


def from_scratch(build: Build) -> Callable[[int, Data], Any]:
    """The start of a network of 32x32 images in 0..255 and ten classes that is trained from scratch."""

    def start(seed: int, data: Data) -> Any:
        import keras

        keras.utils.set_random_seed(seed)
        return pretrained(build((32, 32, 3), 10), data, epochs=PRETRAINING)

    return start


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
        "mobilenet_v1": Work(cifar, from_scratch(mobilenet_v1), epochs=2, learning_rate=1e-3),
        "mobilenet_v2": Work(cifar, from_scratch(mobilenet_v2), epochs=2, learning_rate=1e-3),
    }
)
