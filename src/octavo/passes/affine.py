"""What several passes know of `x * scale + offset` with constant scale and offset."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from octavo.ir.types import Node, Options
from octavo.ops.fused import FusedActivation, activation_of
from octavo.ops.table import spec_of
from octavo.passes.edit import GraphEdit


@dataclass(frozen=True, slots=True)
class Affine:
    """A node that computes `x * scale + offset`, element by element, broadcast, in float64.

    Attributes:
        node: The node.
        source: Name of x.
        scale, offset: Broadcast against x; the result has x's shape.
    """

    node: Node
    source: str
    scale: np.ndarray
    offset: np.ndarray


def match_affine(edit: GraphEdit, node: Node) -> Affine | None:
    """Read an operator of two operands, one constant, as `x * scale + offset`, by its row; None for any other node."""
    affine = spec_of(node.op).affine
    if affine is None:
        return None
    first, second = node.inputs
    a, b = edit.constant(first), edit.constant(second)
    if (a is None) == (b is None):
        return None
    source, values = (second, a) if a is not None else (first, b)
    assert source is not None
    assert values is not None
    # Scale and offset are reals, which no kernel takes beside whole numbers.
    if edit.tensors[node.outputs[0]].shape != edit.tensors[source].shape or not edit.tensors[source].dtype.is_float:
        return None
    terms = affine(values.astype(np.float64), a is not None)
    return None if terms is None else Affine(node, source, *terms)


def per_channel(values: np.ndarray, channels: int) -> np.ndarray | None:
    """A broadcast operand as one value for each channel of a channels-last tensor; None where it differs elsewhere."""
    if values.size == 1:
        return np.full(channels, values.reshape(()))
    if values.shape[-1] == channels and values.size == channels:
        return values.reshape(channels)
    return None


def fused_activation(node: Node) -> FusedActivation:
    """The activation a node applies to its own result."""
    return activation_of(node.options)


def with_activation(options: Options, activation: FusedActivation) -> Options:
    """The options with another fused activation; unchanged if they can have none and shall have none."""
    if activation is FusedActivation.NONE and not hasattr(options, "fused_activation_function"):
        return options
    return replace(options, fused_activation_function=activation)  # type: ignore[type-var]
