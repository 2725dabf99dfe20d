"""Three networks of different style, trained on digits: convolutions, inverted residuals, attention."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np

from octavo.demo.data import digits

layers = keras.layers
EPOCHS, RATE = 25, 3e-3
CALIBRATED = 128


def convolutions() -> Any:
    """Two branches of convolutions, concatenated: 8x8x1 -> 10 logits."""
    inputs = layers.Input((8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv1")(inputs)
    x = layers.ReLU(name="relu1")(layers.BatchNormalization(name="norm1")(x))
    x = layers.Conv2D(24, 3, padding="same", activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(name="pool")(x)
    left = layers.Conv2D(16, 3, padding="same", activation="relu", name="left")(x)
    right = layers.Conv2D(16, 1, activation="relu", name="right")(x)
    x = layers.Conv2D(32, 3, activation="relu", name="conv3")(layers.Concatenate(name="concat")([left, right]))
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(10, name="logits")(x), name="convolutions")


def inverted() -> Any:
    """Inverted residuals behind ReLU6, with a softmax: 8x8x3 -> 10."""
    inputs = layers.Input((8, 8, 3), name="image")

    def normalized(x: Any, name: str) -> Any:
        return layers.BatchNormalization(name=f"{name}_norm")(x)

    def clipped(x: Any, name: str) -> Any:
        return layers.ReLU(6.0, name=f"{name}_relu6")(normalized(x, name))

    x = clipped(layers.Conv2D(16, 3, padding="same", use_bias=False, name="stem")(inputs), "stem")
    for k in (1, 2):
        y = clipped(layers.Conv2D(48, 1, use_bias=False, name=f"expand{k}")(x), f"expand{k}")
        y = clipped(layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"depthwise{k}")(y), f"depthwise{k}")
        y = normalized(layers.Conv2D(16, 1, use_bias=False, name=f"project{k}")(y), f"project{k}")
        x = layers.Add(name=f"sum{k}")([x, y])
    x = layers.GlobalAveragePooling2D(name="mean")(layers.Conv2D(32, 1, activation="relu", name="head")(x))
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="scores")(x), name="inverted")


def attention() -> Any:
    """Two blocks of attention and GELU over the rows of an image: 8x8 -> 10 logits."""
    inputs = layers.Input((8, 8), name="rows")
    x = layers.Conv1D(24, 3, padding="same", activation="gelu", name="conv")(layers.Dense(24, name="embed")(inputs))
    for k in (1, 2):
        y = layers.LayerNormalization(name=f"norm{k}a")(x)
        x = layers.Add(name=f"sum{k}a")([x, layers.MultiHeadAttention(2, 12, name=f"attention{k}")(y, y)])
        y = layers.Dense(48, activation="gelu", name=f"up{k}")(layers.LayerNormalization(name=f"norm{k}b")(x))
        x = layers.Add(name=f"sum{k}b")([x, layers.Dense(24, name=f"down{k}")(y)])
    x = layers.Dense(32, activation="tanh", name="hidden")(layers.Flatten(name="flat")(x))
    return keras.Model(inputs, layers.Dense(10, name="logits")(x), name="attention")


NETWORKS = {"convolutions": convolutions, "inverted": inverted, "attention": attention}


def shaped(name: str, images: np.ndarray) -> np.ndarray:
    """Digits as a network reads them: tinted for the one of three channels, rows for the last."""
    if name == "inverted":
        tints = np.random.default_rng(0).uniform(0.6, 1, (len(images), 1, 1, 3)) * [1.0, 0.5, 0.12]
        return (images * tints).astype(np.float32)
    return images[..., 0] if name == "attention" else images


@cache
def trained(name: str) -> list[np.ndarray]:
    """The weights of a network, trained."""
    data = digits()
    keras.utils.set_random_seed(1)
    model = NETWORKS[name]()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=name != "inverted")
    model.compile(keras.optimizers.Adam(RATE), loss)
    model.fit(shaped(name, data.x_train), data.y_train, epochs=EPOCHS, batch_size=32, verbose=0)
    return list(model.get_weights())


def network(name: str) -> Any:
    """A trained network, anew."""
    model = NETWORKS[name]()
    model.set_weights(trained(name))
    return model


def split(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples to calibrate on, their labels, and samples to judge by."""
    data = digits()
    return shaped(name, data.x_train[:CALIBRATED]), data.y_train[:CALIBRATED], shaped(name, data.x_test)
