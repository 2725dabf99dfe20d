"""Arrays of an .npz file, of the sizes that its bounds allow."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from octavo.errors import DatasetError
from octavo.limits import limits, raised, unreadable

# What numpy and zipfile raise on damaged files.
DAMAGES = (
    OSError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError, NotImplementedError, MemoryError,
    OverflowError, RecursionError, RuntimeError, SyntaxError, struct.error, tokenize.TokenError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an open .npz file by name, each read when it is asked for, once its size is known.

    Args:
        archive: The open file.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        with self._archive.open(f"{name}.npy") as stream:
            _check_header(stream, name, self._archive.getinfo(f"{name}.npy").file_size)
        with self._archive.open(f"{name}.npy") as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)


def _check_header(stream: IO[bytes], name: str, stored: int) -> None:
    """Refuse an array by what it says of its size, before any of it is read.

    Args:
        stream: Of a .npy file, at its beginning.
        name: Of the array, for the error.
        stored: Bytes there are.

    Raises:
        ValueError: if it is larger than `Limits` allow, or than what is there.
    """
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    size, most = math.prod(shape) * dtype.itemsize, limits().tensor_bytes
    if size > most or min(shape, default=0) < 0:
        raise ValueError(f"array '{name}' of shape {shape} and {size} bytes; {raised('tensor_bytes')} allows more")
    if size > stored:
        raise ValueError(f"array '{name}' of shape {shape} is not all there")


@contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """The arrays of an .npz file; what is wrong with it is raised as one of `DAMAGES`."""
    if (closed := unreadable(path)) is not None:
        raise ValueError(closed)
    with zipfile.ZipFile(path) as archive:
        yield Arrays(archive)


def read_array(path: Path) -> np.ndarray:
    """The array of a .npy file.

    Raises:
        DatasetError: as `read_arrays`.
    """
    try:
        if (closed := unreadable(path)) is not None:
            raise ValueError(closed)
        with open(path, "rb") as stream:
            _check_header(stream, path.stem, path.stat().st_size)
            stream.seek(0)
            return np.lib.format.read_array(stream, allow_pickle=False)
    except DAMAGES as error:
        raise DatasetError(
            f"'{path}' cannot be read as a .npy file.",
            got=_first_line(error),
            expected="a numeric array written by numpy.save",
            fix="write the file again with numpy.save(path, array)",
        ) from error


def _first_line(error: BaseException) -> str:
    """What NumPy found, without its advice to trust the file."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def read_arrays(path: Path) -> Iterator[Arrays]:
    """The arrays of an .npz file of data.

    Raises:
        DatasetError: if it is no such file, is damaged, or holds objects or arrays larger than `Limits` allow.
    """
    try:
        with open_arrays(path) as arrays:
            yield arrays
    except DAMAGES as error:
        raise DatasetError(
            f"'{path}' cannot be read as an .npz file.",
            got=_first_line(error),
            expected="numeric arrays written by numpy.savez",
            fix="write the file again with numpy.savez(path, x=array)",
        ) from error
