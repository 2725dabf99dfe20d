"""What holds values while each operator of a graph runs."""

from __future__ import annotations

from octavo.ir.types import Graph
from octavo.ops.table import spec_of


def live_bytes(graph: Graph, *, alignment: int = 1, aliases: bool = True) -> list[int]:
    """Bytes of the activations that hold values while each operator runs, inputs and outputs of the model included.

    Args:
        graph: The model.
        alignment: Each tensor's bytes are rounded up to a multiple of it.
        aliases: Whether a tensor of another shape but the same values is the same memory.
    """
    memory = {name: name for name in graph.inputs}
    spans = {name: (0, 0) for name in graph.inputs}
    for i, node in enumerate(graph.nodes):
        for name in node.outputs:
            shares = aliases and spec_of(node.op).reshapes
            memory[name] = memory.get(str(node.inputs[0]), name) if shares else name
        for used in (memory[name] for name in (*node.inputs, *node.outputs) if name in memory):
            spans[used] = (spans.get(used, (i, i))[0], i)
    for name in graph.outputs:
        if name in memory:
            spans[memory[name]] = (spans[memory[name]][0], len(graph.nodes) - 1)
    sizes = {name: -(-graph.tensors[name].bytes // alignment) * alignment for name in spans}
    return [
        sum(sizes[name] for name, (first, last) in spans.items() if first <= i <= last) for i in range(len(graph.nodes))
    ]
