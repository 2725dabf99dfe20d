"""What several passes know of layers that are linear in their input: weights, an optional bias, channels last."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from octavo.ir.types import Node
from octavo.ops.spec import OpSpec
from octavo.ops.table import spec_of
from octavo.passes.edit import GraphEdit


@dataclass(frozen=True, slots=True)
class Linear:
    """A node that computes `weight * x + bias`, channels last, with constant weights and bias.

    Attributes:
        node, spec: The node and its row.
        weight: float32; `spec.weight.axis` runs over the output channels, the last dimension over the input
            channels, or where it is the same dimension over both, the outputs of an input side by side.
        bias: float64, shape (channels,); zeros where the node has none.
    """

    node: Node
    spec: OpSpec
    weight: np.ndarray
    bias: np.ndarray

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return int(self.bias.size)


def match_linear(edit: GraphEdit, node: Node | None) -> Linear | None:
    """Read a node whose row names a weight and a bias; None for any other and for weights that are not constant."""
    spec = None if node is None else spec_of(node.op)
    if node is None or spec is None or spec.weight is None or spec.bias is None:
        return None
    weight, bias_name = edit.constant(node.inputs[spec.weight.input]), _bias_name(node, spec)
    bias = edit.constant(bias_name)
    if weight is None or (bias is None and bias_name is not None):
        return None
    channels = weight.shape[spec.weight.axis]
    if edit.tensors[node.outputs[0]].shape[-1] != channels:
        return None
    return Linear(node, spec, weight, np.zeros(channels) if bias is None else bias.astype(np.float64))


def rescaled(edit: GraphEdit, linear: Linear, factor: np.ndarray, bias: np.ndarray) -> Node:
    """The node with its weights multiplied by `factor`, broadcast, and another bias, which it gets if it had none.

    The product is rounded to float32 once, as the weights of a network are many.
    """
    node, spec = linear.node, linear.spec
    assert spec.weight is not None
    assert spec.bias is not None
    inputs = list(node.inputs)
    weight_name, bias_name = inputs[spec.weight.input], _bias_name(node, spec)
    assert weight_name is not None
    if (factor != 1).any():
        inputs[spec.weight.input] = edit.change_constant(weight_name, linear.weight * factor.astype(np.float32))
    if bias_name is not None:
        inputs[spec.bias] = edit.change_constant(bias_name, bias)
    elif bias.any():
        inputs += [None] * (spec.bias + 1 - len(inputs))
        inputs[spec.bias] = edit.add_constant(f"{node.outputs[0]}/bias", bias, node.layer)
    return replace(node, inputs=tuple(inputs))


def _bias_name(node: Node, spec: OpSpec) -> str | None:
    assert spec.bias is not None
    return node.inputs[spec.bias] if spec.bias < len(node.inputs) else None
