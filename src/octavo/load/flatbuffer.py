"""The bytes of a .tflite file -> Graph, whoever wrote them and whatever operators they hold.

Source: the TensorFlow Lite schema (version 3) as `ai_edge_litert.schema_py_generated` ships it.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, get_type_hints

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from octavo.dtypes import DType, unpack
from octavo.errors import ModelFileError
from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, NoOptions, Options, Shape, Tensor
from octavo.load.structure import check_tables, content_bytes, vector
from octavo.ops.schema import camel_case
from octavo.ops.stored import AS_STORED, StoredOperator, Value
from octavo.ops.table import OPS
from octavo.run.signature import (
    DTYPES,
    Signature,
    first_name,
    not_a_model,
    quantization_of,
    read_signature,
    subgraph_signature,
    unique_names,
)
from octavo.write.stored import cut_out, operator_name, parsed, with_operands

# What the schema's classes raise on bytes that are no tables.
_CONTRADICTIONS = (
    struct.error, IndexError, KeyError, AttributeError, TypeError, ValueError, OverflowError, MemoryError,
    RecursionError,
)  # fmt: skip
# Options that say again what a tensor says.
_IDLE = frozenset({"quantizedBiasType"})


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a .tflite file holds.

    Attributes:
        graph: Its first subgraph; tensors have their shapes for batch 1.
        open_shapes: Shape of each tensor by name, -1 where the file leaves a dimension open.
        model: The file's bytes.
        subgraph: Index of the subgraph read.
    """

    graph: Graph
    open_shapes: Mapping[str, Shape]
    model: bytes
    subgraph: int


def read_tflite(model: bytes, wanted: str | None = None) -> Graph:
    """Read a .tflite file as it is.

    Inputs and outputs are named as in the file's signature, other tensors as in the file. A layer is called like
    the first result of its operator. Of a file with several subgraphs (control flow) the signature's is read.

    Args:
        model: The file's bytes.
        wanted: Name of the signature to read; None takes the first.

    Raises:
        ModelFileError: if the bytes are not a .tflite file, or hold a tensor of a type Octavo does not know, or for an
            unknown signature.
    """
    return read_content(model, wanted).graph


def read_content(model: bytes, wanted: str | None = None) -> FileContent:
    """Like `read_tflite`, with what the file says of open dimensions.

    Args:
        model: The file's bytes.
        wanted: Name of the signature to read; None takes the first.

    Raises:
        ModelFileError: see `read_tflite`.
    """
    signature = read_signature(model, wanted)
    try:
        return _content_of(model, signature)
    except _CONTRADICTIONS as error:
        raise not_a_model(f"{len(model)} bytes that contradict themselves ({error})") from error


def read_subgraph(content: bytes, index: int) -> FileContent:
    """A subgraph of a file; its inputs and outputs are named like its tensors.

    Raises:
        ModelFileError: for a tensor of a type Octavo does not know.
    """
    return _content_of(content, subgraph_signature(content, index))


def _content_of(content: bytes, signature: Signature) -> FileContent:
    model = schema.Model.GetRootAs(content, 0)
    for i in range(model.SubgraphsLength()):
        check_tables(model, model.Subgraphs(i))
    subgraph = model.Subgraphs(signature.subgraph)
    tables = [subgraph.Tensors(i) for i in range(subgraph.TensorsLength())]
    operators = [subgraph.Operators(i) for i in range(subgraph.OperatorsLength())]
    stored = [first_name(table, i) for i, table in enumerate(tables)]
    names = unique_names(stored, signature.inputs, signature.outputs)
    layers = _layers(operators, stored) | {port.index: names[port.index] for port in signature.inputs}
    made = {i for operator in operators for i in vector(operator.OutputsAsNumpy())}
    made |= {i for operator in operators for i in vector(operator.IntermediatesAsNumpy())}
    made |= {port.index for port in signature.inputs}
    tensors = [
        _tensor(model, table, names[i], layers.get(i, names[i]), i not in made) for i, table in enumerate(tables)
    ]
    graph = Graph(
        _text(subgraph.Name()),
        {tensor.name: tensor for tensor in tensors},
        tuple(_node(model, operator, tensors) for operator in operators),
        tuple(names[port.index] for port in signature.inputs),
        tuple(names[port.index] for port in signature.outputs),
    )
    shapes = [vector(table.ShapeSignatureAsNumpy()) or vector(table.ShapeAsNumpy()) for table in tables]
    read = FileContent(graph, dict(zip(names, shapes, strict=True)), content, signature.subgraph)
    return replace(read, graph=_with_stored_operators(read))


def _with_stored_operators(file: FileContent) -> Graph:
    """The graph with whatever the op table has no row for as the file stores it."""
    unknown = {i for i, node in enumerate(file.graph.nodes) if isinstance(node.options, StoredOperator)}
    if not unknown:
        return file.graph
    nodes = (as_stored(file, i) if i in unknown else node for i, node in enumerate(file.graph.nodes))
    return replace(file.graph, nodes=tuple(nodes))


def as_stored(file: FileContent, place: int) -> Node:
    """A node of a file's graph as the file stores it, by its number.

    Raises:
        ModelFileError: if the file's tables point outside themselves.
    """
    node = file.graph.nodes[place]
    name = node.op + AS_STORED if node.op in OPS else node.op
    values = node.options.values if isinstance(node.options, StoredOperator) else ()
    outputs = results(file.graph, node)
    try:
        content = cut_out(_tables(file.model), file.subgraph, place)
        content = with_operands(content, operands(file.graph, node), outputs)
    except _CONTRADICTIONS as error:
        raise not_a_model(f"{len(file.model)} bytes that contradict themselves ({error})") from error
    options = StoredOperator(
        values,
        content,
        tuple(tensor.shape for tensor in outputs),
        tuple(tensor.dtype for tensor in outputs),
    )
    return replace(node, op=name, options=options)


@lru_cache(maxsize=1)
def _tables(model: bytes) -> Any:
    """The tables of the file read last."""
    return parsed(model)


def _layers(operators: Sequence[Any], stored: Sequence[str]) -> dict[int, str]:
    """Layer by tensor index: an operator's first result names its results, and the constants it is first to read."""
    layers: dict[int, str] = {}
    for operator in operators:
        outputs = vector(operator.OutputsAsNumpy())
        for i in outputs:
            layers[i] = stored[outputs[0]]
    for operator in operators:
        for i in (*vector(operator.InputsAsNumpy()), *vector(operator.IntermediatesAsNumpy())):
            layers.setdefault(i, layers[vector(operator.OutputsAsNumpy())[0]])
    return layers


def _tensor(model: Any, table: Any, name: str, layer: str, loose: bool) -> Tensor:
    """One tensor; a `loose` one is neither an input nor a result, so it is a constant, even of no elements."""
    if table.Type() not in DTYPES:
        raise ModelFileError(
            f"tensor '{name}' has an element type that Octavo cannot hold.",
            got=f"type number {table.Type()} of the TensorFlow Lite schema",
            expected=", ".join(dtype.value for dtype in DType),
            fix="convert the model again without this type (strings, resources, float64 and the like)",
        )
    dtype, shape = DTYPES[table.Type()], vector(table.ShapeAsNumpy())
    content = content_bytes(model, model.Buffers(table.Buffer()))
    data = None
    variable = bool(table.IsVariable())
    if not variable and (content.size or (loose and 0 in shape)):
        data = _values(content, dtype, shape)
    return Tensor(name, shape, dtype, data, quantization_of(table.Quantization()), layer, variable)


def _values(content: np.ndarray, dtype: DType, shape: Shape) -> np.ndarray:
    if dtype.is_packed:
        return unpack(content, dtype, int(np.prod(shape, dtype=np.int64))).reshape(shape)
    return content.view(dtype.numpy).reshape(shape)


def _node(model: Any, operator: Any, tensors: Sequence[Tensor]) -> Node:
    code = model.OperatorCodes(operator.OpcodeIndex())
    op = operator_name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), _text(code.CustomCode()))
    inputs, outputs = vector(operator.InputsAsNumpy()), vector(operator.OutputsAsNumpy())
    intermediates = vector(operator.IntermediatesAsNumpy())
    if min((*inputs, *outputs, *intermediates), default=0) < -1 or not outputs:
        raise ValueError(f"{op} with inputs {inputs} and outputs {outputs}")
    return Node(
        op,
        tuple(None if i == -1 else tensors[i].name for i in inputs),
        tuple(tensors[i].name for i in outputs),
        _options(op, operator),
        tensors[outputs[0]].layer,
        tuple(tensors[i].name for i in intermediates),
    )


def _options(op: str, operator: Any) -> Options:
    """The operator's options, in the op table's class where that holds all that the file says."""
    table = _options_table(operator)
    stored = {} if table is None else vars(table)
    default = {} if table is None else vars(type(table)())
    said = {name: value for name, value in stored.items() if name not in _IDLE and not _same(value, default[name])}
    kind = OPS[op].options if op in OPS else NoOptions
    known = {camel_case(field.name): field.name for field in fields(kind)}  # type: ignore[arg-type]
    if op in OPS and said.keys() <= known.keys():
        try:
            hints = get_type_hints(kind)
            present = {known[name]: stored[name] for name in known if name in stored}
            return kind(**{name: _typed(hints[name], value) for name, value in present.items()})
        except ValueError:
            pass  # an enumeration without this value, such as a fused TANH
    return StoredOperator(tuple((name, _plain(value)) for name, value in said.items()))


def _options_table(operator: Any) -> Any:
    """The operator's options in the schema's object form, or None."""
    for number, table, create in (
        (operator.BuiltinOptionsType(), operator.BuiltinOptions(), schema.BuiltinOptionsCreator),
        (operator.BuiltinOptions2Type(), operator.BuiltinOptions2(), schema.BuiltinOptions2Creator),
    ):
        if number and table is not None:
            return create(number, table)
    return None


def _typed(hint: Any, value: Any) -> Any:
    """A field of the schema in the type an options class has for it."""
    if isinstance(hint, type) and issubclass(hint, float):
        # The shortest number that float32 rounds to this one is the number someone wrote.
        return float(str(np.float32(value)))
    if isinstance(hint, type) and issubclass(hint, (enum.Enum, int)):
        return hint(value)
    return () if value is None else tuple(int(item) for item in value)


def _plain(value: Any) -> Value:
    """A field of the schema as something that can be compared and printed."""
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    return value if isinstance(value, (int, float, bool, str, type(None))) else type(value).__name__


def _same(value: Any, other: Any) -> bool:
    return np.array_equal(value, other) if isinstance(value, np.ndarray) else bool(value == other)


def _text(stored: bytes | None) -> str:
    return "" if stored is None else stored.decode()
