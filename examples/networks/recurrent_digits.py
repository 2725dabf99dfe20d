"""Digits read row by row by an LSTM or a GRU: in float, in int8 after training, and trained for int8."""

import sys

import keras
import numpy as np

import octavo
from octavo import qat


def build(cell: str, units: int) -> keras.Model:
    """Rows of 28 pixels in, a score for each digit out."""
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    return keras.Sequential([keras.Input((28, 28)), layer(units), keras.layers.Dense(10)])


def fit(model: keras.Model, x: np.ndarray, y: np.ndarray, epochs: int, learning_rate: float) -> None:
    """Adam, as ever."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(learning_rate), loss)
    model.fit(x, y, batch_size=128, epochs=epochs, verbose=2)


def main(digits: tuple, cell: str = "lstm", units: int = 48, epochs: int = 6, tuned_epochs: int = 1) -> dict:
    """Train, quantize, train again for int8, and compare the accuracies.

    Args:
        digits: ((images, labels), (images, labels)) for training and test, as keras.datasets.mnist has them.
        cell: "lstm" or "gru".
        units: Of the cell.
        epochs: Of training in float.
        tuned_epochs: Of quantization-aware training after it.
    """
    (x, y), (x_test, y_test) = digits
    x, x_test = (images.astype("float32") / 255 for images in (x, x_test))
    model = build(cell, units)
    fit(model, x, y, epochs, 2e-3)
    after_training = octavo.quantize(model, "int8", x[:500])
    aware = qat.quantize_model(model)
    fit(aware, x, y, tuned_epochs, 2e-4)
    trained_for_int8 = octavo.quantize(aware)
    files = {
        "float": octavo.quantize(model, "float32"),
        "int8": after_training,
        "int8 QAT": trained_for_int8,
    }
    found = {name: file.evaluate(x_test, y_test) for name, file in files.items()}
    for name, evaluation in found.items():
        print(f"{name:>8}: {evaluation.accuracy:.2%}, {len(files[name].model):,} bytes")
    return {"files": files, "accuracy": {name: evaluation.accuracy for name, evaluation in found.items()}}


if __name__ == "__main__":
    main(keras.datasets.mnist.load_data(), *sys.argv[1:])
