"""Execute a plan: float graph and ranges in, integer graph out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from octavo.config import Scheme
from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, producers, with_nodes
from octavo.ir.types import Graph, Node, NoOptions, Quantization, Tensor
from octavo.numerics.affine import RANGE_OF_ZEROS, Range, asymmetric, quantize, symmetric
from octavo.plan.types import BiasRule, Plan, WeightRule
from octavo.quantization.bias import quantize_bias
from octavo.quantization.weights import largest_magnitude, limit_for_bias, quantize_weight

# A narrower range is as good as zero everywhere; its scale would push multipliers out of what kernels hold.
SMALLEST_WIDTH = 1e-7


def assign(
    graph: Graph, plan: Plan, ranges: Mapping[str, Range], limits: Mapping[str, np.ndarray] | None = None
) -> Graph:
    """Make the integer graph of an integer scheme.

    Args:
        graph: The float graph the plan was made of.
        plan: Of a scheme with integer activations.
        ranges: Real (low, high) of every tensor in `plan.observed` that is not a constant.
        limits: Weight magnitudes that map to the largest integer, by weight tensor, where they are learned and not
            the largest magnitude found.

    Returns:
        The graph with integer tensors, and QUANTIZE and DEQUANTIZE where integers meet float islands.
    """
    assignment = _Assignment(graph, plan, group_parameters(graph, plan, ranges), limits or {})
    for node in graph.nodes:
        assignment.convert(node)
    return assignment.finish()


def group_parameters(graph: Graph, plan: Plan, ranges: Mapping[str, Range]) -> dict[str, Quantization]:
    """Parameters of every tensor of every group: the fixed ones, or those of the union of the observed ranges."""
    parameters: dict[str, Quantization] = {}
    for group in plan.groups:
        chosen = group.fixed
        if chosen is None:
            seen = [_range(graph.tensors[name], ranges) for name in group.observed]
            low, high = min(low for low, _ in seen), max(high for _, high in seen)
            if group.widest is not None:
                low, high = max(low, -group.widest), min(high, group.widest)
            chosen = activation_parameters(low, high, plan.scheme, group.smallest_scale)
        parameters.update(dict.fromkeys(group.tensors, chosen))
    return parameters


def activation_parameters(low: float, high: float, scheme: Scheme, smallest_scale: float = 0.0) -> Quantization:
    """Parameters of an activation with this range and 0; what is too narrow for the kernels is widened upwards.

    Nothing but zeros is seen as `RANGE_OF_ZEROS`.
    """
    dtype = scheme.activations
    assert dtype is not None
    low, high = min(low, 0.0), max(high, 0.0)
    smallest, largest = dtype.integer_range
    width = max(SMALLEST_WIDTH, smallest_scale * (largest - smallest))
    if low == high:
        low, high = RANGE_OF_ZEROS
    if high - low < width:
        high = low + width
    if scheme.symmetric_activations:
        return symmetric(max(abs(low), abs(high)), dtype)
    return asymmetric(low, high, dtype)


def _range(tensor: Tensor, ranges: Mapping[str, Range]) -> Range:
    if tensor.data is not None:
        return float(tensor.data.min()), float(tensor.data.max())
    return ranges[tensor.name]


class _Assignment:
    """The integer graph in the making."""

    def __init__(
        self, graph: Graph, plan: Plan, parameters: Mapping[str, Quantization], limits: Mapping[str, np.ndarray]
    ) -> None:
        assert plan.scheme.activations is not None
        assert plan.scheme.bias is not None
        self.graph, self.plan, self.parameters = graph, plan, parameters
        self.activations, self.bias_dtype = plan.scheme.activations, plan.scheme.bias
        self.limits = _weight_limits(graph, plan, parameters, limits)
        self.weight_rules = {rule.node: rule for rule in plan.weights}
        self.bias_rules = {rule.node: rule for rule in plan.biases}
        self.requantized = {(edge.node, edge.input): member for edge, member in plan.requantized}
        made_by = producers(graph)
        self.native = {
            name
            for name in parameters
            if not graph.tensors[name].is_constant and (name not in made_by or made_by[name].outputs[0] in plan.integer)
        }
        self.float_constants = {
            name for node in graph.nodes if node.outputs[0] not in plan.integer for name in node.inputs
        }
        self.nodes: list[Node] = []
        self.tensors = dict(graph.tensors)
        for name in self.native:
            self.tensors[name] = replace(graph.tensors[name], dtype=self.activations, quantization=parameters[name])
        self.made: dict[tuple[object, ...], str] = {}

    def convert(self, node: Node) -> None:
        """Append a node with its inputs in the form it needs."""
        if node.outputs[0] in self.plan.integer:
            inputs = tuple(self._integer_input(node, i, name) for i, name in enumerate(node.inputs))
        else:
            inputs = tuple(self._float_input(name) for name in node.inputs)
        self.nodes.append(replace(node, inputs=inputs))

    def finish(self) -> Graph:
        """The graph made so far."""
        return with_nodes(replace(self.graph, tensors=self.tensors), self.nodes)

    def _integer_input(self, node: Node, index: int, name: str | None) -> str | None:
        weight, bias = self.weight_rules.get(node.outputs[0]), self.bias_rules.get(node.outputs[0])
        if name is None:
            return None
        if weight is not None and name == weight.tensor:
            return self._weight(weight)
        if bias is not None and name == bias.tensor:
            assert weight is not None
            return self._bias(bias, weight)
        member = self.requantized.get((node.outputs[0], index), name)
        if member not in self.parameters:
            return name
        target = self.parameters[member]
        if self.graph.tensors[name].is_constant:
            return self._constant(name, quantize(self._data(name), target, self.activations), target)
        if name in self.native and member == name:
            return name
        return self._conversion("QUANTIZE", name, "requantized" if name in self.native else "quantized", target)

    def _float_input(self, name: str | None) -> str | None:
        return self._conversion("DEQUANTIZE", name, "float", None) if name in self.native else name

    def _conversion(self, op: str, name: str, suffix: str, target: Quantization | None) -> str:
        """The tensor `name` through QUANTIZE or DEQUANTIZE, made once for each target."""
        key = (op, name, target)
        if key not in self.made:
            source = self.graph.tensors[name]
            dtype = DType.FLOAT32 if target is None else self.activations
            converted = Tensor(
                fresh_name(self.tensors, f"{name}/{suffix}"), source.shape, dtype, None, target, source.layer
            )
            self.tensors[converted.name] = converted
            self.nodes.append(Node(op, (name,), (converted.name,), NoOptions(), source.layer))
            self.made[key] = converted.name
        return self.made[key]

    def _weight(self, rule: WeightRule) -> str:
        values, parameters = quantize_weight(
            self._data(rule.tensor), self.limits[rule.tensor], rule.dtype, rule.granularity
        )
        return self._constant(rule.tensor, values, parameters, rule.dtype)

    def _bias(self, rule: BiasRule, weight: WeightRule) -> str:
        weight_parameters = self.tensors[self._weight(weight)].quantization
        assert weight_parameters is not None
        values, parameters = quantize_bias(
            self._data(rule.tensor), self.parameters[rule.data], weight_parameters, self.bias_dtype
        )
        return self._constant(rule.tensor, values, parameters, self.bias_dtype)

    def _constant(self, name: str, values: np.ndarray, parameters: Quantization, dtype: DType | None = None) -> str:
        """An integer form of constant `name`; the first keeps its name."""
        dtype = dtype or self.activations
        key = (name, dtype, parameters)
        if key not in self.made:
            source = self.graph.tensors[name]
            taken = name in self.float_constants or self.tensors[name] is not source
            made = fresh_name(self.tensors, name) if taken else name
            self.tensors[made] = Tensor(made, source.shape, dtype, values, parameters, source.layer)
            self.made[key] = made
        return self.made[key]

    def _data(self, name: str) -> np.ndarray:
        data = self.graph.tensors[name].data
        assert data is not None
        return data


def _weight_limits(
    graph: Graph, plan: Plan, parameters: Mapping[str, Quantization], learned: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Magnitude each weight's largest integer stands for, raised where a bias would overflow."""
    limits: dict[str, np.ndarray] = {}
    rules = {rule.node: rule for rule in plan.weights}
    for rule in plan.weights:
        data = graph.tensors[rule.tensor].data
        assert data is not None
        limits[rule.tensor] = learned.get(rule.tensor, largest_magnitude(data, rule.granularity))
    for bias in plan.biases:
        values, rule = graph.tensors[bias.tensor].data, rules[bias.node]
        assert values is not None
        scale = float(parameters[bias.data].scale[0])
        limits[rule.tensor] = limit_for_bias(limits[rule.tensor], values, scale, rule.dtype)
    return limits
