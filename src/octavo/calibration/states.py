"""The states of operators, made visible: a variable shows only what a run leaves in it, not the values in between."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.table import spec_of


def with_states_shown(graph: Graph, tensors: Sequence[str]) -> tuple[Graph, dict[str, str]]:
    """Add operators that compute all values that the variables among `tensors` take in a run from the reset.

    Returns:
        The graph, and for each variable the tensor that holds its values; the same graph if there are no variables.
    """
    wanted = {name for name in tensors if graph.tensors[name].is_variable}
    if not wanted:
        return graph, {}
    builder = GraphBuilder.extending(graph)
    shown: dict[str, str] = {}
    for node in graph.nodes:
        spec = spec_of(node.op)
        places = {i: node.inputs[i] for i, _ in spec.states if node.inputs[i] in wanted}
        if not places:
            continue
        assert spec.show_states is not None, f"{node.op} shows no states"
        builder.layer = node.layer
        made = spec.show_states(builder, node.options, node.inputs, node.outputs[0])
        shown |= {str(name): made[i] for i, name in places.items()}
    return builder.finish(graph.outputs), shown
