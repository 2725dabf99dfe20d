"""The two data sets of the demo."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from octavo.errors import DatasetError, MissingDependencyError


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Images and labels, split into a part to train on and a part held out.

    Attributes:
        name: "digits" or "mnist"; what else is learnt, by its file's name.
        x_train, x_test: float32 in [0, 1]; [n, 8, 8, 1] for digits, [n, 28, 28] for mnist.
        y_train, y_test: Class numbers from 0, shape [n].
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def digits() -> Data:
    """Scikit-learn's 1,797 handwritten digits of 8x8 pixels, a quarter of them held out. Needs no network.

    Raises:
        MissingDependencyError: without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise MissingDependencyError(
            "the demo's digits come with scikit-learn.",
            got=f"no scikit-learn ({error})",
            expected="scikit-learn 1.5 or later",
            fix='pip install "octavo[demo]", or bring MNIST along: octavo demo --data mnist.npz',
        ) from error
    images, labels = load_digits(return_X_y=True)
    pixels = (images / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    x_train, x_test, y_train, y_test = train_test_split(pixels, labels, test_size=0.25, stratify=labels, random_state=0)
    return Data("digits", x_train, y_train, x_test, y_test)


def mnist_file(path: Path) -> Data:
    """MNIST from an .npz file in Keras's layout.

    Raises:
        DatasetError: if the file is missing, is no .npz, or lacks an array.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _mnist({name: arrays[name] for name in ("x_train", "y_train", "x_test", "y_test")})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"'{path}' cannot be read as MNIST.",
            got=str(error),
            expected="an .npz file with x_train and x_test of shape (n, 28, 28), y_train and y_test",
            fix="pass the mnist.npz that Keras downloads, or drop --data to use the built-in digits",
        ) from error


def mnist_of_keras() -> Data:
    """MNIST through Keras's cache, downloaded on first use.

    Raises:
        DatasetError: if it is not in the cache and cannot be downloaded.
    """
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras wraps whatever the download raised in a bare Exception
        raise DatasetError(
            "MNIST could not be downloaded.",
            got=str(error),
            expected="network access, or mnist.npz in Keras's cache",
            fix="copy mnist.npz here and use --data mnist.npz, or drop --dataset to use the built-in digits",
        ) from error
    return _mnist({"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test})


def _mnist(arrays: dict[str, np.ndarray]) -> Data:
    """Pixels as the tutorial scales them: 0..255 to 0..1.

    Raises:
        ValueError: for images of another shape.
    """
    for split in ("train", "test"):
        images, labels = arrays[f"x_{split}"], arrays[f"y_{split}"]
        if images.shape != (len(labels), 28, 28):
            raise ValueError(f"x_{split} has shape {images.shape} beside {len(labels)} labels")
    x_train, x_test = ((arrays[name] / 255.0).astype(np.float32) for name in ("x_train", "x_test"))
    return Data("mnist", x_train, arrays["y_train"], x_test, arrays["y_test"])
