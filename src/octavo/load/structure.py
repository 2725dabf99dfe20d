"""What must hold of a .tflite file's tables before they are read: each number names something that is there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.errors import ModelFileError
from octavo.limits import limits, raised
from octavo.run.signature import DTYPES, tensor_name


def check_tables(model: Any, subgraph: Any) -> None:
    """Check one subgraph of a file: sizes, buffers, quantization parameters, indices and the order of operators.

    The Python classes of the schema read whatever an index points to, so this comes first.

    Raises:
        ModelFileError: naming the tensor or operator.
    """
    count, most = subgraph.TensorsLength() + subgraph.OperatorsLength(), limits().objects
    if count > most:
        raise contradiction(f"{count} tensors and operators", f"at most {most}, or {raised('objects')} raised")
    for i in range(subgraph.TensorsLength()):
        _check_tensor(model, subgraph.Tensors(i), i)
    for i in range(subgraph.OperatorsLength()):
        _check_indices(model, subgraph, subgraph.Operators(i), i)
    _check_order(model, subgraph)


def contradiction(got: str, expected: str) -> ModelFileError:
    """The error for a .tflite file that can be parsed and makes no sense."""
    return ModelFileError(
        "this TensorFlow Lite model contradicts itself.",
        got=got,
        expected=expected,
        fix="copy the file again, or convert the model again with the tool it came from",
    )


def vector(array: Any) -> tuple[int, ...]:
    """A vector of the file as integers; flatbuffers gives 0 for one that is absent."""
    return tuple(int(item) for item in array) if isinstance(array, np.ndarray) else ()


def content_bytes(model: Any, buffer: Any) -> np.ndarray:
    """A buffer's bytes, uint8; those of files over 2 GB lie behind the flatbuffer."""
    if buffer.Offset() > 1:
        return np.frombuffer(model._tab.Bytes, np.uint8, buffer.Size(), buffer.Offset())
    return buffer.DataAsNumpy() if buffer.DataLength() else np.empty(0, np.uint8)


def _check_tensor(model: Any, table: Any, index: int) -> None:
    name, shape = tensor_name(table, index), vector(table.ShapeAsNumpy())
    if min(shape, default=0) < 0:
        raise contradiction(f"tensor '{name}' of shape {shape}", "sizes that are not negative")
    if not 0 <= table.Buffer() < model.BuffersLength():
        raise contradiction(
            f"tensor '{name}' in buffer {table.Buffer()}", f"one of the file's {model.BuffersLength()} buffers"
        )
    dtype = DTYPES.get(table.Type())
    if dtype is None:
        return
    size = -(-math.prod(shape) * dtype.bits // 8)
    if size > limits().tensor_bytes:
        raise contradiction(
            f"tensor '{name}' of shape {shape}, {size} bytes",
            f"at most {limits().tensor_bytes} bytes, or {raised('tensor_bytes')} raised",
        )
    stored = len(content_bytes(model, model.Buffers(table.Buffer())))
    if stored not in (0, size):
        raise contradiction(f"{stored} bytes for tensor '{name}' of shape {shape}", f"{size} bytes of {dtype.value}")
    _check_parameters(table.Quantization(), name, shape)


def _check_parameters(parameters: Any, name: str, shape: tuple[int, ...]) -> None:
    if parameters is None or not parameters.ScaleLength():
        return
    scales, zero_points = parameters.ScaleLength(), parameters.ZeroPointLength()
    axis = parameters.QuantizedDimension()
    wanted = {1} if not 0 <= axis < len(shape) else {1, shape[axis]}
    if scales not in wanted or zero_points not in (0, scales):
        raise contradiction(
            f"{scales} scales and {zero_points} zero points along dimension {axis} of tensor '{name}' {shape}",
            "one of each, or one for each index of a dimension that the tensor has",
        )
    scale = parameters.ScaleAsNumpy()
    if not (np.isfinite(scale).all() and (scale >= 0).all()):
        raise contradiction(f"a scale of {scale.min()} in tensor '{name}'", "finite scales that are not negative")


def _check_indices(model: Any, subgraph: Any, operator: Any, index: int) -> None:
    inputs, outputs = vector(operator.InputsAsNumpy()), vector(operator.OutputsAsNumpy())
    count, place = subgraph.TensorsLength(), f"operator {index}"
    if not 0 <= operator.OpcodeIndex() < model.OperatorCodesLength():
        raise contradiction(
            f"{place} of kind {operator.OpcodeIndex()}", f"one of the file's {model.OperatorCodesLength()} kinds"
        )
    if not all(-1 <= i < count for i in inputs) or not all(0 <= i < count for i in outputs):
        raise contradiction(f"{place} with inputs {inputs} and outputs {outputs}", f"indices of {count} tensors")


def _check_order(model: Any, subgraph: Any) -> None:
    """Each value is made once and before it is read: runtimes run the operators as they come."""
    tables = [subgraph.Tensors(i) for i in range(subgraph.TensorsLength())]
    filled = {i for i, table in enumerate(tables) if len(content_bytes(model, model.Buffers(table.Buffer())))}
    made = set(vector(subgraph.InputsAsNumpy()))
    known = made | filled
    known |= {i for i, table in enumerate(tables) if table.IsVariable() or 0 in vector(table.ShapeAsNumpy())}
    for i in range(subgraph.OperatorsLength()):
        operator = subgraph.Operators(i)
        unmade = [j for j in vector(operator.InputsAsNumpy()) if j >= 0 and j not in known]
        if unmade:
            raise contradiction(
                f"operator {i} reads {_named(subgraph, unmade)}, which has no value yet",
                "operators in the order they run in, without circles",
            )
        twice = [j for j in vector(operator.OutputsAsNumpy()) if j in made | filled]
        if twice:
            raise contradiction(
                f"operator {i} makes {_named(subgraph, twice)}, which has a value already", "one maker for each tensor"
            )
        known.update(vector(operator.OutputsAsNumpy()))
        made.update(vector(operator.OutputsAsNumpy()))
    absent = [j for j in vector(subgraph.OutputsAsNumpy()) if j not in known]
    if absent:
        raise contradiction(f"output {_named(subgraph, absent)}, which nothing makes", "outputs that an operator makes")


def _named(subgraph: Any, indices: Sequence[int]) -> str:
    return ", ".join(f"'{tensor_name(subgraph.Tensors(i), i)}'" for i in indices)
