"""Held-out data from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from octavo.data.arrays import DAMAGES, open_arrays
from octavo.data.dataset import check_divisor
from octavo.errors import DatasetError

Names = tuple[tuple[str, str], ...]
NAMES: Names = (("x", "y"), ("x_test", "y_test"))
TRAINING_NAMES: Names = (("x", "y"), ("x_train", "y_train"))


def read_test_set(
    path: Path, integer_divisor: float | None = None, accepted: Names = NAMES
) -> tuple[np.ndarray, np.ndarray | None]:
    """Read samples and, where there are any, labels.

    Args:
        path: An .npz file with arrays x and y, or x_test and y_test as Keras's own data sets have; y may be absent.
        integer_divisor: What integer samples are divided by to become what the model was trained on.
        accepted: Pairs of names of samples and labels; the first pair found is read.

    Returns:
        float32 samples and labels.

    Raises:
        ConfigError: if the divisor is not positive.
        DatasetError: if the file cannot be read, has no such arrays, or holds integers and no divisor was given.
    """
    check_divisor(integer_divisor)
    try:
        with open_arrays(path) as arrays:
            found = next((names for names in accepted if names[0] in arrays), None)
            if found is None:
                raise _no_samples(path, tuple(arrays), accepted)
            x, y = arrays[found[0]], arrays.get(found[1])
    except DAMAGES as error:
        raise DatasetError(
            f"'{path}' cannot be read as a test set.",
            got=str(error) or type(error).__name__,
            expected="an .npz file, as numpy.savez writes it",
            fix="write it with numpy.savez('test.npz', x=x_test, y=y_test)",
        ) from error
    if x.dtype.kind == "f":
        return x.astype(np.float32), y
    if integer_divisor is None:
        raise DatasetError(
            f"the samples in '{path}' are integers, and the model takes real numbers.",
            got=str(x.dtype),
            expected="float32 values as the model was trained on",
            fix="say --integer-divisor 255 if it was trained on 0..1, --integer-divisor 1 if on 0..255",
        )
    return (x / np.float32(integer_divisor)).astype(np.float32), y


def read_training_set(path: Path, integer_divisor: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read samples and labels to train on: arrays x and y, or x_train and y_train.

    Raises:
        DatasetError: as `read_test_set`, and without labels.
    """
    x, y = read_test_set(path, integer_divisor, TRAINING_NAMES)
    if y is None:
        raise DatasetError(
            f"'{path}' holds no labels to train on.",
            got="samples alone",
            expected="arrays x and y, or x_train and y_train",
            fix="write it with numpy.savez('train.npz', x=x_train, y=y_train)",
        )
    return x, y


def _no_samples(path: Path, found: tuple[str, ...], accepted: Names) -> DatasetError:
    return DatasetError(
        f"'{path}' holds no array of samples.",
        got="arrays named " + (", ".join(found) or "nothing"),
        expected=", or ".join(" and ".join(names) for names in accepted),
        fix="write it with numpy.savez('test.npz', x=x_test, y=y_test)",
    )
