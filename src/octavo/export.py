"""An integer .tflite file -> a folder of C99, or of what a build system takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import MappingProxyType

import numpy as np

from octavo.board.boards import parse_bytes
from octavo.config import unknown_name
from octavo.dtypes import DType
from octavo.errors import ConfigError, ModelFileError, OutputError
from octavo.files import made_folder, write_whole
from octavo.ir.types import Graph, Tensor
from octavo.load.paths import existing
from octavo.load.tflite import read_tflite
from octavo.run import reference
from octavo.run.micro import Micro
from octavo.run.targets import MICRO
from octavo.write.c.model import CModel, write_c
from octavo.write.c.self_test import GoldenVector
from octavo.write.c.text import identifier
from octavo.write.offline_plan import with_offline_plan
from octavo.write.project.arduino import arduino
from octavo.write.project.cmake import cmake
from octavo.write.project.esp_idf import esp_idf
from octavo.write.project.packed import Packed, Project, encoded
from octavo.write.project.tflm import tflm

_WORDS = """
    alignas alignof and asm auto bool break case catch char class const constexpr continue default delete do double
    else enum explicit export extern false float for friend goto if inline int long mutable namespace new not nullptr
    operator or private protected public register restrict return short signed sizeof static struct switch template this
    throw true try typedef typeid typename union unsigned using virtual void volatile while xor
"""
# Keywords, and headers that a NAME.h of that name would hide.
_TAKEN = frozenset((*_WORDS.split(), "stdint", "string"))
INTEGERS = (DType.INT8, DType.INT16, DType.UINT8)
AIMS = ("size", "speed")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        paths: The files.
        name: Prefix of all names in them.
        model: What is in them; None where TensorFlow Lite Micro runs the model.
        arena_bytes: Memory that a call needs.
    """

    paths: tuple[Path, ...]
    name: str
    model: CModel | None
    arena_bytes: int

    @property
    def lower_bound_bytes(self) -> int | None:
        """No plan of these operators in this order needs less; None where TensorFlow Lite Micro plans."""
        return None if self.model is None else self.model.lower_bound_bytes


def as_sources(packed: Packed) -> Mapping[str, bytes]:
    """NAME.h and NAME.c."""
    return encoded(packed.sources)


TARGETS: Mapping[str, Project] = MappingProxyType(
    {"c": as_sources, "arduino": arduino, "cmake": cmake, "esp-idf": esp_idf, "tflm": tflm}
)


def export(
    model: str | PathLike[str],
    folder: str | PathLike[str],
    to: str = "c",
    name: str | None = None,
    *,
    force: bool = False,
    seed: int = 0,
    ram: str | int | None = None,
    stream: bool = False,
    optimize: str = "size",
    plan_memory: bool = False,
    cmsis_nn: bool = False,
) -> Exported:
    """Write an integer .tflite file as C, or as a project that has that C in it, with a vector to test it by.

    Args:
        model: The file.
        folder: Made if it does not exist.
        to: A name of `TARGETS`: "c", two files; "arduino", a library as .zip; "cmake"; "esp-idf", a component; or
            "tflm", what a program with TensorFlow Lite Micro needs instead.
        name: A C identifier, the prefix of all that is defined; made of the file's name if None.
        force: Write into a folder that holds other files.
        seed: Of the vector that the self-test runs.
        ram: Bytes for arena, input and output together, or a number with KB or MB. What does not fit as a whole runs in
            part row by row, which costs some instructions.
        stream: Have `NAME_invoke_rows` ask for the input's rows when they are needed, so that it takes no memory.
        optimize: "size", or "speed": weights of eight bits are held in sixteen, which saves up to a quarter of the
            instructions on cores with the DSP extension, and doubles the flash that they take.
        plan_memory: For "tflm": write a plan of the arena into the model, which TensorFlow Lite Micro follows where its
            own is worse, and NAME.tflite with it.
        cmsis_nn: Let the build choose between Octavo's kernels and CMSIS-NN's: the C holds the weights in the order of
            both. The arena is enough for either.

    Raises:
        ModelFileError: if the file is missing, not a .tflite file, or has float inputs, outputs or operators.
        ConfigError: if the target or the aim is unknown, the name no C identifier, the model does not fit, its input
            cannot be streamed, or CMSIS-NN is asked for rows.
        UnsupportedLayerError: if an operator has no C kernel.
        OutputError: if the folder holds other files, or cannot be written to.
        MissingDependencyError: for "tflm" without the package tflite-micro, which measures the arena.
    """
    if to not in TARGETS:
        raise unknown_name("target", to, tuple(TARGETS))
    if optimize not in AIMS:
        raise unknown_name("aim", optimize, AIMS)
    path = existing(Path(model))
    name = _checked_name(identifier(path.stem) if name is None else name)
    content = _content(path)
    graph = read_tflite(content)
    _check_integer(graph, str(path))
    planned: dict[str, bytes] = {}
    if to == "tflm":
        _check_interpreted(ram, optimize, stream=stream, cmsis_nn=cmsis_nn)
        if plan_memory:
            content, _ = with_offline_plan(content)
            planned = {f"{name}.tflite": content}
        packed = _for_interpreter(content, graph, name, seed)
    elif plan_memory:
        raise ConfigError(
            "generated C has the plan of its arena in its calls.",
            got=f"plan_memory=True, to={to!r}",
            expected="a plan for to='tflm' alone",
            fix="leave plan_memory out",
        )
    else:
        if cmsis_nn:
            _check_whole(ram, stream=stream)
        golden, digest = golden_vector(graph, seed), hashlib.sha256(content).hexdigest()
        ram_bytes, fast = None if ram is None else parse_bytes(ram), optimize == "speed"
        written = write_c(graph, name, golden, digest, ram_bytes, stream=stream, fast=fast, cmsis_nn=cmsis_nn)
        packed = Packed(name, graph, content, digest, golden, written, written.arena_bytes)
    files = {**TARGETS[to](packed), **planned}
    _check_folder(Path(folder), {file.split("/")[0] for file in files}, force)
    paths = tuple(_written(Path(folder) / file, data) for file, data in files.items())
    return Exported(paths, name, packed.written, packed.arena_bytes)


def _for_interpreter(content: bytes, graph: Graph, name: str, seed: int) -> Packed:
    golden, digest = golden_vector(graph, seed), hashlib.sha256(content).hexdigest()
    with MICRO.open(content) as runtime:
        return Packed(name, graph, content, digest, golden, None, runtime.ask(Micro.measure_arena))


def _check_whole(ram: str | int | None, *, stream: bool) -> None:
    """Refuse rows of CMSIS-NN."""
    if ram is not None or stream:
        raise ConfigError(
            "CMSIS-NN computes whole images, not rows of them.",
            got=f"ram={ram!r}, stream={stream}, cmsis_nn=True",
            expected="CMSIS-NN without a budget of RAM, and with the input in memory",
            fix="leave cmsis_nn out, --cmsis-nn on the command line: Octavo's own kernels run row by row",
        )


def _check_interpreted(ram: str | int | None, optimize: str, *, stream: bool, cmsis_nn: bool) -> None:
    """Refuse what an interpreter does not do, or does without being asked."""
    if ram is not None or stream or optimize != "size" or cmsis_nn:
        raise ConfigError(
            "TensorFlow Lite Micro has its own kernels, plans its memory by itself, and takes inputs whole.",
            got=f"ram={ram!r}, stream={stream}, optimize={optimize!r}, cmsis_nn={cmsis_nn}",
            expected="none of them for to='tflm'",
            fix="leave them out, or export C, which runs row by row: to='c'",
        )


def _written(path: Path, data: bytes) -> Path:
    made_folder(path.parent)
    return write_whole(path, data)


def golden_vector(graph: Graph, seed: int) -> GoldenVector:
    """A random input, and what the integer reference makes of it."""
    inputs = drawn_inputs(graph, np.random.default_rng(seed))
    return GoldenVector(inputs, reference.run(graph, inputs))


def drawn_inputs(graph: Graph, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random inputs over all integers of their types, truth values among them; of reals, normally distributed ones."""

    def drawn(tensor: Tensor) -> np.ndarray:
        if tensor.dtype.is_float:
            return rng.normal(size=tensor.shape).astype(tensor.dtype.numpy)
        low, high = (0, 1) if tensor.dtype is DType.BOOL else tensor.dtype.integer_range
        return rng.integers(low, high + 1, tensor.shape).astype(tensor.dtype.numpy)

    return {name: drawn(graph.tensors[name]) for name in graph.inputs}


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
    """Refuse what is float or dynamic-range at its borders; operators are looked at one by one later."""
    for name in (*graph.inputs, *graph.outputs):
        tensor = graph.tensors[name]
        real = tensor.dtype in INTEGERS and tensor.quantization is not None
        if not real and tensor.dtype not in (DType.BOOL, DType.INT32):
            raise ModelFileError(
                f"'{path}' is no integer model: '{name}' is {tensor.dtype.value}.",
                got=f"an input or output of type {tensor.dtype.value}",
                expected="int8, uint8 or int16 inputs and outputs with a scale; places and truth values besides",
                fix="quantize the float model with scheme='int8', and leave input_type and output_type at int8",
            )


def _check_folder(folder: Path, ours: set[str], force: bool) -> None:
    others = sorted(item.name for item in folder.iterdir() if item.name not in ours) if folder.is_dir() else []
    if others and not force:
        raise OutputError(
            f"folder '{folder}' holds other files.",
            got=", ".join(others[:5]) + (", ..." if len(others) > 5 else ""),
            expected="a new or empty folder, or one that an earlier export of this model wrote",
            fix="name another folder, or write into this one with force=True, --force on the command line",
        )
