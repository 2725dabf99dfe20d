"""The real data and models that the figures are measured on; they lie beside the checkout and are never part of it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from octavo.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
PLACE = Path(os.environ.get("OCTAVO_SHARED", ROOT.parent / "shared"))
RESULTS = ROOT / "bench" / "results"


def place(name: str) -> Path:
    """Path of a shared file.

    Raises:
        InputError: if it is not there.
    """
    path = PLACE / name
    if not path.exists():
        raise InputError(
            f"'{name}' is not there, and this figure is measured on it.",
            got=f"no file {path}",
            expected="the shared data and models beside the checkout",
            fix="set the environment variable OCTAVO_SHARED to their folder",
        )
    return path


def mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(x_train, y_train, x_test, y_test); images float32 in 0..1, [n, 28, 28, 1]."""
    with np.load(place("data/mnist.npz")) as file:
        images = [(file[name] / 255.0).astype(np.float32)[..., np.newaxis] for name in ("x_train", "x_test")]
        return images[0], file["y_train"], images[1], file["y_test"]


def cifar_jpeg(part: str, count: int | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Shuffled images of the "train" or "test" part, float32 in 0..255, [n, 32, 32, 3], and labels [n]."""
    from PIL import Image

    with np.load(place("data/cifar10_jpeg.npz")) as file:
        data, offsets, labels = file[f"jpeg_{part}"], file[f"offsets_{part}"], file[f"y_{part}"].ravel()
    order = np.random.default_rng(seed).permutation(len(labels))[:count]
    images = [np.asarray(Image.open(io.BytesIO(data[offsets[i] : offsets[i + 1]].tobytes()))) for i in order]
    return np.stack(images).astype(np.float32), labels[order].astype(np.int64)


def cifar_lossless() -> tuple[np.ndarray, np.ndarray]:
    """The first 4,000 training images, float32 in 0..255, and labels."""
    with np.load(place("data/cifar10_train4000_lossless.npz")) as file:
        return file["x"].astype(np.float32), file["y"].ravel().astype(np.int64)


def keywords() -> tuple[np.ndarray, np.ndarray]:
    """The 1,000 keyword samples as float32 [1000, 49, 10, 1], and labels."""
    with np.load(place("data/kws01_mfcc.npz")) as file:
        x = (file["x_int8"].astype(np.float32) - float(file["zero_point"])) * float(file["scale"])
        return x, file["y"].ravel().astype(np.int64)


def mobilenet_224(seed: int = 0) -> object:
    """keras.applications.MobileNet with random weights and batch statistics that are not the initial ones."""
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.applications.MobileNet(weights=None)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            draws = rng.uniform(0.5, 1.5, size), rng.normal(0, 0.1, size), rng.normal(0, 0.2, size)
            layer.set_weights([*draws, rng.uniform(0.5, 1.5, size)])
    return model


def images_224(count: int, seed: int = 0) -> np.ndarray:
    """Smooth random images, float32 in -1..1, [count, 224, 224, 3]."""
    coarse = np.random.default_rng(seed).uniform(-1, 1, (count, 14, 14, 3)).astype(np.float32)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)
