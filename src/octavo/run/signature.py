"""What a .tflite file says of its own inputs, outputs and tensors, without running it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from octavo.dtypes import DType
from octavo.errors import DatasetError, ModelFileError
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
        tensors: Index of every tensor by name, constants included.
        activation_bytes: Bytes of all tensors that are not constants, each counted whole.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    tensors: Mapping[str, int]
    activation_bytes: int


def read_signature(model: bytes) -> Signature:
    """Read the face of a .tflite file: its first subgraph under its first signature's names.

    Raises:
        ModelFileError: if the bytes are not a .tflite file, or a port has a type Octavo does not know.
    """
    try:
        if model[4:8] != b"TFL3":
            raise not_a_model(f"{len(model)} bytes without the identifier TFL3")
        root = schema.Model.GetRootAs(model, 0)
        graph = root.Subgraphs(0)
        tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
        named = root.SignatureDefs(0) if root.SignatureDefsLength() else None
        activations = [tensor for tensor in tensors if not root.Buffers(tensor.Buffer()).DataLength()]
        ins, outs = ({}, {}) if named is None else (_names(named, "Inputs"), _names(named, "Outputs"))
        return Signature(
            tuple(_port(tensors[i], i, ins) for i in graph.InputsAsNumpy()),
            tuple(_port(tensors[i], i, outs) for i in graph.OutputsAsNumpy()),
            {tensor.Name().decode(): i for i, tensor in enumerate(tensors)},
            sum(_bytes(tensor) for tensor in activations),
        )
    except (struct.error, IndexError, AttributeError, TypeError, ValueError) as error:
        raise not_a_model(f"{len(model)} bytes that end or point outside themselves") from error


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
    return {entry.TensorIndex(): entry.Name().decode() for entry in entries}


def _port(tensor: Any, index: int, names: Mapping[int, str]) -> Port:
    name = names.get(int(index), tensor.Name().decode())
    if tensor.Type() not in DTYPES:
        raise ModelFileError(
            f"'{name}' has an element type that Octavo cannot feed or read.",
            got=f"type number {tensor.Type()} of the TensorFlow Lite schema",
            expected=_listed(dtype.value for dtype in DType),
            fix="convert the model with a numeric input and output type",
        )
    shape = tuple(int(size) for size in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    return Port(name, int(index), shape, DTYPES[tensor.Type()], quantization_of(tensor.Quantization()))


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
