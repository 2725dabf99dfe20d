"""A float .tflite file, whoever wrote it -> float graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from octavo.dtypes import DType
from octavo.errors import ModelFileError
from octavo.ir.graph import drop_dead
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.load.batch import with_batch
from octavo.load.flatbuffer import FileContent, read_content, read_tflite
from octavo.load.input_shape import InputShape, fixed_shapes
from octavo.load.loaded import Loaded
from octavo.load.paths import model_bytes
from octavo.load.settle import settled
from octavo.run.signature import signature_names

__all__ = ["load_tflite", "read_tflite"]


def load_tflite(
    source: str | PathLike[str] | bytes, signature: str | None = None, input_shape: InputShape | None = None
) -> Loaded:
    """Read a float .tflite file as a graph the library can work on.

    Args:
        source: The file's path or bytes.
        signature: Name of the signature to read, of a file that has several.
        input_shape: What the file leaves open of its inputs; a batch there is the graph's.

    Raises:
        ModelFileError: if it is missing, not a .tflite file, malformed, quantized, or has several signatures of which
            none is chosen.
        OpenShapeError: if its inputs have an open size.
        UnsupportedLayerError: if LiteRT does not run an operator, or only a run tells the size of what it makes.
    """
    content = source if isinstance(source, bytes) else model_bytes(Path(source))
    file = read_content(content, signature)
    if signature is None:
        _check_one_signature(signature_names(content))
    file, batch = _with_input_shape(file, input_shape)
    _check_float(file.graph)
    halves = tuple(name for name, tensor in file.graph.tensors.items() if tensor.dtype is DType.FLOAT16)
    graph = with_batch(drop_dead(settled(file)), batch)
    return Loaded(graph, _notes(graph.name, halves))


def _check_one_signature(names: Sequence[str]) -> None:
    if len(names) > 1:
        raise ModelFileError(
            "this TensorFlow Lite model does not say which signature to read.",
            got=f"signatures {', '.join(map(repr, names))}",
            expected="one signature, as each is a model of its own",
            fix=f"say which: signature='{names[0]}'; or convert it again with signature_keys=['{names[0]}'] alone",
        )


def _with_input_shape(file: FileContent, given: InputShape | None) -> tuple[FileContent, int | None]:
    """The file with fixed inputs, batch 1 where it leaves that open, and the batch that is asked for.

    Raises:
        OpenShapeError: if a dimension stays open.
        ConfigError: if what is asked for does not fit.
    """
    known = {name: tuple(None if size < 0 else size for size in file.open_shapes[name]) for name in file.graph.inputs}
    fixed, tensors = fixed_shapes(given, known), dict(file.graph.tensors)
    for name, sizes in fixed.samples().items():
        own = known[name]
        first = own[:1] if own[:1] == (1,) else fixed.shapes[name][:1]
        tensors[name] = replace(tensors[name], shape=(*(size or 1 for size in first), *sizes))
    # What the file states of other tensors was so for other inputs.
    changed = {name for name in known if tensors[name].shape != file.graph.tensors[name].shape}
    stated = {
        name: (-1,) if changed and not tensors[name].is_constant else shape for name, shape in file.open_shapes.items()
    }
    graph = replace(file.graph, tensors=tensors)
    return replace(file, graph=graph, open_shapes=stated), fixed.batch


def _check_float(graph: Graph) -> None:
    for tensor in graph.tensors.values():
        if tensor.quantization is not None:
            raise ModelFileError(
                f"model '{graph.name}' is quantized already.",
                got=f"tensor '{tensor.name}' of type {tensor.dtype.value} with a scale",
                expected="a model of float32 weights and activations",
                fix="give the float model that this one was made from; `octavo inspect`, `verify` and `fit` take this "
                "file, and `octavo diagnose MODEL --file FILE` compares it with its float model",
            )


def _notes(model: str, halves: Sequence[str]) -> tuple[Note, ...]:
    if not halves:
        return ()
    return (Note("load", model, f"{len(halves)} half-precision weights became float32."),)
