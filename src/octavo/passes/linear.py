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
        data_input, weight_input, bias_input: Indices of its inputs.
        axis: Dimension of the weights' output channels.
        weight: float32; `axis` runs over the output channels, the last dimension over the input channels, or where it
            is the same dimension over both, the outputs of an input side by side.
        bias: float64, shape (channels,); zeros where the node has none.
    """

    node: Node
    spec: OpSpec
    data_input: int
    weight_input: int
    bias_input: int
    axis: int
    weight: np.ndarray
    bias: np.ndarray

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return int(self.bias.size)

    @property
    def bias_name(self) -> str | None:
        """The bias tensor, if the node has one."""
        return self.node.inputs[self.bias_input] if self.bias_input < len(self.node.inputs) else None


def match_linear(edit: GraphEdit, node: Node | None) -> Linear | None:
    """Read a node whose row has one weight and its bias; None for any other and for weights that are not constant."""
    spec = None if node is None else spec_of(node.op)
    if node is None or spec is None or not len(spec.weights) == len(spec.biases) == 1:
        return None
    ((weight_input, role),), ((bias_input, bias_role),) = spec.weights, spec.biases
    weight = edit.constant(node.inputs[weight_input])
    bias_name = node.inputs[bias_input] if bias_input < len(node.inputs) else None
    bias = edit.constant(bias_name)
    if weight is None or (bias is None and bias_name is not None):
        return None
    channels = weight.shape[role.axis]
    if edit.tensors[node.outputs[0]].shape[-1] != channels:
        return None
    values = np.zeros(channels) if bias is None else bias.astype(np.float64)
    return Linear(node, spec, bias_role.data, weight_input, bias_input, role.axis, weight, values)


def rescaled(edit: GraphEdit, linear: Linear, factor: np.ndarray, bias: np.ndarray) -> Node:
    """The node with its weights multiplied by `factor`, broadcast, and another bias, which it gets if it had none.

    The product is rounded to float32 once, as the weights of a network are many.
    """
    node, inputs = linear.node, list(linear.node.inputs)
    weight_name, bias_name = str(inputs[linear.weight_input]), linear.bias_name
    if (factor != 1).any():
        inputs[linear.weight_input] = edit.change_constant(weight_name, linear.weight * factor.astype(np.float32))
    if bias_name is not None:
        inputs[linear.bias_input] = edit.change_constant(bias_name, bias)
    elif bias.any():
        inputs += [None] * (linear.bias_input + 1 - len(inputs))
        inputs[linear.bias_input] = edit.add_constant(f"{node.outputs[0]}/bias", bias, node.layer)
    return replace(node, inputs=tuple(inputs))
