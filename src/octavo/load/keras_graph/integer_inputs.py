"""Inputs that hold indices alone are integers in the file."""

from __future__ import annotations

from dataclasses import replace

from octavo.dtypes import DType
from octavo.ir.graph import consumers, drop_unused, rename_inputs
from octavo.ir.types import Graph


def with_integer_inputs(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """Let an input that is only read as int32 be of that type.

        float32 input -> CAST to int32 -> reader  =>  int32 input -> reader

    A real tensor would be rounded to as few values as its scale has, and an index of a large table with it. Does not
    apply where the result of the CAST is an output of the graph.

    Returns:
        The graph, and the input that stands for each result of a CAST that went.
    """
    readers = consumers(graph)
    gone: dict[str, str] = {}
    for name in graph.inputs:
        casts = [node for node in readers[name] if node.op == "CAST"]
        whole = all(graph.tensors[node.outputs[0]].dtype is DType.INT32 for node in casts)
        shown = any(node.outputs[0] in graph.outputs for node in casts) or name in graph.outputs
        if casts and whole and not shown and len(casts) == len(readers[name]):
            gone |= {node.outputs[0]: name for node in casts}
    if not gone:
        return graph, {}
    nodes = rename_inputs((node for node in graph.nodes if node.outputs[0] not in gone), gone)
    inputs = {name: replace(graph.tensors[name], dtype=DType.INT32) for name in gone.values()}
    return drop_unused(replace(graph, tensors={**graph.tensors, **inputs}, nodes=nodes)), gone
