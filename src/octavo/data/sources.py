"""Representative data as people keep it: arrays, files, folders of images, generators, data loaders of any framework.

Frameworks are recognised by what their objects can do; none is imported.
"""

from __future__ import annotations

import itertools
import os
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from octavo.data.arrays import read_array, read_arrays
from octavo.errors import DatasetError, MissingDependencyError
from octavo.limits import limits, raised, unreadable

Element = tuple[Any, ...]
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
# Pillow's modes by the number of channels.
IMAGE_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
ACCEPTED = (
    "a numpy array; a tuple (x, y); a list or dict of one array for each input; a generator, or a function returning "
    "one; a tf.data.Dataset, keras PyDataset or torch DataLoader; the path of an .npz or .npy file, or of a folder of "
    "images"
)


def elements(data: Any, names: Sequence[str], channels: int) -> Iterator[Element]:
    """The pieces of `data`, each a tuple with one array for each model input; each array holds one sample or a batch.

    Labels are dropped: of a tuple (x, y) or (x, y, weights), and all entries of a dict that are no input.

    Args:
        data: Any of the forms that `ACCEPTED` lists.
        names: Names of the model's inputs.
        channels: Channels of an image, where `data` is a folder of images.

    Raises:
        DatasetError: for any other form, and for one that does not fit the inputs.
    """
    if isinstance(data, (str, os.PathLike)):
        yield from _from_path(Path(data), names, channels)
    elif is_array(data) or isinstance(data, (Mapping, tuple)) or _is_one_array_each(data, names):
        yield _element(data, names)
    else:
        for piece in pieces(data):
            yield _element(piece, names)


def length(data: Any, names: Sequence[str]) -> int | None:
    """Number of samples where it is known without reading them: of arrays."""
    if is_array(data) or isinstance(data, (Mapping, tuple)) or _is_one_array_each(data, names):
        shape = np.shape(_element(data, names)[0])
        return shape[0] if shape else None
    return None


def sizes_of_samples(data: Any, inputs: Mapping[str, tuple[int | None, ...]]) -> dict[str, tuple[int, ...]] | None:
    """The shape of each input's first sample, without the batch.

    Args:
        data: Any of the forms that `ACCEPTED` lists.
        inputs: Shape by input name, batch first, None where it is open.

    Returns:
        None for data that can be read only once, and samples that do not fit the inputs.

    Raises:
        DatasetError: as `elements`.
    """
    if data is None or is_spent(data):
        return None
    channels = next(iter(inputs.values()))[-1] or 3
    sizes = {}
    for name, value in zip(inputs, next(elements(data, list(inputs), channels), ()), strict=False):
        known, shape = inputs[name][1:], tuple(map(int, np.shape(value)))
        sizes[name] = shape if len(shape) == len(known) else shape[1:]
        if len(sizes[name]) != len(known) or any(
            own not in (None, size) for own, size in zip(known, sizes[name], strict=True)
        ):
            return None
    return sizes or None


def is_array(value: Any) -> bool:
    """Whether `value` is an array of some library."""
    return hasattr(value, "__array__") and hasattr(value, "shape")


def as_array(value: Any) -> Any:
    """The array that a list of numbers is, nested to any depth; everything else as it is."""
    first = value
    while isinstance(first, list) and first:
        first = first[0]
    if first is value or not isinstance(first, (int, float, np.number)):
        return value
    try:
        return np.asarray(value)
    except ValueError:  # its parts are not of one shape
        return value


def is_spent(data: Any) -> bool:
    """Whether `data` can be read only once; what has pieces by number, as Keras's image flows, can be read again."""
    return isinstance(data, Iterator) and not _is_numbered(data)


def is_counted(data: Any) -> bool:
    """Whether `data` says where it ends: it has a length, or is a file or folder; asked of what was `started`."""
    return isinstance(data, (str, os.PathLike, Mapping)) or is_array(data) or piece_count(data) is not None


def piece_count(data: Any) -> int | None:
    """How many pieces `data` says it has; None where it has no end, or does not know."""
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None


def started(data: Any) -> Any:
    """What a function returns, such as a generator; anything else as it is."""
    called = callable(data) and not hasattr(data, "__iter__") and not hasattr(data, "__getitem__")
    return data() if called else data


def _is_numbered(data: Any) -> bool:
    """Whether the pieces of `data` are had by number."""
    return hasattr(data, "__getitem__") and piece_count(data) is not None


def _is_one_array_each(data: Any, names: Sequence[str]) -> bool:
    """Whether a list holds the arrays of several inputs, and not several samples."""
    return isinstance(data, list) and 1 < len(names) == len(data) and all(map(is_array, data))


def _element(value: Any, names: Sequence[str]) -> Element:
    """The inputs in one piece of data."""
    value = as_array(value) if len(names) == 1 else value
    if isinstance(value, Mapping):
        return _by_name(value, names)
    if is_array(value) and len(names) == 1:
        return (value,)
    if isinstance(value, (tuple, list)) and value:
        if len(names) == len(value) > 1 and all(map(is_array, value)):
            return tuple(value)
        if len(value) <= 3 and (len(names) == 1 or isinstance(value[0], (tuple, list, Mapping))):
            return _element(value[0], names)
    raise DatasetError(
        f"a piece of the data does not hold {_count(names)}.",
        got=_describe(value),
        expected=f"arrays for {', '.join(names)}",
        fix="give one array for each input: an array, a dict by input name, or ((first, second), labels)",
    )


def _by_name(values: Mapping[str, Any], names: Sequence[str]) -> Element:
    if all(name in values for name in names):
        return tuple(values[name] for name in names)
    raise DatasetError(
        "the data's names are not the model's.",
        got=", ".join(map(str, values)) or "no names",
        expected=", ".join(names),
        fix=f"name the array '{names[0]}'" if len(names) == 1 else f"name the arrays {', '.join(names)}",
    )


def pieces(data: Any) -> Iterable[Any]:
    """Whatever yields pieces of data, started; of what repeats itself though it has a length, as many as that.

    Raises:
        DatasetError: for a form that cannot be read.
    """
    data = started(data)
    count = piece_count(data)
    if _is_numbered(data):
        return (data[i] for i in range(len(data)))
    if isinstance(data, Iterable):
        return data if count is None else itertools.islice(data, count)
    raise DatasetError(
        "the data has a form that cannot be read.", got=_describe(data), expected=ACCEPTED, fix="give a numpy array"
    )


def _from_path(path: Path, names: Sequence[str], channels: int) -> Iterator[Element]:
    if path.is_dir():
        yield from _images(path, channels)
    elif path.suffix == ".npz" and path.exists():
        yield _element(_from_npz(path, names), names)
    elif path.suffix == ".npy" and path.exists():
        yield _element(read_array(path), names)
    else:
        raise DatasetError(
            f"'{path}' is no data that can be read.",
            got="a file of another kind" if path.exists() else "no such file or folder",
            expected="an .npz or .npy file or a folder of images",
            fix="check the path, or load the data yourself and give the array",
        )


def _from_npz(path: Path, names: Sequence[str]) -> Any:
    """The arrays named like the inputs; for one input also "x", "x_train", "x_test" or the file's only array."""
    with read_arrays(path) as file:
        keys = [key for key in (*names, "x", "x_train", "x_test") if key in file]
        if set(names) <= set(keys):
            return {name: file[name] for name in names}
        if len(names) == 1 and (keys or len(file) == 1):
            return file[keys[0] if keys else next(iter(file))]
        return _by_name(dict.fromkeys(file), names)


def _images(folder: Path, channels: int) -> Iterator[Element]:
    """Every image below a folder, in the order of their paths, uint8 [height, width, channels]."""
    for path in image_files(folder):
        yield (read_image(path, channels),)


def image_files(folder: Path) -> list[Path]:
    """The files below a folder that have the ending of an image, sorted.

    Raises:
        DatasetError: for a folder that cannot be listed.
    """
    with listing(folder):
        return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)


@contextmanager
def listing(folder: Path) -> Iterator[None]:
    """Tell in one error that what is below a folder cannot be listed.

    Raises:
        DatasetError: for what the system says.
    """
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"what is below the folder '{folder}' cannot be listed.",
            got=f"{error.strerror or type(error).__name__}: {error.filename or folder}",
            expected="a folder of images that may be read",
            fix="copy the images into a folder of their own, and give that",
        ) from error


def read_image(path: Path, channels: int, size: int | None = None) -> np.ndarray:
    """The pixels of an image file, uint8 [height, width, channels].

    Args:
        path: Of a file that Pillow reads.
        channels: 1, 3 or 4; the colours are converted.
        size: Height and width to bring it to, bilinear; None leaves it as it is.

    Raises:
        DatasetError: if it is no whole image, or would lose what it holds.
        MissingDependencyError: without Pillow.
    """
    image_module = _pillow()
    if (closed := unreadable(path)) is not None:
        raise _no_image(path, closed)
    try:
        with warnings.catch_warnings(action="ignore"), image_module.open(path) as image:
            if (problem := _image_problem(image)) is not None:
                raise _unfit_image(path, *problem)
            converted = image.convert(IMAGE_MODES.get(channels, "RGB"))
            if size is not None and converted.size != (size, size):
                converted = converted.resize((size, size), image_module.Resampling.BILINEAR)
            pixels = np.asarray(converted)
    except (
        OSError,
        SyntaxError,
        ValueError,
        MemoryError,
        image_module.DecompressionBombError,
        *_DECODERS,
    ) as error:
        raise _no_image(path, str(error) or type(error).__name__) from error
    return pixels.reshape(*pixels.shape[:2], -1)


# What Pillow's decoders let through of damaged files.
_DECODERS = (ArithmeticError, IndexError, KeyError, TypeError, AttributeError, EOFError, struct.error, zlib.error)


def _image_problem(image: Any) -> tuple[str, str, str] | None:
    """(found, wanted, mend) where 8 bits a channel of one picture do not hold an image, or None."""
    pixels = image.width * image.height
    if pixels > limits().image_pixels:
        return f"{pixels} pixels", f"at most {limits().image_pixels}", f"shrink it, or raise {raised('image_pixels')}"
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        return f"{frames} frames", "one picture", "save the frames as files of their own"
    if image.mode.startswith(("I", "F")):
        return (
            f"pixels of {'real numbers' if image.mode == 'F' else 'more than 8 bits'} (mode {image.mode})",
            "8 bits a channel",
            "load such images yourself, scale them as in training, and give the array",
        )
    return None


def _unfit_image(path: Path, got: str, expected: str, fix: str) -> DatasetError:
    return DatasetError(f"'{path}' is an image that would lose what it holds.", got=got, expected=expected, fix=fix)


def _no_image(path: Path, got: str) -> DatasetError:
    return DatasetError(
        f"'{path}' cannot be read as an image.",
        got=got,
        expected="a whole file in the format its name says",
        fix=f"repair or remove '{path.name}'",
    )


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependencyError(
            "reading a folder of images needs Pillow.",
            got="no package 'PIL'",
            expected="Pillow 10 or newer",
            fix="pip install pillow",
        ) from error
    return Image


def _count(names: Sequence[str]) -> str:
    return "the model's input" if len(names) == 1 else f"the model's {len(names)} inputs"


def _describe(value: Any) -> str:
    if is_array(value):
        return f"one array of shape {tuple(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}: {', '.join(type(item).__name__ for item in value[:4])}"
    return type(value).__name__
