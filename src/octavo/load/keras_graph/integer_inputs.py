"""Inputs that hold indices alone are integers in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import consumers, drop_unused, fresh_name, producers, rename_inputs
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.cast import CastOptions, ElementType
from octavo.ops.fused import FusedActivation, activation_of
from octavo.ops.operands import data_inputs
from octavo.ops.table import spec_of
from octavo.ops.truth import Compares

_READ = {DType.INT32, DType.BOOL}


def with_integer_inputs(graph: Graph, types: Mapping[str, str]) -> tuple[Graph, dict[str, str]]:
    """Let an input that is read as int32, and otherwise only compared with whole numbers, be of that type.

        float32 input -> CAST to int32 -> reader        =>  int32 input -> reader
        float32 input -> NOT_EQUAL 0.0 (padding's mask)  =>  int32 input -> NOT_EQUAL 0

    A real tensor would be rounded to as few values as its scale has, and an index of a large table with it. What only
    moves the values on their way to such readers, joins them with others of that kind, or chooses among them and whole
    numbers, does so with integers then, and so does what counts with them, if they are integers in Keras. Does not
    apply where the values themselves, or the result of a CAST, are an output of the graph.

    Args:
        graph: It.
        types: In Keras, by name of the tensor.

    Returns:
        The graph, and the tensor that stands for each result of a CAST that went.
    """
    whole = {held for name in graph.inputs for held in _held(graph, name, "int" in types[name])}
    if not whole:
        return graph, {}
    gone: dict[str, str] = {}
    nodes: list[Node] = []
    tensors = {name: replace(tensor, dtype=DType.INT32) for name, tensor in graph.tensors.items() if name in whole}
    tensors = {**graph.tensors, **tensors}
    for node in graph.nodes:
        if not whole.intersection(filter(None, node.inputs)):
            nodes.append(node)
        elif _is_cast(graph, node, DType.INT32):
            gone[node.outputs[0]] = str(node.inputs[0])
        else:
            nodes.append(_on_integers(node, whole, tensors))
    return drop_unused(replace(graph, tensors=tensors, nodes=rename_inputs(nodes, gone))), gone


def _held(graph: Graph, name: str, counts: bool) -> frozenset[str]:
    """The tensors that hold an input's values, or are joined with them, where all that read them do so as integers.

    Args:
        graph: Where they are.
        name: The input.
        counts: Whether it holds whole numbers, with which operators may count.
    """
    readers, made_by = consumers(graph), producers(graph)
    held, pending, indices = set[str](), [name], False
    while pending:
        tensor = pending.pop()
        if tensor in held or _is_whole(graph.tensors[tensor].data):
            continue
        held.add(tensor)
        maker = made_by.get(tensor)
        if tensor not in graph.inputs and (maker is None or not _is_kept(maker, counts)):
            return frozenset()
        for node in filter(None, (maker, *readers[tensor])):
            if node is maker or (_is_kept(node, counts) and _is_data(graph, node, tensor)):
                pending += [*node.outputs, *(other for _, other in data_inputs(graph, node))]
            elif any(_is_cast(graph, node, dtype) for dtype in _READ) and node.outputs[0] not in graph.outputs:
                indices |= _is_cast(graph, node, DType.INT32)
            elif not _is_compared(graph, node, tensor):
                return frozenset()
    return frozenset(held) if indices and held.isdisjoint(graph.outputs) else frozenset()


def _is_cast(graph: Graph, node: Node, dtype: DType) -> bool:
    return node.op == "CAST" and graph.tensors[node.outputs[0]].dtype is dtype


def _is_kept(node: Node, counts: bool) -> bool:
    """Whether an operator gives values other places, chooses among them, or counts with them, on int32 as well."""
    spec = spec_of(node.op)
    if spec.counts:
        return counts and activation_of(node.options) is FusedActivation.NONE
    return spec.takes_whole


def _is_data(graph: Graph, node: Node, name: str) -> bool:
    return name in [tensor for _, tensor in data_inputs(graph, node)]


def _is_compared(graph: Graph, node: Node, name: str) -> bool:
    """Whether a tensor is compared with constants that are whole numbers."""
    if node.op not in Compares.__members__:
        return False
    return all(_is_whole(graph.tensors[str(other)].data) for other in node.inputs if other != name)


def _is_whole(data: np.ndarray | None) -> bool:
    """Whether int32 holds a constant's values."""
    limits = np.iinfo(np.int32)
    return data is not None and bool(((np.rint(data) == data) & (limits.min <= data) & (data <= limits.max)).all())


def _on_integers(node: Node, whole: set[str], tensors: dict[str, Tensor]) -> Node:
    """An operator that reads integers; constants of that type are added to `tensors`."""
    if node.op == "CAST":
        return replace(node, options=CastOptions(ElementType.INT32, ElementType.BOOL))
    inputs: list[str | None] = []
    for name in node.inputs:
        data = None if name is None else tensors[name].data
        if name is None or name in whole or data is None or data.dtype != np.float32:
            inputs.append(name)
            continue
        held = fresh_name(tensors, f"{name}/whole")
        tensors[held] = replace(tensors[name], name=held, dtype=DType.INT32, data=data.astype(np.int32))
        inputs.append(held)
    return replace(node, inputs=tuple(inputs))
