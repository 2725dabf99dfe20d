"""Execute a plan: float graph and ranges in, integer graph out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, with_nodes
from octavo.ir.types import Graph, Node, NoOptions, Quantization, Tensor
from octavo.numerics.affine import RANGE_OF_ZEROS, Range, asymmetric, quantize, symmetric
from octavo.ops.roles import Data, Role
from octavo.ops.table import spec_of
from octavo.plan.types import BiasRule, Edge, Member, Plan, WeightRule
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


def group_parameters(graph: Graph, plan: Plan, ranges: Mapping[str, Range]) -> dict[Member, Quantization]:
    """Parameters of every member of every group: the fixed ones, or those of the union of the observed ranges."""
    parameters: dict[Member, Quantization] = {}
    for group in plan.groups:
        chosen = group.fixed
        if chosen is None:
            seen = [_range(graph.tensors[name], plan.range_name(name, group), ranges) for name in group.observed]
            low, high = min(low for low, _ in seen), max(high for _, high in seen)
            if group.widest is not None:
                low, high = max(low, -group.widest), min(high, group.widest)
            chosen = activation_parameters(low, high, group.dtype, group.smallest_scale)
        if group.powers_of_two is not None:
            chosen = power_of_two_parameters(chosen, *group.powers_of_two)
        parameters.update((Member(name, group.dtype), chosen) for name in group.tensors)
    return parameters


def activation_parameters(low: float, high: float, dtype: DType, smallest_scale: float = 0.0) -> Quantization:
    """Parameters of an activation with this range and 0; what is too narrow for the kernels is widened upwards.

    Kernels demand zero point 0 of int16. Nothing but zeros is seen as `RANGE_OF_ZEROS`.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    smallest, largest = dtype.integer_range
    width = max(SMALLEST_WIDTH, smallest_scale * (largest - smallest))
    if low == high:
        low, high = RANGE_OF_ZEROS
    if high - low < width:
        high = low + width
    if dtype is DType.INT16:
        return symmetric(max(abs(low), abs(high)), dtype)
    return asymmetric(low, high, dtype)


def power_of_two_parameters(parameters: Quantization, smallest: int, largest: int) -> Quantization:
    """Symmetric parameters whose scale is the next 2**n, n from `smallest` to `largest`; beyond, values saturate."""
    exponent = int(np.ceil(np.log2(np.float64(parameters.scale[0]))))
    return Quantization(np.array(2.0 ** min(max(exponent, smallest), largest)), np.array(0))


def saturating_parameters(role: Role, parameters: Quantization, dtype: DType) -> Quantization | None:
    """Parameters for an input whose kernel is wrong at the scale that its data has; None where it is right."""
    if not isinstance(role, Data) or role.flat_beyond is None or parameters.scale[0] < role.scales_below:
        return None
    return activation_parameters(-role.flat_beyond, role.flat_beyond, dtype, role.smallest_scale)


def _range(tensor: Tensor, name: str, ranges: Mapping[str, Range]) -> Range:
    if tensor.data is not None:
        return float(tensor.data.min()), float(tensor.data.max())
    return ranges[name] if name in ranges else ranges[tensor.name]


class _Assignment:
    """The integer graph in the making."""

    def __init__(
        self, graph: Graph, plan: Plan, parameters: Mapping[Member, Quantization], limits: Mapping[str, np.ndarray]
    ) -> None:
        self.graph, self.plan, self.parameters = graph, plan, parameters
        self.limits = _weight_limits(graph, plan, parameters, limits)
        self.weight_rules = {Edge(rule.node, rule.input): rule for rule in plan.weights}
        self.bias_rules = {Edge(rule.node, rule.input): rule for rule in plan.biases}
        self.requantized = dict(plan.requantized)
        self.float_constants = {
            name for node in graph.nodes if node.outputs[0] not in plan.types for name in node.inputs
        }
        self.nodes: list[Node] = []
        self.tensors = dict(graph.tensors)
        for name, dtype in plan.natives.items():
            tensor = graph.tensors[name]
            self.tensors[name] = replace(tensor, dtype=dtype, quantization=parameters[Member(name, dtype)])
        self.made: dict[tuple[object, ...], str] = {}

    def convert(self, node: Node) -> None:
        """Append a node with its inputs in the form it needs."""
        dtype = self.plan.types.get(node.outputs[0])
        if dtype is None:
            inputs = tuple(self._float_input(name) for name in node.inputs)
        else:
            edges = ((Edge(node.outputs[0], i), name) for i, name in enumerate(node.inputs))
            inputs = tuple(
                None if name is None else self._integer_input(edge, name, dtype, spec_of(node.op).role(edge.input))
                for edge, name in edges
            )
            node = replace(node, intermediates=self._intermediates(node))
        self.nodes.append(replace(node, inputs=inputs))

    def finish(self) -> Graph:
        """The graph made so far."""
        return with_nodes(replace(self.graph, tensors=self.tensors), self.nodes)

    def _intermediates(self, node: Node) -> tuple[str, ...]:
        """What the node's row has a file say of the values inside it."""
        output, names = self.tensors[node.outputs[0]], []
        for i, rule in enumerate(spec_of(node.op).intermediates):
            dtype, parameters = output.dtype, output.quantization
            if rule.dtype is not None:
                dtype, parameters = rule.dtype, Quantization(np.array(rule.scale), np.array(0))
            names.append(fresh_name(self.tensors, f"{output.name}/inside_{i}"))
            self.tensors[names[-1]] = Tensor(names[-1], (0,), dtype, None, parameters, node.layer)
        return tuple(names)

    def _integer_input(self, edge: Edge, name: str, dtype: DType, role: Role) -> str:
        if edge in self.weight_rules:
            return self._weight(self.weight_rules[edge])
        if edge in self.bias_rules:
            return self._bias(self.bias_rules[edge])
        member = Member(self.requantized.get(edge, name), dtype)
        if member not in self.parameters:
            return name
        target = self.parameters[member]
        if self.graph.tensors[name].is_constant:
            return self._constant(name, quantize(self.graph.tensors[name].values, target, dtype), target, dtype)
        native, cut = self.plan.natives.get(name), saturating_parameters(role, target, dtype)
        if cut is not None:
            return self._conversion("QUANTIZE", name, "saturated", cut, dtype)
        if native is dtype and member.tensor == name:
            return name
        return self._conversion("QUANTIZE", name, "quantized" if native is None else "requantized", target, dtype)

    def _float_input(self, name: str | None) -> str | None:
        if name is None or name not in self.plan.natives:
            return name
        return self._conversion("DEQUANTIZE", name, "float", None, DType.FLOAT32)

    def _conversion(self, op: str, name: str, suffix: str, target: Quantization | None, dtype: DType) -> str:
        """The tensor `name` through QUANTIZE or DEQUANTIZE, made once for each target."""
        key = (op, name, target, dtype)
        if key not in self.made:
            source = self.graph.tensors[name]
            converted = Tensor(
                fresh_name(self.tensors, f"{name}/{suffix}"), source.shape, dtype, None, target, source.layer
            )
            self.tensors[converted.name] = converted
            self.nodes.append(Node(op, (name,), (converted.name,), NoOptions(), source.layer))
            self.made[key] = converted.name
        return self.made[key]

    def _weight(self, rule: WeightRule) -> str:
        values, parameters = quantize_weight(
            self.graph.tensors[rule.tensor].values, self.limits[rule.tensor], rule.dtype, rule.granularity
        )
        return self._constant(rule.tensor, values, parameters, rule.dtype)

    def _bias(self, rule: BiasRule) -> str:
        weight = self.tensors[self._weight(self.weight_rules[Edge(rule.node, rule.weight)])].parameters
        data = self.parameters[Member(rule.data, self.plan.types[rule.node])]
        values, parameters = quantize_bias(self.graph.tensors[rule.tensor].values, data, weight, rule.dtype)
        return self._constant(rule.tensor, values, parameters, rule.dtype)

    def _constant(self, name: str, values: np.ndarray, parameters: Quantization, dtype: DType) -> str:
        """An integer form of constant `name`; the first keeps its name."""
        key = (name, dtype, parameters)
        if key not in self.made:
            source = self.graph.tensors[name]
            taken = name in self.float_constants or self.tensors[name] is not source
            made = fresh_name(self.tensors, name) if taken else name
            self.tensors[made] = Tensor(made, source.shape, dtype, values, parameters, source.layer)
            self.made[key] = made
        return self.made[key]


def _weight_limits(
    graph: Graph, plan: Plan, parameters: Mapping[Member, Quantization], learned: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Magnitude each weight's largest integer stands for, raised where a bias would overflow."""
    limits: dict[str, np.ndarray] = {}
    rules = {Edge(rule.node, rule.input): rule for rule in plan.weights}
    for rule in plan.weights:
        largest = largest_magnitude(graph.tensors[rule.tensor].values, rule.granularity)
        limits[rule.tensor] = learned.get(rule.tensor, largest)
    for bias in plan.biases:
        values, rule = graph.tensors[bias.tensor].values, rules[Edge(bias.node, bias.weight)]
        scale = float(parameters[Member(bias.data, plan.types[bias.node])].scale[0])
        limits[rule.tensor] = limit_for_bias(limits[rule.tensor], values, scale, rule.dtype)
    return limits
