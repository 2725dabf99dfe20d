"""The images that the tutorial's networks learn: CIFAR-10, or the user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from octavo.data.arrays import read_arrays
from octavo.data.class_folders import has_splits, images_by_class
from octavo.demo.data import Data
from octavo.errors import DatasetError

# Share held out of images that are not split, as one of so many.
HELD_OUT = 5
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
LAYOUT = "an .npz file with x_train, y_train, x_test and y_test, or a folder with one folder of images a class"


def read_images(path: Path | None, size: int, samples: int | None, seed: int) -> Data:
    """Images as float32 in 0..255, [n, height, width, channels], shuffled, and class numbers [n].

    Args:
        path: An .npz file in Keras's layout of CIFAR-10; a folder with one folder a class, perhaps below train/ and
            val/ or test/; None takes CIFAR-10 through Keras's cache, downloaded on first use.
        size: Height and width that a folder's images are brought to.
        samples: At most this many to train on, and as many to test with; None for all.
        seed: Of the order, and of what is held out of a folder that is not split.

    Raises:
        DatasetError: if they cannot be had, read, or fit no classifier.
    """
    if path is not None and path.is_dir():
        return _of_folder(path, size, samples, seed)
    name, arrays = ("cifar10", _cifar_of_keras()) if path is None else (path.stem, _of_file(path))
    parts = ((arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)) for part in ("train", "test"))
    (x_train, y_train), (x_test, y_test) = (_taken(name, x, y, samples, seed) for x, y in parts)
    return Data(name, x_train, y_train, x_test, y_test)


def _taken(name: str, x: np.ndarray, y: np.ndarray, samples: int | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The images to use of a part, in another order."""
    if x.ndim != 4 or x.dtype != np.uint8 or x.shape[-1] not in (1, 3) or not len(x):
        raise _unfit(name, f"images of {x.dtype} and shape {x.shape}")
    if len(y) != len(x) or y.dtype.kind not in "iu" or y.min() < 0:
        raise _unfit(name, f"labels of {y.dtype}, {y.size} of them beside {len(x)} images")
    order = np.random.default_rng(seed).permutation(len(x))[:samples]
    return x[order].astype(np.float32), y[order].astype(np.int64)


def _of_file(path: Path) -> dict[str, np.ndarray]:
    with read_arrays(path) as arrays:
        if missing := [name for name in ARRAYS if name not in arrays]:
            raise _unfit(path.name, f"no array {', '.join(missing)}, but {', '.join(arrays) or 'nothing'}")
        return {name: arrays[name] for name in ARRAYS}


def _of_folder(path: Path, size: int, samples: int | None, seed: int) -> Data:
    if (splits := has_splits(path)) is not None:
        train, test = (images_by_class(split, size=size, samples=samples, seed=seed) for split in splits)
        if train.classes != test.classes:
            differing = sorted({*train.classes} ^ {*test.classes})[:3]
            raise _unfit(path.name, f"classes in one part and not in the other: {', '.join(differing)}")
        return Data(path.resolve().name, train.x, train.y, test.x, test.y)
    both = images_by_class(path, size=size, samples=None if samples is None else 2 * samples, seed=seed)
    held = max(1, len(both.x) // HELD_OUT)
    if held >= len(both.x):
        raise _unfit(path.name, f"{len(both.x)} image")
    x, y = both.x[held:][:samples], both.y[held:][:samples]
    return Data(path.resolve().name, x, y, both.x[:held], both.y[:held])


def _cifar_of_keras() -> dict[str, np.ndarray]:
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
    except Exception as error:  # Keras wraps whatever the download raised in a bare Exception
        raise DatasetError(
            "CIFAR-10 could not be downloaded.",
            got=str(error),
            expected="network access, or CIFAR-10 in Keras's cache",
            fix="bring images along: --data images.npz, or --data FOLDER with one folder of images a class",
        ) from error
    return dict(zip(ARRAYS, (x_train, y_train, x_test, y_test), strict=True))


def _unfit(name: str, got: str) -> DatasetError:
    return DatasetError(
        f"'{name}' does not hold images to train a classifier on.",
        got=got,
        expected=f"{LAYOUT}; images uint8 [n, height, width, 1 or 3], labels class numbers from 0",
        fix="write it with numpy.savez('images.npz', x_train=..., y_train=..., x_test=..., y_test=...)",
    )
