"""An integer .tflite file -> a folder of C99."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from octavo.board.boards import parse_bytes
from octavo.dtypes import DType
from octavo.errors import ConfigError, ModelFileError, OutputError
from octavo.files import write_whole
from octavo.ir.types import Graph
from octavo.load.paths import existing
from octavo.load.tflite import read_tflite
from octavo.run import reference
from octavo.write.c.model import CModel, write_c
from octavo.write.c.self_test import GoldenVector
from octavo.write.c.text import identifier

_WORDS = """
    alignas alignof and asm auto bool break case catch char class const constexpr continue default delete do double
    else enum explicit export extern false float for friend goto if inline int long mutable namespace new not nullptr
    operator or private protected public register restrict return short signed sizeof static struct switch template this
    throw true try typedef typeid typename union unsigned using virtual void volatile while xor
"""
# Keywords, and headers that a NAME.h of that name would hide.
_TAKEN = frozenset((*_WORDS.split(), "stdint", "string"))


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        paths: The files.
        model: Their content, and the memory the model needs.
    """

    paths: tuple[Path, ...]
    model: CModel


def export_c(
    model: str | PathLike[str],
    folder: str | PathLike[str],
    name: str | None = None,
    *,
    force: bool = False,
    seed: int = 0,
    ram: str | int | None = None,
    stream: bool = False,
) -> Exported:
    """Write an int8 .tflite file as NAME.h and NAME.c, bit-exact with TensorFlow Lite Micro.

    Args:
        model: The file.
        folder: Made if it does not exist.
        name: A C identifier, the prefix of all that is defined; made of the file's name if None.
        force: Write into a folder that holds other files.
        seed: Of the vector that the self-test runs.
        ram: Bytes for arena, input and output together, or a number with KB or MB. What does not fit as a whole runs in
            part row by row, which costs some instructions.
        stream: Have `NAME_invoke_rows` ask for the input's rows when they are needed, so that it takes no memory.

    Raises:
        ModelFileError: if the file is missing, not a .tflite file, or has float inputs, outputs or operators.
        ConfigError: if the name is no C identifier, the model does not fit, or its input cannot be streamed.
        UnsupportedLayerError: if an operator has no C kernel.
        OutputError: if the folder holds other files, or cannot be written to.
    """
    path = existing(Path(model))
    name = _checked_name(identifier(path.stem) if name is None else name)
    content = _content(path)
    graph = read_tflite(content)
    _check_integer(graph, str(path))
    names = (f"{name}.h", f"{name}.c")
    _check_folder(Path(folder), names, force)
    ram_bytes = None if ram is None else parse_bytes(ram)
    digest = hashlib.sha256(content).hexdigest()
    written = write_c(graph, name, golden_vector(graph, seed), digest, ram_bytes, stream=stream)
    _make_folder(Path(folder))
    paths = tuple(write_whole(Path(folder) / file, text.encode("ascii")) for file, text in written.files.items())
    return Exported(paths, written)


def golden_vector(graph: Graph, seed: int) -> GoldenVector:
    """A random input, and what the integer reference makes of it."""
    rng = np.random.default_rng(seed)
    inputs = {name: rng.integers(-128, 128, graph.tensors[name].shape).astype(np.int8) for name in graph.inputs}
    return GoldenVector(inputs, reference.run(graph, inputs))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"'{path}' cannot be read.",
            got=error.strerror or str(error),
            expected="an int8 .tflite file",
            fix="name a .tflite file, as `octavo quantize` writes it",
        ) from error


def _checked_name(name: str) -> str:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name) and name not in _TAKEN:
        return name
    raise ConfigError(
        f"'{name}' cannot be the name of a C model.",
        got=repr(name),
        expected="a letter, then letters, digits and underscores, up to 63, and neither a keyword nor a header of C",
        fix=f"use name='{identifier(name)[:50]}{'_model' if identifier(name) in _TAKEN else ''}'",
    )


def _check_integer(graph: Graph, path: str) -> None:
    """Refuse what is float, dynamic-range or 16 bits wide at its borders; operators are looked at one by one later."""
    for name in (*graph.inputs, *graph.outputs):
        tensor = graph.tensors[name]
        if tensor.dtype is not DType.INT8 or tensor.quantization is None:
            raise ModelFileError(
                f"'{path}' is no int8 model: '{name}' is {tensor.dtype.value}.",
                got=f"an input or output of type {tensor.dtype.value}",
                expected="int8 inputs and outputs with a scale",
                fix="quantize the float model with scheme='int8', and leave input_type and output_type at int8",
            )


def _check_folder(folder: Path, ours: tuple[str, ...], force: bool) -> None:
    others = sorted(item.name for item in folder.iterdir() if item.name not in ours) if folder.is_dir() else []
    if others and not force:
        raise OutputError(
            f"folder '{folder}' holds other files.",
            got=", ".join(others[:5]) + (", ..." if len(others) > 5 else ""),
            expected="a new or empty folder, or one that an earlier export of this model wrote",
            fix="name another folder, or write into this one with force=True",
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"folder '{folder}' cannot be made.",
            got=error.strerror or str(error),
            expected="a folder, or a place where one can be made",
            fix="name another folder",
        ) from error
