"""What each input of a node is: activation, weight, bias or parameter."""

from __future__ import annotations

from octavo.ir.types import Graph, Node
from octavo.ops.spec import OpSpec
from octavo.ops.table import spec_of


def activation_inputs(graph: Graph, node: Node) -> tuple[tuple[int, str], ...]:
    """(index, tensor) of the inputs that carry activations or constants quantized like them."""
    spec = spec_of(node.op)
    roles = {*spec.parameters, *(() if spec.bias is None else (spec.bias,))}
    if weight_input(graph, node, spec) is not None:
        roles.add(spec.weight.input)  # type: ignore[union-attr]
    return tuple(
        (i, name)
        for i, name in enumerate(node.inputs)
        if name is not None and i not in roles and graph.tensors[name].dtype.is_float
    )


def weight_input(graph: Graph, node: Node, spec: OpSpec) -> str | None:
    """The node's weight tensor if it has a constant one."""
    if spec.weight is None:
        return None
    name = node.inputs[spec.weight.input]
    return name if name is not None and graph.tensors[name].is_constant else None
