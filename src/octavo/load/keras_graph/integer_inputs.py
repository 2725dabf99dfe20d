"""Inputs that hold indices alone are integers in the file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import consumers, drop_unused, fresh_name, rename_inputs, with_nodes
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.truth import Compares


def with_integer_inputs(graph: Graph, whole: Collection[str]) -> tuple[Graph, dict[str, str]]:
    """Let an input that is only read as int32, or compared with whole numbers beside that, be of that type.

        float32 input -> CAST to int32 -> reader  =>  int32 input -> reader
        float32 input -> NOT_EQUAL 0              =>  int32 input -> NOT_EQUAL 0

    A real tensor would be rounded to as few values as its scale has, and an index of a large table with it. Does not
    apply where the result of the CAST is an output of the graph.

    Args:
        graph: As it was read.
        whole: The inputs that hold whole numbers; others are not compared as such.

    Returns:
        The graph, and the input that stands for each result of a CAST that went.
    """
    readers = consumers(graph)
    gone: dict[str, str] = {}
    compared: list[Node] = []
    for name in graph.inputs:
        casts = [node for node in readers[name] if node.op == "CAST"]
        others = [node for node in readers[name] if node.op != "CAST"]
        indices = all(graph.tensors[node.outputs[0]].dtype is DType.INT32 for node in casts)
        shown = any(node.outputs[0] in graph.outputs for node in casts) or name in graph.outputs
        counted = not others or (name in whole and all(_compares_whole(graph, node, name) for node in others))
        if casts and indices and counted and not shown:
            gone |= {node.outputs[0]: name for node in casts}
            compared += others
    if not gone:
        return graph, {}
    graph = _on_integers(graph, compared)
    nodes = rename_inputs((node for node in graph.nodes if node.outputs[0] not in gone), gone)
    inputs = {name: replace(graph.tensors[name], dtype=DType.INT32) for name in gone.values()}
    return drop_unused(replace(graph, tensors={**graph.tensors, **inputs}, nodes=nodes)), gone


def _compares_whole(graph: Graph, node: Node, name: str) -> bool:
    """Whether a node is a comparison of a tensor with constants that int32 holds."""
    constants = [graph.tensors[other] for other in node.inputs if other is not None and other != name]
    return node.op in Compares.__members__ and all(map(_is_whole, constants))


def _is_whole(tensor: Tensor) -> bool:
    data, limits = tensor.data, np.iinfo(np.int32)
    return data is not None and bool(np.all((np.rint(data) == data) & (limits.min <= data) & (data <= limits.max)))


def _on_integers(graph: Graph, compared: Iterable[Node]) -> Graph:
    """The graph with the constants of these comparisons as int32, each beside the constant it is made of."""
    made: dict[str, Tensor] = {}
    for node in compared:
        for name in node.inputs:
            data = None if name is None else graph.tensors[name].data
            if name is not None and data is not None and name not in made:
                integer = fresh_name(graph.tensors, f"{name}/int32")
                made[name] = replace(graph.tensors[name], name=integer, dtype=DType.INT32, data=data.astype(np.int32))
    names, chosen = {name: tensor.name for name, tensor in made.items()}, {node.outputs for node in compared}

    def renamed() -> Iterator[Node]:
        for node in graph.nodes:
            yield rename_inputs([node], names)[0] if node.outputs in chosen else node

    return with_nodes(graph, renamed(), made.values())
