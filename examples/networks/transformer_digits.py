"""Digits read in patches by a transformer of two blocks: in float, in int8 after training, and trained for int8."""

import keras
import numpy as np

import octavo
from octavo import qat

layers = keras.layers


def block(x: keras.KerasTensor, heads: int, width: int) -> keras.KerasTensor:
    """Attention and two dense layers, each around a normalization and beside a shortcut."""
    normal = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(normal, normal)])
    hidden = layers.Dense(2 * width, activation="gelu")(layers.LayerNormalization()(x))
    return layers.Add()([x, layers.Dense(width)(hidden)])


class Places(layers.Layer):
    """Adds what each place in the sequence has learned to say."""

    def build(self, shape: tuple) -> None:
        """Make the weight, of a sequence's shape."""
        self.places = self.add_weight(shape=shape[1:], initializer="random_normal")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """(batch, places, width) to the same."""
        return x + self.places


def build(width: int = 32, heads: int = 4, blocks: int = 2) -> keras.Model:
    """Images of 28 x 28 pixels in, a score for each digit out."""
    image = keras.Input((28, 28, 1))
    x = layers.Reshape((16, width))(layers.Conv2D(width, 7, strides=7)(image))
    x = Places()(x)
    for _ in range(blocks):
        x = block(x, heads, width)
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(image, layers.Dense(10)(x))


def fit(model: keras.Model, x: np.ndarray, y: np.ndarray, epochs: int, learning_rate: float) -> None:
    """Adam, as ever."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(learning_rate), loss)
    model.fit(x, y, batch_size=128, epochs=epochs, verbose=2)


def main(digits: tuple, epochs: int = 5, tuned_epochs: int = 1) -> dict:
    """Train, quantize, train again for int8, and compare the accuracies.

    Args:
        digits: ((images, labels), (images, labels)) for training and test, as keras.datasets.mnist has them.
        epochs: Of training in float.
        tuned_epochs: Of quantization-aware training after it.
    """
    (x, y), (x_test, y_test) = digits
    x, x_test = (images[..., np.newaxis].astype("float32") / 255 for images in (x, x_test))
    model = build()
    fit(model, x, y, epochs, 2e-3)
    after_training = octavo.quantize(model, "int8", x[:500])
    aware = qat.quantize_model(model)
    fit(aware, x, y, tuned_epochs, 2e-4)
    files = {
        "float": octavo.quantize(model, "float32"),
        "int8": after_training,
        "int8 QAT": octavo.quantize(aware),
    }
    found = {name: file.evaluate(x_test, y_test) for name, file in files.items()}
    for name, evaluation in found.items():
        print(f"{name:>8}: {evaluation.accuracy:.2%}, {len(files[name].model):,} bytes")
    return {"files": files, "accuracy": {name: evaluation.accuracy for name, evaluation in found.items()}}


if __name__ == "__main__":
    main(keras.datasets.mnist.load_data())
