"""Held-out data: samples with their labels, from a file or in any form that calibration takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octavo.data.arrays import DAMAGES, open_arrays, read_array
from octavo.data.class_folders import images_by_class
from octavo.data.dataset import Dataset, as_numpy, check_divisor, is_endless
from octavo.data.sources import as_array, is_array, is_counted, pieces, started
from octavo.errors import DatasetError
from octavo.ir.types import Tensor

Names = tuple[tuple[str, str], ...]
NAMES: Names = (("x", "y"), ("x_test", "y_test"))
TRAINING_NAMES: Names = (("x", "y"), ("x_train", "y_train"))
# What the name of an array of labels for one of several outputs begins with.
OUTPUT = "y_"
# Samples converted at a time.
CHUNK = 256
# All of a test set counts; a generator may have no end.
UNCOUNTED_TESTS = 10_000


def read_test_set(path: Path, integer_divisor: float | None = None) -> tuple[Any, Any]:
    """Read samples and, where there are any, labels.

    Args:
        path: An .npz file with arrays x and y, or x_test and y_test as Keras's own data sets have; y may be absent, or
            be an array y_NAME for each output. For several inputs there are, instead of x, arrays of their names. A
            .npy file of samples alone. Or a folder with one folder of images a class, RGB; they are shuffled.
        integer_divisor: What integer samples are divided by to become what the model was trained on.

    Returns:
        float32 samples, or a dict of the arrays for several inputs as they are; and an array of labels, a dict of them
        by output, or None.

    Raises:
        ConfigError: if the divisor is not positive.
        DatasetError: if the file cannot be read, has no such arrays, or holds integers and no divisor was given; or as
            `images_by_class`.
    """
    check_divisor(integer_divisor)
    if path.is_dir():
        images = images_by_class(path)
        return _real(path, images.x.astype(np.uint8), integer_divisor), images.y
    if path.suffix == ".npy":
        return _real(path, read_array(path), integer_divisor), None
    with _opened(path) as arrays:
        x, y = _of_several(arrays) or _pair(path, arrays, NAMES)
    return x if isinstance(x, dict) else _real(path, x, integer_divisor), y


def _of_several(arrays: Mapping[str, np.ndarray]) -> tuple[Any, Any] | None:
    """Samples by input, or labels by output, where arrays are named for several; None where they are not."""
    if not set(arrays).isdisjoint((*NAMES[1], *TRAINING_NAMES[1])):
        return None
    labels = {name.removeprefix(OUTPUT): arrays[name] for name in arrays if name.startswith(OUTPUT)}
    samples = {name: arrays[name] for name in arrays if name != "y" and not name.startswith(OUTPUT)}
    if "x" in samples:
        return (samples["x"], labels) if labels and "y" not in arrays else None
    return (samples, labels or arrays["y"]) if samples and (labels or "y" in arrays) else None


@contextmanager
def _opened(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of an .npz file.

    Raises:
        DatasetError: if they cannot be read.
    """
    try:
        with open_arrays(path) as arrays:
            yield arrays
    except DAMAGES as error:
        raise DatasetError(
            f"'{path}' cannot be read as a test set.",
            got=str(error) or type(error).__name__,
            expected="an .npz file, as numpy.savez writes it",
            fix="write it with numpy.savez('test.npz', x=x_test, y=y_test)",
        ) from error


def _pair(path: Path, arrays: Mapping[str, np.ndarray], accepted: Names) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples and labels by the first pair of names that is there; labels may be absent.

    Raises:
        DatasetError: if there are no samples.
    """
    found = next((names for names in accepted if names[0] in arrays), None)
    if found is None:
        raise DatasetError(
            f"'{path}' holds no array of samples.",
            got="arrays named " + (", ".join(arrays) or "nothing"),
            expected=", or ".join(" and ".join(names) for names in accepted),
            fix="write it with numpy.savez('test.npz', x=x_test, y=y_test)",
        )
    return arrays[found[0]], arrays.get(found[1])


def _real(path: Path, x: np.ndarray, integer_divisor: float | None) -> np.ndarray:
    """Samples as float32.

    Raises:
        DatasetError: for integers without a divisor.
    """
    if x.dtype.kind == "f":
        return x.astype(np.float32)
    if integer_divisor is None:
        raise DatasetError(
            f"the samples in '{path}' are integers, and the model takes real numbers.",
            got=str(x.dtype),
            expected="float32 values as the model was trained on",
            fix="say --integer-divisor 255 if it was trained on 0..1, --integer-divisor 1 if on 0..255",
        )
    return (x / np.float32(integer_divisor)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A test set.

    Attributes:
        x: Samples by input name, first axis the sample.
        y: Labels: an array, a tuple or dict of them, or None.
        note: What a user should know of it, "" for nothing.
    """

    x: dict[str, np.ndarray]
    y: Any
    note: str = ""


def labelled_samples(data: Any, inputs: Sequence[Tensor], integer_divisor: float | None = None) -> Labelled:
    """All samples of a test set by input name, as the model takes them, and their labels.

    Args:
        data: The pair (x, y) of arrays, dicts or lists of them, y perhaps None, also as a list or as a dict with the
            keys x and y; samples alone; the path of an .npz or .npy file, or of a folder of classes; or what yields
            such pairs, batches or single samples: a tf.data.Dataset, keras PyDataset, torch DataLoader, list,
            generator, or a function returning one. Of what does not say where it ends, `UNCOUNTED_TESTS` samples.
        inputs: The model's inputs.
        integer_divisor: What integer samples are divided by for a float input.

    Raises:
        DatasetError: for a form that cannot be read, for samples that do not fit, and for data that has no end.
    """
    if isinstance(data, (str, os.PathLike)):
        data = read_test_set(Path(data), integer_divisor)
    data = as_pair(data, inputs)
    data = as_array(data) if len(inputs) == 1 else data
    if isinstance(data, tuple) and data:
        x, y = data if len(data) == 2 else (data[0], data[1] if len(data) > 1 else None)
        if is_array(x) or isinstance(x, Mapping) or (isinstance(x, (list, tuple)) and len(inputs) > 1):
            return Labelled(_together(x, inputs, integer_divisor), _labels([y], [False]))
        return Labelled(_together(np.asarray(x), inputs, integer_divisor), _labels([y], [False]))
    if is_endless(data):
        raise DatasetError(
            "the test set never ends.",
            got=f"a {type(data).__name__} that repeats forever",
            expected="a known number of samples",
            fix="leave out repeat(), or take a part of it: dataset.take(100)",
        )
    if is_array(data) or isinstance(data, Mapping):
        return Labelled(_together(data, inputs, integer_divisor), None)
    return _gathered(started(data), inputs, integer_divisor)


def as_pair(data: Any, inputs: Sequence[Tensor]) -> Any:
    """Samples and labels that come as a list of two arrays, or as a dict of x and y, as a tuple; else what is given."""
    if isinstance(data, Mapping) and set(data) == {"x", "y"} and not set(data) <= {tensor.name for tensor in inputs}:
        return data["x"], data["y"]
    if isinstance(data, list) and len(data) == 2 and len(inputs) == 1:
        arrays = [as_array(each) for each in data]
        samples, labels = (tuple(getattr(each, "shape", ())) for each in arrays)
        wanted = inputs[0].shape[1:]
        if samples[1:] == wanted and labels[1:] != wanted and samples[:1] == labels[:1]:
            return arrays[0], arrays[1]
    return data


def _gathered(data: Any, inputs: Sequence[Tensor], divisor: float | None) -> Labelled:
    """All pairs of what yields them, or the first of what may have no end."""
    most = sys.maxsize if is_counted(data) else UNCOUNTED_TESTS
    x, y, single, count, note = [], [], [], 0, ""
    for piece in pieces(data):
        if count >= most:
            note = f"measured on the first {count} samples of a test set that does not say where it ends"
            break
        sample, label = piece[:2] if isinstance(piece, (tuple, list)) and len(piece) > 1 else (piece, None)
        sample = as_array(sample) if len(inputs) == 1 else sample
        x.append(sample)
        y.append(label)
        single.append(_is_single(sample, inputs))
        count += 1 if single[-1] else _rows_of(sample)
    return Labelled(_together(x, inputs, divisor), _labels(y, single), note)


def _together(x: Any, inputs: Sequence[Tensor], divisor: float | None) -> dict[str, np.ndarray]:
    """All samples by input name, in the inputs' types."""
    dataset = Dataset(_as_pieces(x, inputs), inputs, integer_divisor=divisor)
    chunks = [[array.copy() for array in chunk.arrays] for chunk in dataset.chunks(CHUNK)]
    arrays = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    return dict(zip((tensor.name for tensor in inputs), arrays, strict=True))


def _as_pieces(x: Any, inputs: Sequence[Tensor]) -> Any:
    """A pair of inputs is not taken for samples and labels."""
    listed = isinstance(x, tuple) and len(inputs) == len(x) > 1
    return dict(zip((tensor.name for tensor in inputs), x, strict=True)) if listed else x


def _is_single(x: Any, inputs: Sequence[Tensor]) -> bool:
    """Whether a piece is one sample without a batch dimension."""
    return np.ndim(as_numpy(_first_array(x), inputs[0])) == len(inputs[0].shape) - 1


def _first_array(x: Any) -> Any:
    """The array for the first input in a piece."""
    while isinstance(x, (tuple, list, Mapping)) and len(x):
        x = next(iter(x.values() if isinstance(x, Mapping) else x))
    return x


def _rows_of(piece: Any) -> int:
    """How many samples a piece with a batch dimension has.

    Raises:
        DatasetError: for what has none.
    """
    array = _first_array(piece)
    if np.ndim(array):
        return len(array)
    raise DatasetError(
        "a piece of the test set is no sample.",
        got=f"{array!r} ({type(array).__name__})",
        expected="arrays, one row a sample",
        fix="give the pair (x_test, y_test)",
    )


def _labels(parts: Sequence[Any], single: Sequence[bool]) -> Any:
    """The labels of all pieces: an array, or a tuple or dict of arrays as the pieces have; None if one has none."""
    first = parts[0] if parts else None
    if any(part is None for part in parts):
        return None
    if isinstance(first, Mapping):
        return {name: _labels([part[name] for part in parts], single) for name in first}
    if isinstance(first, (tuple, list)) and all(is_array(each) for each in first):
        return tuple(_labels([part[index] for part in parts], single) for index in range(len(first)))
    arrays = (np.asarray(part.detach().cpu() if hasattr(part, "detach") else part) for part in parts)
    return np.concatenate([array[np.newaxis] if one else array for array, one in zip(arrays, single, strict=True)])


def read_training_set(path: Path, integer_divisor: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read samples and labels to train on: arrays x and y, or x_train and y_train; or a folder of images by class.

    Raises:
        DatasetError: as `read_test_set`, and without labels.
    """
    if path.suffix == ".npy" or path.is_dir():
        x, y = read_test_set(path, integer_divisor)
    else:
        check_divisor(integer_divisor)
        with _opened(path) as arrays:
            x, y = _pair(path, arrays, TRAINING_NAMES)
        x = _real(path, x, integer_divisor)
    if y is None:
        raise DatasetError(
            f"'{path}' holds no labels to train on.",
            got="samples alone",
            expected="arrays x and y, or x_train and y_train",
            fix="write it with numpy.savez('train.npz', x=x_train, y=y_train)",
        )
    return x, y
