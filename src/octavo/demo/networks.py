"""The two networks of the demo, and their training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from octavo.demo.data import Data
from octavo.progress import Progress, batch_counter

if TYPE_CHECKING:
    import keras

LAST_LAYER = "logits"


def digits_network() -> keras.Model:
    """A small CNN for 8x8 images: two convolutions, one with batch normalization, and 10 logits."""
    import keras

    return keras.Sequential(
        [
            keras.layers.Input((8, 8, 1), name="image"),
            keras.layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv_1"),
            keras.layers.BatchNormalization(name="norm_1"),
            keras.layers.ReLU(name="relu_1"),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu", name="conv_2"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(10, name=LAST_LAYER),
        ],
        name="digits",
    )


def tutorial_network() -> keras.Model:
    """The network of TensorFlow's quantization tutorials, for 28x28 images."""
    import keras

    return keras.Sequential(
        [
            keras.layers.Input((28, 28), name="image"),
            keras.layers.Reshape((28, 28, 1), name="reshape"),
            keras.layers.Conv2D(12, 3, activation="relu", name="conv"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(10, name=LAST_LAYER),
        ],
        name="mnist",
    )


def train(data: Data, *, epochs: int | None, seed: int, progress: Progress) -> keras.Model:
    """Build the network that suits the data and train it.

    Args:
        data: What to train on.
        epochs: Passes over the data; None takes 12 for digits, 1 (the tutorial's) for MNIST.
        seed: Of weights and batches.
        progress: Called with (stage, done, total) after every batch.
    """
    import keras

    keras.utils.set_random_seed(seed)
    model, default_epochs = (digits_network(), 12) if data.name == "digits" else (tutorial_network(), 1)
    fit(model, data, epochs=epochs or default_epochs, stage="train", progress=progress)
    return model


def train_further(model: keras.Model, data: Data, *, seed: int, progress: Progress) -> None:
    """Train a model for a few epochs more, quantization-aware or float: 3 for digits, 1 (the tutorial's) for MNIST."""
    import keras

    keras.utils.set_random_seed(seed)
    stage = f"train for {model.quantization.scheme}" if hasattr(model, "quantization") else "train float further"
    fit(model, data, epochs=3 if data.name == "digits" else 1, stage=stage, progress=progress)


def fit(
    model: keras.Model,
    data: Data,
    *,
    epochs: int,
    stage: str,
    progress: Progress,
    batch_size: int = 32,
    optimizer: str | keras.optimizers.Optimizer = "adam",
) -> None:
    """Compile and fit a classifier that ends in logits, telling `progress` of every batch."""
    import keras

    batches = -(-len(data.x_train) // batch_size)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    counter = batch_counter(progress, stage, epochs * batches)
    model.fit(data.x_train, data.y_train, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[counter])
