"""Execute a plan: float graph and ranges in, integer graph out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, with_nodes
from octavo.ir.types import Graph, Node, NoOptions, Quantization, Tensor
from octavo.numerics.affine import Range, quantize, representable
from octavo.ops.roles import Role
from octavo.ops.table import spec_of
from octavo.plan.types import BiasRule, Edge, Member, Plan, WeightRule
from octavo.quantization.bias import quantize_bias
from octavo.quantization.parameters import Parameters, saturating_parameters, settle_parameters
from octavo.quantization.weights import quantize_weight


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
    assignment = _Assignment(graph, plan, settle_parameters(graph, plan, ranges, limits))
    for node in graph.nodes:
        assignment.convert(node)
    return assignment.finish()


class _Assignment:
    """The integer graph in the making."""

    def __init__(self, graph: Graph, plan: Plan, settled: Parameters) -> None:
        self.graph, self.plan = graph, plan
        self.parameters, self.limits = settled.activations, settled.limits
        self.weight_rules = {Edge(rule.node, rule.input): rule for rule in plan.weights}
        self.bias_rules = {Edge(rule.node, rule.input): rule for rule in plan.biases}
        self.requantized = dict(plan.requantized)
        self.float_constants = {
            name for node in graph.nodes if node.outputs[0] not in plan.types for name in node.inputs
        }
        poles = (node for node in graph.nodes if spec_of(node.op).pole and node.outputs[0] not in plan.types)
        self.unbounded = {name for node in poles for name in node.outputs}
        self.nodes: list[Node] = []
        self.tensors = dict(graph.tensors)
        for name, dtype in plan.natives.items():
            tensor = graph.tensors[name]
            self.tensors[name] = replace(tensor, dtype=dtype, quantization=self.parameters[Member(name, dtype)])
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
            entering = name
            if target is not None and name in self.unbounded:
                entering = self._bounded(name, representable(target, dtype)[1])
            converted = Tensor(
                fresh_name(self.tensors, f"{name}/{suffix}"), source.shape, dtype, None, target, source.layer
            )
            self.tensors[converted.name] = converted
            self.nodes.append(Node(op, (entering,), (converted.name,), NoOptions(), source.layer))
            self.made[key] = converted.name
        return self.made[key]

    def _bounded(self, name: str, largest: float) -> str:
        """The float tensor `name`, at most as large: kernels cast what they quantize to int32, and infinity too."""
        source = self.graph.tensors[name]
        limit, result = (fresh_name(self.tensors, f"{name}/{suffix}") for suffix in ("largest", "bounded"))
        self.tensors[limit] = Tensor(limit, (), data=np.array(largest, np.float32), layer=source.layer)
        self.tensors[result] = Tensor(result, source.shape, layer=source.layer)
        self.nodes.append(Node("MINIMUM", (name, limit), (result,), NoOptions(), source.layer))
        return result

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
