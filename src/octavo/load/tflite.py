"""A float .tflite file, whoever wrote it -> float graph."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from octavo.dtypes import DType
from octavo.errors import ModelFileError
from octavo.ir.graph import drop_dead
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Shape
from octavo.load.flatbuffer import read_content, read_tflite
from octavo.load.loaded import Loaded
from octavo.load.paths import model_bytes
from octavo.load.settle import settled
from octavo.run.signature import signature_names

__all__ = ["load_tflite", "read_tflite"]


def load_tflite(source: str | PathLike[str] | bytes, signature: str | None = None) -> Loaded:
    """Read a float .tflite file as a graph the library can work on.

    Args:
        source: The file's path or bytes.
        signature: Name of the signature to read, of a file that has several.

    Raises:
        ModelFileError: if it is missing, not a .tflite file, malformed, quantized, or has inputs of an open size,
            or several signatures of which none is chosen.
        UnsupportedLayerError: if LiteRT does not run an operator, or only a run tells the size of what it makes.
    """
    content = source if isinstance(source, bytes) else model_bytes(Path(source))
    file = read_content(content, signature)
    if signature is None:
        _check_one_signature(signature_names(content))
    _check_inputs({name: file.open_shapes[name] for name in file.graph.inputs})
    _check_float(file.graph)
    halves = tuple(name for name, tensor in file.graph.tensors.items() if tensor.dtype is DType.FLOAT16)
    graph = drop_dead(settled(file))
    return Loaded(graph, _notes(graph.name, halves))


def _check_one_signature(names: Sequence[str]) -> None:
    if len(names) > 1:
        raise ModelFileError(
            "this TensorFlow Lite model does not say which signature to read.",
            got=f"signatures {', '.join(map(repr, names))}",
            expected="one signature, as each is a model of its own",
            fix=f"say which: signature='{names[0]}'; or convert it again with signature_keys=['{names[0]}'] alone",
        )


def _check_inputs(shapes: dict[str, Shape]) -> None:
    for name, shape in shapes.items():
        if -1 not in shape[1:]:
            continue
        raise ModelFileError(
            f"input '{name}' leaves open what Octavo must know.",
            got=f"shape {shape}, where -1 is open",
            expected="fixed dimensions behind the batch",
            fix="convert the model again with a fixed input shape",
        )


def _check_float(graph: Graph) -> None:
    for tensor in graph.tensors.values():
        if tensor.quantization is not None:
            raise ModelFileError(
                f"model '{graph.name}' is quantized already.",
                got=f"tensor '{tensor.name}' of type {tensor.dtype.value} with a scale",
                expected="a model of float32 weights and activations",
                fix="give the float model that this one was made from; `octavo inspect` shows what is in this file",
            )


def _notes(model: str, halves: Sequence[str]) -> tuple[Note, ...]:
    if not halves:
        return ()
    return (Note("load", model, f"{len(halves)} half-precision weights became float32."),)
