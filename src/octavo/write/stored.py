"""Operators that the op table has no row for, as .tflite files of one operator, and their way into the file written.

Whatever a file says of such an operator, options, version, the name of a custom one and the subgraphs that control flow
runs, goes from table to table as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from functools import cache
from typing import Any, Protocol

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from octavo.dtypes import pack
from octavo.ir.inputs import Inputs
from octavo.ir.types import PerAxis, Tensor

FILE_IDENTIFIER = b"TFL3"
_CUSTOM = "CUSTOM"


class Tables(Protocol):
    """What the subgraphs of a file share."""

    def code(self, code: Any) -> int:
        """Index of an operator code like this one."""
        ...

    def buffer(self, content: np.ndarray) -> int:
        """Index of a buffer with these bytes."""
        ...


def operator_name(number: int, custom: str) -> str:
    """Builtin name, or CUSTOM and the operator's own name in brackets."""
    name = _names().get(number, f"BUILTIN_{number}")
    return f"{name}({custom})" if name == _CUSTOM else name


def operator_code(op: str, version: int) -> schema.OperatorCodeT:
    """The schema's entry for an operator of the op table."""
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, op)
    # Readers older than the 32-bit field look here; 127 sends newer ones to it.
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = version
    return code


@cache
def _names() -> Mapping[int, str]:
    return {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}


def cut_out(model: schema.ModelT, subgraph: int, place: int) -> bytes:
    """The file of one operator, without its tensors: `with_operands` gives it some.

    Args:
        model: The file it is in; it stays as it is.
        subgraph: Index of the subgraph it is in.
        place: Its index there.
    """
    found = model.subgraphs[subgraph].operators[place]
    reached = list(dict.fromkeys(_reached(model, found, set())))
    alone = _Tables()
    places = {old: new for new, old in enumerate(reached, 1)}
    main, operator = schema.SubGraphT(), copy(found)
    main.tensors, main.operators = [], [operator]
    _renumber(operator, alone.code(model.operatorCodes[found.opcodeIndex]), places)
    alone.model.subgraphs = [main, *(_moved(model, model.subgraphs[i], alone, places) for i in reached)]
    return _packed(alone.model)


def with_operands(content: bytes, inputs: Inputs[Tensor], results: Sequence[Tensor]) -> bytes:
    """The file of one operator, with these inputs and results.

    Args:
        content: Of `cut_out`, or made by this function before.
        inputs: Constants become the file's; the others, in order, its inputs.
        results: Its outputs.
    """
    model = parsed(content)
    main, operator = model.subgraphs[0], model.subgraphs[0].operators[0]
    present = [tensor for tensor in inputs.items if tensor is not None]
    named = [(f"input_{i}", tensor) for i, tensor in enumerate(present)]
    named += [(f"result_{i}", tensor) for i, tensor in enumerate(results)]
    main.tensors = [_tensor(name, tensor, model.buffers) for name, tensor in named]
    places = iter(range(len(present)))
    operator.inputs = np.array([-1 if tensor is None else next(places) for tensor in inputs.items], np.int32)
    operator.outputs = np.arange(len(present), len(main.tensors), dtype=np.int32)
    main.inputs = np.array([i for i, tensor in enumerate(present) if tensor.data is None], np.int32)
    main.outputs = operator.outputs
    return _packed(model)


def merged(content: bytes, tables: Tables, subgraphs: list[Any]) -> schema.OperatorT:
    """The operator of a file of one, for another file.

    Args:
        content: The file of one operator.
        tables: Of the other file.
        subgraphs: Those of the other file behind its main one; what the operator runs is added.
    """
    model = parsed(content)
    places = {i: len(subgraphs) + i for i in range(1, len(model.subgraphs))}
    subgraphs += [_moved(model, subgraph, tables, places) for subgraph in model.subgraphs[1:]]
    operator = model.subgraphs[0].operators[0]
    _renumber(operator, tables.code(model.operatorCodes[operator.opcodeIndex]), places)
    return operator


def called(content: bytes) -> dict[str, int]:
    """The subgraphs that the operator of a file of one runs: their numbers in that file by the name of the option."""
    operator = parsed(content).subgraphs[0].operators[0]
    return {name: getattr(table, name) for table, name in _subgraph_options(operator)}


def parsed(content: bytes) -> schema.ModelT:
    """The tables of a file."""
    return schema.ModelT.InitFromPackedBuf(bytearray(content), 0)


class _Tables:
    """Operator codes and buffers of a file of one operator."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.operatorCodes, self.model.buffers = [], [_buffer(np.empty(0, np.uint8))]

    def code(self, code: Any) -> int:
        """Index of an entry like this one, which is added."""
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def buffer(self, content: np.ndarray) -> int:
        """Index of a buffer with these bytes, which is added."""
        self.model.buffers.append(_buffer(content))
        return len(self.model.buffers) - 1


def _moved(model: schema.ModelT, subgraph: Any, tables: Tables, places: Mapping[int, int]) -> Any:
    """A subgraph with the numbers that its codes, buffers and subgraphs have in another file."""
    moved = copy(subgraph)
    moved.tensors = [copy(tensor) for tensor in subgraph.tensors]
    for tensor in moved.tensors:
        content = model.buffers[tensor.buffer].data
        tensor.buffer = 0 if content is None or not len(content) else tables.buffer(np.asarray(content, np.uint8))
    moved.operators = [copy(operator) for operator in subgraph.operators]
    for operator in moved.operators:
        _renumber(operator, tables.code(model.operatorCodes[operator.opcodeIndex]), places)
    return moved


def _renumber(operator: Any, code: int, places: Mapping[int, int]) -> None:
    operator.opcodeIndex = code
    for table, name in _subgraph_options(operator):
        setattr(table, name, places[getattr(table, name)])


def _reached(model: schema.ModelT, operator: Any, known: set[int]) -> Iterator[int]:
    """Indices of the subgraphs that an operator runs, and that these run."""
    for table, name in _subgraph_options(operator):
        index = getattr(table, name)
        if index in known:
            continue
        known.add(index)
        yield index
        for inner in model.subgraphs[index].operators:
            yield from _reached(model, inner, known)


def _subgraph_options(operator: Any) -> Iterator[tuple[Any, str]]:
    """(table, field) of each option of an operator that is the number of a subgraph."""
    for place in ("builtinOptions", "builtinOptions2"):
        table = getattr(operator, place, None)
        if table is not None:
            setattr(operator, place, table := copy(table))
            yield from ((table, name) for name in vars(table) if name.lower().endswith(_SUBGRAPH))


_SUBGRAPH = ("subgraphindex", "subgraph")


def _tensor(name: str, tensor: Tensor, buffers: list[Any]) -> schema.TensorT:
    table = schema.TensorT()
    table.name, table.shape, table.hasRank = name, np.array(tensor.shape, np.int32), True
    table.type = getattr(schema.TensorType, tensor.dtype.name)
    if tensor.data is not None:
        table.buffer = len(buffers)
        buffers.append(_buffer(pack(tensor.data, tensor.dtype) if tensor.dtype.is_packed else tensor.data))
    if tensor.quantization is not None:
        parameters = table.quantization = schema.QuantizationParametersT()
        parameters.scale, parameters.zeroPoint = tensor.quantization.scale, tensor.quantization.zero_point
        if isinstance(tensor.quantization.granularity, PerAxis):
            parameters.quantizedDimension = tensor.quantization.granularity.axis
    return table


def _buffer(content: np.ndarray) -> schema.BufferT:
    table = schema.BufferT()
    table.data = np.ascontiguousarray(content).reshape(-1).view(np.uint8)
    return table


def _packed(model: schema.ModelT) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())
