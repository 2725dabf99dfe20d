"""The element types a written model's inputs and outputs have."""

from __future__ import annotations

from dataclasses import replace

from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, rename_inputs, with_nodes
from octavo.ir.types import Graph, Node, NoOptions, Tensor


def set_io_types(graph: Graph, input_type: DType | None, output_type: DType | None) -> Graph:
    """Give integer inputs and outputs another type, by a QUANTIZE or DEQUANTIZE beside them.

    The tensor with the user's name is always the graph's own input or output; uint8 has int8's scale and a zero
    point 128 higher. Inputs and outputs that are float stay so.
    """
    for name in graph.inputs:
        if input_type is not None and _changes(graph.tensors[name], input_type):
            graph = _convert_input(graph, name, input_type)
    for name in graph.outputs:
        if output_type is not None and _changes(graph.tensors[name], output_type):
            graph = _convert_output(graph, name, output_type)
    return graph


def _changes(tensor: Tensor, dtype: DType) -> bool:
    return tensor.quantization is not None and tensor.dtype is not dtype


def _retyped(tensor: Tensor, dtype: DType) -> Tensor:
    if dtype is DType.FLOAT32:
        return replace(tensor, dtype=dtype, quantization=None)
    assert tensor.quantization is not None
    offset = dtype.integer_range[0] - tensor.dtype.integer_range[0]
    shifted = replace(tensor.quantization, zero_point=tensor.quantization.zero_point + offset)
    return replace(tensor, dtype=dtype, quantization=shifted)


def _convert_input(graph: Graph, name: str, dtype: DType) -> Graph:
    inner = replace(graph.tensors[name], name=fresh_name(graph.tensors, f"{name}/{graph.tensors[name].dtype.value}"))
    nodes = rename_inputs(graph.nodes, {name: inner.name})
    first = Node("QUANTIZE", (name,), (inner.name,), NoOptions(), inner.layer)
    return with_nodes(graph, (first, *nodes), (_retyped(graph.tensors[name], dtype), inner))


def _convert_output(graph: Graph, name: str, dtype: DType) -> Graph:
    inner = replace(graph.tensors[name], name=fresh_name(graph.tensors, f"{name}/{graph.tensors[name].dtype.value}"))
    nodes = [
        replace(node, outputs=tuple(inner.name if output == name else output for output in node.outputs))
        for node in rename_inputs(graph.nodes, {name: inner.name})
    ]
    op = "DEQUANTIZE" if dtype is DType.FLOAT32 else "QUANTIZE"
    last = Node(op, (inner.name,), (name,), NoOptions(), inner.layer)
    return with_nodes(graph, (*nodes, last), (_retyped(graph.tensors[name], dtype), inner))
