"""Damages bytes at random, yet the same for the same seed, and reads what comes of it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from octavo.calibration.statistics import BINS, Statistics, TensorStatistics
from octavo.errors import OctavoError

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one to four places changed, cut, repeated or overwritten with numbers that are often special."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        place, kind = int(rng.integers(0, max(1, len(data)))), int(rng.integers(0, 5))
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            data[place : place + 4] = int(NUMBERS[int(rng.integers(0, len(NUMBERS)))]).to_bytes(4, "little")
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            data[place:place] = data[place : place + int(rng.integers(1, 64))]
        else:
            data[place : place + 8] = rng.bytes(8)
    return bytes(data)


def damaged_archive(content: bytes, rng: np.random.Generator) -> bytes:
    """A zip with one of its parts damaged, or damaged as a whole; numbers of a JSON part grow."""
    if rng.random() < 0.2:
        return damaged(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = sorted(parts)[int(rng.integers(0, len(parts)))]
    if name.endswith(".json") and rng.random() < 0.8:
        parts[name] = json.dumps(_altered(json.loads(parts[name]), rng)).encode()
    else:
        parts[name] = damaged(parts[name], rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for part, value in parts.items():
            archive.writestr(part, value)
    return out.getvalue()


def _altered(value: Any, rng: np.random.Generator) -> Any:
    """A JSON value with about one in twenty of its leaves replaced."""
    if isinstance(value, dict):
        return {key: _altered(item, rng) for key, item in value.items() if rng.random() > 0.005}
    if isinstance(value, list):
        return [_altered(item, rng) for item in value]
    odd = (None, -1, 0, 10**9, 1e300, "", "relu", [], {}, True, [value], {"class_name": "Lambda", "config": {}})
    return odd[int(rng.integers(0, len(odd)))] if rng.random() < 0.05 else value


def read_tflite_file(path: Path) -> None:
    from octavo.load.tflite import load_tflite, read_tflite

    for read in (read_tflite, load_tflite):
        try:
            read(path.read_bytes())
        except OctavoError as error:
            if (told := _check(error)) is not None:
                raise RuntimeError(told) from error


def read_keras_file(path: Path) -> None:
    from octavo.load import load

    load(path)


def read_data(path: Path) -> None:
    from octavo.data.sources import elements

    list(elements(path, ["x"], 3))


def read_images(path: Path) -> None:
    read_data(path.parent)


READERS: dict[str, tuple[Callable[[Path], object], Callable[[bytes, np.random.Generator], bytes]]] = {
    "tflite": (read_tflite_file, damaged),
    "keras": (read_keras_file, damaged_archive),
    "h5": (read_keras_file, damaged),
    "npz": (read_data, damaged_archive),
    "statistics.npz": (Statistics.load, damaged_archive),
    "png": (read_images, damaged),
    "gif": (read_images, damaged),
    "tiff": (read_images, damaged),
    "jpg": (read_images, damaged),
}


def seeds(folder: Path, kinds: tuple[str, ...]) -> dict[str, bytes]:
    """One good file of each kind."""
    made = {}
    for kind in kinds:
        path = folder / f"seed.{kind}"
        _make(kind, path)
        made[kind] = path.read_bytes()
    return made


def _make(kind: str, path: Path) -> None:
    if kind == "tflite":
        from octavo.write.tflite import write_tflite
        from small_network import network

        path.write_bytes(write_tflite(network("float32")))
    elif kind in ("keras", "h5"):
        from keras_networks import convolutional

        convolutional().save(path)
    elif kind == "npz":
        np.savez(path, x=np.zeros((2, 4, 4, 3), np.float32))
    elif kind == "statistics.npz":
        histogram = np.zeros(BINS, np.int64)
        histogram[5] = 3
        Statistics({"t": TensorStatistics(-1.0, 2.0, 3, histogram)}, 1, "of a model").save(path)
    else:
        from PIL import Image

        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(path)


def problem(kind: str, content: bytes, folder: Path) -> str | None:
    """What reading a file raised that is no error made on purpose, or None."""
    read = READERS[kind][0]
    place = folder / "case"
    place.mkdir(exist_ok=True)
    path = place / f"case.{kind}"
    path.write_bytes(content)
    try:
        read(path)
    except OctavoError as error:
        return _check(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        path.unlink()
    return None


def _check(error: OctavoError) -> str | None:
    text = str(error)
    whole = all((error.what, error.got, error.expected, error.fix)) and type(error).__name__ != "GraphError"
    return None if whole and "bug in Octavo" not in text else f"{type(error).__name__} without all of its parts: {text}"
