"""What stands for a tensor where its range is measured.

A variable that an operator writes inside shows only what a run leaves in it, not the values in between; and of what a
mask hides before a SOFTMAX, no value counts, however far below the others it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from octavo.ir.graph import consumers, producers
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.elementwise_kernels import SubOptions
from octavo.ops.operands import data_inputs, hiding_constants, stated_limit
from octavo.ops.reduce import emit_reduce
from octavo.ops.table import spec_of


def with_states_shown(graph: Graph, tensors: Sequence[str]) -> tuple[Graph, dict[str, str]]:
    """Add operators that compute all values that the variables among `tensors` take in a run.

    Returns:
        The graph, and for each variable the tensor that holds its values; the same graph if there are no variables.
    """
    variables = {name for name, tensor in graph.tensors.items() if tensor.is_variable}
    wanted = variables.intersection(tensors)
    if not wanted:
        return graph, {}
    # What is written to a variable from outside is the operand of a PACK.
    shown = {node.outputs[0]: str(node.inputs[0]) for node in graph.nodes if node.outputs[0] in wanted}
    builder = GraphBuilder.extending(graph)
    for node in graph.nodes:
        spec = spec_of(node.op)
        places = {i: node.inputs[i] for i, _ in spec.states if node.inputs[i] in wanted}
        if not places:
            continue
        assert spec.show_states is not None, f"{node.op} shows no states"
        builder.layer = node.layer
        made = spec.show_states(builder, node.options, node.inputs, node.outputs[0])
        shown |= {str(name): made[i] for i, name in places.items()}
    showing = builder.finish(graph.outputs)
    added = showing.nodes[len(graph.nodes) :]
    # What reads a variable shall find it as the run does.
    first = [node for node in added if variables.intersection(node.inputs)]
    rest = (node for node in showing.nodes if node not in first)
    return replace(showing, nodes=(*first, *rest)), shown


def with_what_counts(graph: Graph, tensors: Sequence[str]) -> tuple[Graph, dict[str, str]]:
    """Add operators that raise values of which no reader tells how small they are.

        max(x, max(x, last axis) - d)  for x, of which every reader neglects what lies d below the largest

    Where a constant hides values, it may hide all of a row: they are alike then, and none of them counts. Where a
    largest value is chosen, what stands beside such a constant tells the range.

    Returns:
        The graph, and for each tensor that has some the one whose range counts.
    """
    readers, makers = consumers(graph), producers(graph)
    beside = {
        name: others[0]
        for name in tensors
        if name in makers
        and (hidden := hiding_constants(graph, makers[name], readers))
        and (others := [each for _, each in data_inputs(graph, makers[name]) if each not in hidden])
    }
    depths = {
        name: depth
        for name in tensors
        if graph.tensors[name].shape
        and name not in graph.outputs
        and (depth := stated_limit(readers[name], name, lambda role: role.nothing_below)) is not None
    }
    if not depths:
        return graph, beside
    builder, shown = GraphBuilder.extending(graph), dict(beside)
    for name, depth in depths.items():
        builder.layer = f"{name}/counts"
        largest = emit_reduce(builder, "REDUCE_MAX", name, [len(graph.tensors[name].shape) - 1], keep_dims=True)
        floor = builder.emit("SUB", [largest, builder.constant(np.array(depth, np.float32), "depth")], SubOptions())
        if name in makers and (hidden := hiding_constants(graph, makers[name], readers)):
            highest = np.array(max(graph.tensors[each].values.max() for each in hidden), np.float32)
            seen = builder.emit("GREATER", [largest, builder.constant(highest, "hidden")])
            floor = builder.emit("SELECT_V2", [seen, floor, builder.constant(np.zeros((), np.float32), "nothing")])
        shown[name] = builder.emit("MAXIMUM", [name, floor])
    return builder.finish(graph.outputs), shown
