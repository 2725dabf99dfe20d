"""The bias that belongs to a planned weight."""

from __future__ import annotations

from octavo.ir.types import Node
from octavo.ops.table import spec_of


def linear_bias(node: Node) -> str | None:
    """The bias of a node whose row has one weight and its bias; None where it has none, or a cell's several."""
    spec = spec_of(node.op)
    if not len(spec.weights) == len(spec.biases) == 1:
        return None
    ((index, _),) = spec.biases
    return node.inputs[index] if index < len(node.inputs) else None
