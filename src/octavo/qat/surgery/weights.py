"""Which variables of which layers are fake-quantized, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.ir.types import Node, PerAxis
from octavo.ops.roles import Weight
from octavo.ops.table import spec_of
from octavo.plan.types import WeightRule
from octavo.qat.layers.live_constant import variables_of
from octavo.qat.layers.quantized_layer import Factor, WeightQuantizer
from octavo.qat.settings import TrainingConfig
from octavo.qat.surgery.blueprint import Blueprint
from octavo.qat.surgery.find_constants import live_constant
from octavo.qat.surgery.origins import Origin, channel_index, to_float32


def weight_quantizers(blueprint: Blueprint, training: TrainingConfig) -> dict[int, list[WeightQuantizer]]:
    """What to fake-quantize of each layer, by the layer's `id`.

    A variable that several calls read is quantized once, as the first of them is deployed.

    Args:
        blueprint: Of the model.
        training: Observers of weights.
    """
    quantizers: dict[int, list[WeightQuantizer]] = {}
    known: set[tuple[int, str]] = set()
    for rule in blueprint.plan.weights:
        linear = linear_node(blueprint, rule)
        origin = blueprint.origins.of(linear.weight)
        if origin is None or (id(origin.layer), origin.variable) in known:
            continue
        known.add((id(origin.layer), origin.variable))
        axes = shared_axes(origin, rule)
        observer = training.weights_of(blueprint.graph.tensors[rule.tensor].layer)
        factors = tuple(folded_factors(blueprint, linear, origin, axes))
        quantizer = WeightQuantizer(origin.variable, rule.tensor, rule.dtype.value, axes, observer, factors)
        quantizers.setdefault(id(origin.layer), []).append(quantizer)
    return quantizers


@dataclass(frozen=True, slots=True)
class WeightedNode:
    """A loaded node with a weight, and its neighbours that passes made one with it.

    Attributes:
        node: The node.
        weight: Its weight tensor.
        axis: Of the weight's output channels.
        before, after: The neighbours.
    """

    node: Node
    weight: str
    axis: int
    before: tuple[Node, ...]
    after: tuple[Node, ...]


def linear_node(blueprint: Blueprint, rule: WeightRule) -> WeightedNode:
    """The loaded node behind a rule of the plan."""
    op = next(node.op for node in blueprint.graph.nodes if node.outputs[0] == rule.node)
    before: list[Node] = []
    after: list[Node] = []
    node = blueprint.made_by[rule.node]
    while node.op != op:
        after.append(node)
        node = blueprint.made_by[data_input(blueprint, node)]
    name = data_input(blueprint, node)
    while name not in blueprint.graph.tensors:
        before.append(blueprint.made_by[name])
        name = data_input(blueprint, before[-1])
    role, weight = spec_of(op).role(rule.input), node.inputs[rule.input]
    assert isinstance(role, Weight)
    assert weight is not None
    return WeightedNode(node, weight, role.axis, tuple(before), tuple(after))


def data_input(blueprint: Blueprint, node: Node) -> str:
    """The first input of a loaded node that is no constant."""
    tensors = blueprint.loaded.tensors
    return next(name for name in node.inputs if name is not None and not tensors[name].is_constant)


def folded_factors(
    blueprint: Blueprint, linear: WeightedNode, origin: Origin, axes: tuple[int, ...]
) -> Iterator[Factor]:
    """What folding multiplies a weight by, as far as it differs among elements that share a scale."""
    outputs = channel_index(origin, linear.axis)
    # Input channels run along the last dimension; of a depthwise weight the outputs do, those of an input side by side.
    inputs = channel_index(origin, origin.elements.ndim - 1)
    places = [(node, outputs) for node in linear.after] + [(node, inputs) for node in linear.before]
    for node, index in places:
        name = next((name for name in node.inputs if name and blueprint.loaded.tensors[name].is_constant), None)
        if node.op not in ("MUL", "DIV") or name is None:
            continue
        size = blueprint.loaded.tensors[name].size
        if size == 1 or all(length == 1 for axis, length in enumerate(index.shape) if axis in axes):
            continue
        found = live_constant(blueprint, name, node)
        if found is not None:
            layer, constant = found
            side_by_side = -(-(int(index.max()) + 1) // size)
            yield Factor("" if layer is None else layer.name, constant, index // side_by_side, node.op == "DIV")


def shared_axes(origin: Origin, rule: WeightRule) -> tuple[int, ...]:
    """The dimensions of a variable along which the scale of its weight does not change."""
    if not isinstance(rule.granularity, PerAxis):
        return tuple(range(origin.numbers.ndim))
    shape = channel_index(origin, rule.granularity.axis).shape
    return tuple(axis for axis, size in enumerate(shape) if size == 1)


def rounded_weights(model: Any) -> dict[int, np.ndarray]:
    """Fake-quantized weights by `id` of their variable.

    Loaded and folded in the variables' place, they make the biases that training saw: folding a sum in front of a
    layer into its bias multiplies it by the weights.
    """
    return {
        id(variable): to_float32(rounded[path])
        for layer in model.quantized_layers
        for rounded in (layer.rounded_weights(),)
        for path, variable in variables_of(layer.layer)
        if path in rounded
    }


def limits_as_weights(model: Any) -> dict[int, np.ndarray]:
    """Learned limits, spread over their variables, by `id` of the variable.

    Loaded and folded in the weights' place, they come out as the limits of the folded weights.
    """
    return {
        id(variable): np.broadcast_to(magnitude, variable.shape).astype(np.float32)
        for layer in model.quantized_layers
        for variable, magnitude in layer.unfolded_limits()
    }
