"""What a .tflite file says of its own inputs, outputs and tensors, without running it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from octavo.dtypes import DType
from octavo.errors import DatasetError, ModelFileError
from octavo.ir.graph import distinct_names, fresh_name
from octavo.ir.types import PerAxis, PerTensor, Quantization, Shape

DTYPES = {getattr(schema.TensorType, dtype.name): dtype for dtype in DType}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a model file.

    Attributes:
        name: Its name in the file's signature; where the file has none, the tensor's name.
        index: The tensor's index in the file.
        shape: As stored; the batch dimension is 1.
        dtype: Element type.
        quantization: Parameters of an integer port that stands for reals, else None.
    """

    name: str
    index: int
    shape: Shape
    dtype: DType
    quantization: Quantization | None


@dataclass(frozen=True, slots=True)
class Signature:
    """A model file's face.

    Attributes:
        inputs: In the file's order.
        outputs: In the file's order.
        tensors: Index of every tensor, constants included, by its name in the file and by its unique name.
        activation_bytes: Bytes of all tensors that are not constants, each counted whole.
        subgraph: Index of the subgraph it is the face of.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    tensors: Mapping[str, int]
    activation_bytes: int
    subgraph: int = 0


def read_signature(model: bytes, wanted: str | None = None) -> Signature:
    """Read the face of a .tflite file: one of its signatures, or its first subgraph where it has none.

    A tensor without a name goes by its index, as `tensor_3`.

    Args:
        model: The file's bytes.
        wanted: The signature's name; None takes the first.

    Raises:
        ModelFileError: if the bytes are not a .tflite file, a port has a type Octavo does not know, or no signature
            has the name wanted.
    """
    try:
        if model[4:8] != b"TFL3":
            raise not_a_model(f"{len(model)} bytes without the identifier TFL3")
        root = schema.Model.GetRootAs(model, 0)
        named = _signature(root, wanted)
        subgraph = _within(0 if named is None else named.SubgraphIndex(), root.SubgraphsLength())
        ins, outs = ({}, {}) if named is None else (_names(named, "Inputs"), _names(named, "Outputs"))
        return _signature_of(root, subgraph, ins, outs)
    except (struct.error, IndexError, AttributeError, TypeError, ValueError, MemoryError, OverflowError) as error:
        raise not_a_model(f"{len(model)} bytes that end or point outside themselves") from error


def subgraph_signature(model: bytes, index: int) -> Signature:
    """The face of any subgraph of a .tflite file that was read before.

    Raises:
        ModelFileError: if a port has a type Octavo does not know.
    """
    return _signature_of(schema.Model.GetRootAs(model, 0), index, {}, {})


def _signature_of(root: Any, subgraph: int, ins: Mapping[int, str], outs: Mapping[int, str]) -> Signature:
    """The face of a subgraph, with names of its inputs and outputs by their tensors' numbers."""
    graph = root.Subgraphs(subgraph)
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    activations = [tensor for tensor in tensors if not _is_constant(root, tensor)]
    ports = ((graph.InputsAsNumpy(), ins), (graph.OutputsAsNumpy(), outs))
    inputs, outputs = (_ports(tensors, indices, names) for indices, names in ports)
    whole = [tensor_name(tensor, i) for i, tensor in enumerate(tensors)]
    unique = unique_names([first_name(tensor, i) for i, tensor in enumerate(tensors)], inputs, outputs)
    return Signature(
        inputs,
        outputs,
        {name: i for names in (whole, unique) for i, name in enumerate(names)},
        sum(_bytes(tensor) for tensor in activations),
        subgraph,
    )


def signature_names(model: bytes) -> tuple[str, ...]:
    """Names of all signatures of a .tflite file, in its order.

    Raises:
        ModelFileError: if the bytes are not a .tflite file.
    """
    try:
        root = schema.Model.GetRootAs(model, 0)
        return tuple(_key(root.SignatureDefs(i)) for i in range(root.SignatureDefsLength()))
    except (struct.error, IndexError, AttributeError, TypeError, ValueError, MemoryError) as error:
        raise not_a_model(f"{len(model)} bytes that end or point outside themselves") from error


def tensor_name(tensor: Any, index: int) -> str:
    """A tensor's name in the file; tools that strip names leave only its index to go by."""
    return (tensor.Name() or b"").decode() or f"tensor_{index}"


def first_name(tensor: Any, index: int) -> str:
    """A tensor's name in the file; of names that a converter joined when it fused operators, the first."""
    return tensor_name(tensor, index).split(";")[0] or f"tensor_{index}"


def unique_names(stored: Sequence[str], inputs: Sequence[Port], outputs: Sequence[Port]) -> list[str]:
    """A name of its own for each tensor of a file, of those stored there; what the signature says comes first."""
    wanted = {port.index: port.name for port in (*outputs, *inputs)}
    wanted.update({i: name for i, name in enumerate(stored) if i not in wanted})
    names: dict[int, str] = {}
    taken: set[str] = set()
    for i, name in wanted.items():
        names[i] = fresh_name(taken, name)
        taken.add(names[i])
    return [names[i] for i in range(len(stored))]


def _signature(root: Any, wanted: str | None) -> Any:
    """The table of a signature, or None where the file has none and none is wanted."""
    tables = [root.SignatureDefs(i) for i in range(root.SignatureDefsLength())]
    if wanted is None:
        return tables[0] if tables else None
    found = next((table for table in tables if _key(table) == wanted), None)
    if found is None:
        raise ModelFileError(
            f"this TensorFlow Lite model has no signature '{wanted}'.",
            got=_listed(map(_key, tables)) or "no signatures",
            expected="the name of one of the file's signatures",
            fix=f"say signature='{_key(tables[0])}'" if tables else "leave out signature=",
        )
    return found


def _key(table: Any) -> str:
    return (table.SignatureKey() or b"").decode()


def _within(index: int, count: int) -> int:
    """The index itself, which flatbuffers does not check."""
    if not 0 <= index < count:
        raise IndexError(f"{index} of {count}")
    return int(index)


def _is_constant(root: Any, tensor: Any) -> bool:
    buffer = root.Buffers(_within(tensor.Buffer(), root.BuffersLength()))
    return bool(buffer.DataLength() or buffer.Size())


def not_a_model(got: str) -> ModelFileError:
    """The error for bytes that are not a .tflite file."""
    return ModelFileError(
        "this is not a TensorFlow Lite model.",
        got=got,
        expected="the whole content of a .tflite file",
        fix="check that the file was written and copied completely, then read it again",
    )


def checked_inputs(inputs: Mapping[str, np.ndarray], ports: tuple[Port, ...]) -> dict[str, np.ndarray]:
    """The arrays, contiguous, after a check of names and dtypes.

    Raises:
        DatasetError: for missing or unknown names, or another dtype.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
    wanted = {port.name: port.dtype.numpy for port in ports}
    if {name: array.dtype for name, array in arrays.items()} != wanted:
        raise DatasetError(
            "the inputs do not match the model's.",
            got=", ".join(f"{name} {array.dtype}" for name, array in arrays.items()) or "none",
            expected=", ".join(f"{name} {dtype}" for name, dtype in wanted.items()),
            fix="name the inputs as the model does and give each in the model's dtype",
        )
    return arrays


def run_failed(runtime: str, reason: str) -> DatasetError:
    """The error for a kernel that gives up on the values it was given."""
    return DatasetError(
        f"{runtime} could not run the model on these inputs.",
        got=reason,
        expected="values that every operator of the model accepts",
        fix="check that indices, such as words of a vocabulary, lie within the model's tables",
    )


def _names(signature: Any, side: str) -> dict[int, str]:
    """Signature names by tensor index."""
    entries = [getattr(signature, side)(i) for i in range(getattr(signature, f"{side}Length")())]
    return {entry.TensorIndex(): (entry.Name() or b"").decode() for entry in entries}


def _ports(tensors: Sequence[Any], indices: Iterable[int], names: Mapping[int, str]) -> tuple[Port, ...]:
    """Inputs or outputs; where two bear one name, the later one goes by another."""
    found = [(int(i), tensors[_within(i, len(tensors))]) for i in indices]
    own = distinct_names(names.get(i) or tensor_name(tensor, i) for i, tensor in found)
    return tuple(_port(tensor, i, name) for (i, tensor), name in zip(found, own, strict=True))


def _port(tensor: Any, index: int, name: str) -> Port:
    if tensor.Type() not in DTYPES:
        raise ModelFileError(
            f"'{name}' has an element type that Octavo cannot feed or read.",
            got=f"type number {tensor.Type()} of the TensorFlow Lite schema",
            expected=_listed(dtype.value for dtype in DType),
            fix="convert the model with a numeric input and output type",
        )
    shape = tuple(int(size) for size in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    return Port(name, index, shape, DTYPES[tensor.Type()], quantization_of(tensor.Quantization()))


def _bytes(tensor: Any) -> int:
    """Upper bound of a tensor's size; no element type is wider than 8 bytes."""
    width = DTYPES[tensor.Type()].numpy.itemsize if tensor.Type() in DTYPES else 8
    return width * (int(np.prod(tensor.ShapeAsNumpy(), dtype=np.int64)) if tensor.ShapeLength() else 1)


def quantization_of(parameters: Any) -> Quantization | None:
    """A file's quantization table, or None where it holds no scale."""
    if parameters is None or not parameters.ScaleLength():
        return None
    scale = parameters.ScaleAsNumpy()
    zero_point = parameters.ZeroPointAsNumpy() if parameters.ZeroPointLength() else np.zeros(len(scale), np.int64)
    per_axis = PerAxis(int(parameters.QuantizedDimension()))
    return Quantization(scale.copy(), zero_point.copy(), per_axis if len(scale) > 1 else PerTensor())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
