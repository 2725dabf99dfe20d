"""Operators of an integer graph that kernels cannot compute rightly with the scales they have."""

from __future__ import annotations

from octavo.ir.graph import operands
from octavo.ir.types import Graph, Node
from octavo.ops.limits import SPAN
from octavo.ops.operands import data_inputs
from octavo.ops.roles import Data
from octavo.ops.table import spec_of

# Weights that were rounded may sum up to more than those that scales were chosen by; scales have that much room.
ROUNDED_WEIGHTS = 2.0


def obstacles(graph: Graph) -> dict[Node, str]:
    """Why, by operator, for those that kernels would abort on or compute wrongly."""
    found = ((node, _obstacle(graph, node)) for node in graph.nodes)
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
