"""Operators of an integer graph that kernels cannot compute rightly with the scales they have."""

from __future__ import annotations

from collections.abc import Mapping

from octavo.ir.graph import operands, producers
from octavo.ir.types import Graph, Node
from octavo.ops.limits import MARGIN, SPAN
from octavo.ops.operands import data_inputs
from octavo.ops.roles import Data
from octavo.ops.table import spec_of

# Weights that were rounded may sum up to more than those that scales were chosen by; scales have that much room.
ROUNDED_WEIGHTS = 2.0


def obstacles(graph: Graph) -> dict[Node, str]:
    """Why, by operator, for those that kernels would abort on or compute wrongly."""
    makers = producers(graph)
    found = ((node, _obstacle(graph, node) or _in_conversion(graph, node, makers)) for node in graph.nodes)
    return {node: reason for node, reason in found if reason}


def _obstacle(graph: Graph, node: Node) -> str:
    output = graph.tensors[node.outputs[0]]
    if output.quantization is None or output.dtype not in SPAN:
        return ""
    spec, inputs = spec_of(node.op), operands(graph, node)
    for i, name in data_inputs(graph, node):
        role, tensor = spec.role(i), graph.tensors[name]
        if isinstance(role, Data) and tensor.quantization is not None:
            largest = role.largest_scale.get(tensor.dtype)
            if largest is not None and tensor.scale >= largest:
                return f"its {tensor.dtype.value} kernels hold input scales below {largest:.3g}, not {tensor.scale:.3g}"
    if spec.output_scales is not None and not spec.converts:
        smallest = spec.output_scales(node.options, inputs).smallest
        if output.scale * ROUNDED_WEIGHTS < smallest:
            return f"its kernels hold output scales from {smallest:.3g}, not {output.scale:.3g}"
    return spec.obstacle(node.options, inputs)


def _in_conversion(graph: Graph, node: Node, makers: Mapping[str, Node]) -> str:
    """Why the steps that an operator's own input needs cannot be made of those that its data has; "" if they can."""
    for _, name in data_inputs(graph, node):
        maker = makers.get(name)
        if maker is None or not (spec := spec_of(maker.op)).converts or spec.output_scales is None:
            continue
        had, made = graph.tensors[str(maker.inputs[0])], graph.tensors[name]
        if made.scale * MARGIN < spec.output_scales(maker.options, operands(graph, maker)).smallest:
            return f"its input comes in steps of {had.scale:.3g}, too coarse to be made {made.scale:.3g}"
    return ""
