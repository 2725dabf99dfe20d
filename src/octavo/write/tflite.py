"""Graph -> .tflite bytes.

The same graph gives the same bytes. Identical constants share a buffer and identical parameter vectors share a
vector, which keeps per-channel files small.

Source: the TensorFlow Lite schema (version 3) as `ai_edge_litert.schema_py_generated` ships it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from octavo.dtypes import pack
from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, NoOptions, Options, PerAxis, Quantization, Tensor
from octavo.ops.schema import camel_case
from octavo.ops.stored import StoredOperator
from octavo.ops.table import spec_of
from octavo.write.stored import merged, operator_code
from octavo.write.tables import Buffer, Parameters, finished
from octavo.write.writer import Writer

METADATA_NAME = "octavo"
# Oldest runtime that has every operator version written here; per-channel hybrid FULLY_CONNECTED, version 12, decides.
MINIMUM_RUNTIME = "2.17.0"
# More than a tensor or an operator takes in the file, name and padding included, beside its constants and parameters.
TABLE_BYTES = 1024


def write_tflite(graph: Graph, metadata: Mapping[str, object] | None = None) -> bytes:
    """Serialize a graph.

    Args:
        graph: Float or integer.
        metadata: JSON-able facts stored under the name "octavo".

    Returns:
        The file's bytes; constants are aligned to 16 bytes.
    """
    buffers = _Buffers()
    index = {name: i for i, name in enumerate(graph.tensors)}
    tables = _Shared(buffers)

    subgraph = schema.SubGraphT()
    subgraph.name = graph.name
    subgraph.tensors = [_tensor(tensor, buffers) for tensor in graph.tensors.values()]
    subgraph.inputs = np.array([index[name] for name in graph.inputs], np.int32)
    subgraph.outputs = np.array([index[name] for name in graph.outputs], np.int32)
    subgraph.operators = []
    for node in graph.nodes:
        operator = _operator(graph, node, tables)
        operator.inputs = np.array([-1 if name is None else index[name] for name in node.inputs], np.int32)
        operator.outputs = np.array([index[name] for name in node.outputs], np.int32)
        if node.intermediates:
            operator.intermediates = np.array([index[name] for name in node.intermediates], np.int32)
        subgraph.operators.append(operator)

    model = schema.ModelT()
    model.version = 3
    model.description = "Octavo"
    model.subgraphs = [subgraph, *tables.subgraphs]
    model.operatorCodes = tables.codes
    model.signatureDefs = [_signature(graph, index)]
    model.metadata = [_metadata("min_runtime_version", MINIMUM_RUNTIME.encode(), buffers)]
    if metadata:
        text = json.dumps(metadata, sort_keys=True, separators=(",", ":"))
        model.metadata.append(_metadata(METADATA_NAME, text.encode(), buffers))
    model.buffers = buffers.tables
    return finished(model, _room(graph, buffers))


class _Buffers:
    """The file's buffers; the first is empty by convention, equal constants share one."""

    def __init__(self) -> None:
        self.tables = [Buffer(np.empty(0, np.uint8))]
        self._index: dict[bytes, int] = {}

    def add(self, data: np.ndarray) -> int:
        """Index of a buffer with these bytes."""
        content = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        digest = hashlib.sha256(content.data).digest()
        if digest not in self._index:
            self._index[digest] = len(self.tables)
            self.tables.append(Buffer(content))
        return self._index[digest]


def _room(graph: Graph, buffers: _Buffers) -> int:
    """About the size of the file, rather more than less: a builder without room left takes twice as much."""
    constants = sum(buffer.content.nbytes for buffer in buffers.tables)
    parameters = sum(
        tensor.quantization.scale.nbytes + tensor.quantization.zero_point.nbytes
        for tensor in graph.tensors.values()
        if tensor.quantization is not None
    )
    tables = len(graph.tensors) + len(graph.nodes) + len(graph.inputs) + len(graph.outputs)
    return constants + parameters + TABLE_BYTES * (tables + 1)


def _parameters(parameters: Quantization) -> Parameters:
    axis = parameters.granularity.axis if isinstance(parameters.granularity, PerAxis) else 0
    return Parameters(parameters.scale, parameters.zero_point, axis)


def _tensor(tensor: Tensor, buffers: _Buffers) -> schema.TensorT:
    table = schema.TensorT()
    table.name = tensor.name
    table.shape = np.array(tensor.shape, np.int32)
    table.type = getattr(schema.TensorType, tensor.dtype.name)
    table.hasRank = True
    table.isVariable = tensor.is_variable
    if tensor.data is not None:
        table.buffer = buffers.add(pack(tensor.data, tensor.dtype) if tensor.dtype.is_packed else tensor.data)
    if tensor.quantization is not None:
        table.quantization = _parameters(tensor.quantization)
    return table


class _Shared:
    """What the operators of a file share.

    Attributes:
        codes: Operator codes, each once.
        subgraphs: Those behind the main one, which control flow runs.
    """

    def __init__(self, buffers: _Buffers) -> None:
        self.codes: list[schema.OperatorCodeT] = []
        self.subgraphs: list[schema.SubGraphT] = []
        self._buffers = buffers
        self._index: dict[tuple[object, ...], int] = {}

    def code(self, code: schema.OperatorCodeT) -> int:
        """Index of an operator code like this one."""
        key = tuple(vars(code).values())
        if key not in self._index:
            self._index[key] = len(self.codes)
            self.codes.append(code)
        return self._index[key]

    def buffer(self, content: np.ndarray) -> int:
        """Index of a buffer with these bytes."""
        return self._buffers.add(content)


def _operator(graph: Graph, node: Node, tables: _Shared) -> schema.OperatorT:
    """A node's table, but for its tensors."""
    if isinstance(node.options, StoredOperator):
        return merged(node.options.content, tables, tables.subgraphs)
    operator = schema.OperatorT()
    version = spec_of(node.op).version(operands(graph, node), results(graph, node))
    operator.opcodeIndex = tables.code(operator_code(node.op, version))
    _set_options(operator, node.options)
    return operator


def _set_options(operator: schema.OperatorT, options: Options) -> None:
    if isinstance(options, NoOptions):
        return
    table = getattr(schema, options.table + "T")()
    for field in fields(options):  # type: ignore[arg-type]
        value = getattr(options, field.name)
        setattr(table, camel_case(field.name), np.array(value, np.int32) if isinstance(value, tuple) else value)
    second = hasattr(schema.BuiltinOptions2, options.table)
    union = schema.BuiltinOptions2 if second else schema.BuiltinOptions
    setattr(operator, "builtinOptions2" if second else "builtinOptions", table)
    setattr(operator, "builtinOptions2Type" if second else "builtinOptionsType", getattr(union, options.table))


def _signature(graph: Graph, index: Mapping[str, int]) -> schema.SignatureDefT:
    signature = schema.SignatureDefT()
    signature.signatureKey = "serving_default"
    signature.inputs = list(_tensor_maps(graph.inputs, index))
    signature.outputs = list(_tensor_maps(graph.outputs, index))
    return signature


def _tensor_maps(names: Sequence[str], index: Mapping[str, int]) -> Iterable[schema.TensorMapT]:
    for name in names:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index[name]
        yield entry


def _metadata(name: str, content: bytes, buffers: _Buffers) -> schema.MetadataT:
    entry = schema.MetadataT()
    entry.name, entry.buffer = name, buffers.add(np.frombuffer(content, np.uint8))
    return entry


TFLITE = Writer("tflite", ".tflite", write_tflite)
