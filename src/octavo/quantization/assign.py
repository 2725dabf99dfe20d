"""Execute a plan: float graph and ranges in, integer graph out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, with_nodes
from octavo.ir.types import Graph, Node, NoOptions, Options, Quantization, Tensor
from octavo.numerics.affine import Range, quantize, representable
from octavo.ops.cast import CastOptions, ElementType
from octavo.ops.elementwise_kernels import AddOptions
from octavo.ops.indices import GatherOptions
from octavo.ops.spec import OpSpec
from octavo.ops.table import spec_of
from octavo.plan.types import BiasRule, Edge, Member, Plan, Table, WeightRule
from octavo.quantization.bias import quantize_bias
from octavo.quantization.io_types import handed_over
from octavo.quantization.parameters import Parameters, saturating_parameters, settle_parameters
from octavo.quantization.tables import HIGHEST, LOWEST, entries, real_values, whole_steps
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
        floats = [node for node in graph.nodes if node.outputs[0] not in plan.types]
        self.unbounded = {name for node in floats if _grows(node) for name in node.outputs}
        self.nodes: list[Node] = []
        self.tensors = dict(graph.tensors)
        for name, dtype in plan.natives.items():
            tensor = graph.tensors[name]
            self.tensors[name] = replace(tensor, dtype=dtype, quantization=self.parameters[Member(name, dtype)])
        self.made: dict[tuple[object, ...], str] = {}
        self.tables = {table.result: table for table in plan.tables}
        self.looked_up = {node.outputs[0] for table in plan.tables for node in table.nodes}

    def convert(self, node: Node) -> None:
        """Append a node with its inputs in the form it needs."""
        if node.outputs[0] in self.looked_up:
            if node.outputs[0] in self.tables:
                self._look_up(self.tables[node.outputs[0]])
            return
        dtype = self.plan.types.get(node.outputs[0])
        if dtype is None:
            inputs = tuple(self._float_input(name) for name in node.inputs)
        else:
            edges = ((Edge(node.outputs[0], i), name) for i, name in enumerate(node.inputs))
            spec = spec_of(node.op)
            options = spec.on_integers(node.options, dtype)
            form = self._integer_input if options is None else self._counted_input
            inputs = tuple(None if name is None else form(edge, name, dtype, spec) for edge, name in edges)
            node = replace(node, options=options or node.options, intermediates=self._intermediates(node))
        self.nodes.append(replace(node, inputs=inputs))

    def finish(self) -> Graph:
        """The graph made so far, its outputs in the types that the plan hands them over in."""
        graph = with_nodes(replace(self.graph, tensors=self.tensors), self.nodes)
        for name, dtype in self.plan.handed.items():
            parameters = self.parameters[Member(name, dtype)]
            graph = handed_over(graph, name, replace(graph.tensors[name], dtype=dtype, quantization=parameters))
        return graph

    def _look_up(self, table: Table) -> None:
        """Append what finds each value of a table's source in the table: its integers, counted from 0, are places.

        Whole numbers and truth values are found as int8, too, of which TensorFlow Lite Micro finds values.
        """
        source, result = Member(table.source, DType.INT8), self.graph.tensors[table.result]
        native = self.plan.natives.get(table.source) is DType.INT8
        name = (
            table.source
            if native
            else self._conversion("QUANTIZE", table.source, "quantized", self.parameters[source], DType.INT8)
        )
        values = real_values(self.graph, table, self.parameters[source])
        places = self._places(name)
        if result.dtype.is_float:
            parameters = self.parameters[Member(table.result, DType.INT8)]
            self._gather(entries(values, parameters), parameters, places, result.name, result)
            return
        numbers, target = values.astype(np.int64), f"{result.name}/number"
        if numbers.min() >= LOWEST and numbers.max() <= HIGHEST:
            self._gather(numbers.astype(np.int8), Quantization(np.array(1.0), np.array(0)), places, target, result)
        else:
            self._gather(numbers.astype(np.int32), None, places, target, result)
        if result.dtype is DType.INT32:
            self._append("CAST", (target,), _cast(self.tensors[target].dtype, DType.INT32), result.name, result)
            return
        zero = self._plain(f"{result.name}/zero", np.zeros((1,) * len(result.shape), np.int32), result)
        truth = (self._as_int32(target), zero)
        self.nodes.append(Node("NOT_EQUAL", truth, (result.name,), NoOptions(), result.layer))

    def _places(self, name: str) -> str:
        """The int8 values of a tensor counted from 0, made once."""
        tensor, key = self.tensors[name], ("ADD", name)
        if key not in self.made:
            offset = self._plain(f"{name}/offset", np.full((1,) * len(tensor.shape), -LOWEST, np.int32), tensor)
            places = self._append("ADD", (self._as_int32(name), offset), AddOptions(), f"{name}/place", tensor)
            self.made[key] = places
        return self.made[key]

    def _gather(
        self, values: np.ndarray, parameters: Quantization | None, places: str, name: str, like: Tensor
    ) -> None:
        """Append what takes values of a table, to the tensor `name`."""
        constant = fresh_name(self.tensors, f"{name}/table")
        dtype = DType.of(values)
        self.tensors[constant] = Tensor(constant, values.shape, dtype, values, parameters, like.layer)
        self.tensors[name] = replace(like, name=name, dtype=dtype, quantization=parameters)
        self.nodes.append(Node("GATHER", (constant, places), (name,), GatherOptions(), like.layer))

    def _plain(self, name: str, values: np.ndarray, like: Tensor) -> str:
        """A constant that stands for no reals."""
        name = fresh_name(self.tensors, name)
        self.tensors[name] = Tensor(name, values.shape, DType.of(values), values, None, like.layer)
        return name

    def _append(self, op: str, inputs: tuple[str, ...], options: Options, name: str, like: Tensor) -> str:
        """Append an operator whose result are whole numbers; the result's name."""
        name = name if name in self.graph.tensors else fresh_name(self.tensors, name)
        self.tensors[name] = Tensor(name, like.shape, DType.INT32, layer=like.layer)
        self.nodes.append(Node(op, inputs, (name,), options, like.layer))
        return name

    def _as_int32(self, name: str) -> str:
        """The integers of a quantized tensor, cast once; any other tensor as it is."""
        tensor, key = self.tensors[name], ("CAST", name)
        if tensor.quantization is None:
            return name
        if key not in self.made:
            options = _cast(tensor.dtype, DType.INT32)
            self.made[key] = self._append("CAST", (name,), options, f"{name}/int32", tensor)
        return self.made[key]

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

    def _counted_input(self, edge: Edge, name: str, dtype: DType, spec: OpSpec) -> str:
        """An input as int32, in steps of what it meets."""
        member = Member(self.requantized.get(edge, name), dtype)
        if self.graph.tensors[name].is_constant and member in self.parameters:
            constant = self.graph.tensors[name]
            values = whole_steps(constant.values, self.parameters[member], lambda x: spec.whole(x, edge.input == 0))
            return self._plain(f"{name}/int32", values, constant)
        return str(self._as_int32(self._integer_input(edge, name, dtype, spec)))

    def _integer_input(self, edge: Edge, name: str, dtype: DType, spec: OpSpec) -> str:
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
        native, cut = self.plan.natives.get(name), saturating_parameters(spec.role(edge.input), target, dtype)
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
                entering = self._bounded(name, target, dtype)
            converted = Tensor(
                fresh_name(self.tensors, f"{name}/{suffix}"), source.shape, dtype, None, target, source.layer
            )
            self.tensors[converted.name] = converted
            self.nodes.append(Node(op, (entering,), (converted.name,), NoOptions(), source.layer))
            self.made[key] = converted.name
        return self.made[key]

    def _bounded(self, name: str, target: Quantization, dtype: DType) -> str:
        """The float tensor `name`, no larger than its integers: kernels cast what they quantize to int32, and infinity.

        What has a pole is never below 0; a quotient may be.
        """
        source = self.graph.tensors[name]
        smallest, largest = representable(target, dtype)
        both = any(spec_of(node.op).unbounded for node in self.graph.nodes if name in node.outputs)
        for op, limit, suffix in (("MINIMUM", largest, "largest"), ("MAXIMUM", smallest, "smallest"))[: 1 + both]:
            limit_name = fresh_name(self.tensors, f"{source.name}/{suffix}")
            self.tensors[limit_name] = Tensor(limit_name, (), data=np.array(limit, np.float32), layer=source.layer)
            result = fresh_name(self.tensors, f"{source.name}/{'bounded' if op == 'MINIMUM' else 'bounded_below'}")
            self.tensors[result] = Tensor(result, source.shape, layer=source.layer)
            self.nodes.append(Node(op, (name, limit_name), (result,), NoOptions(), source.layer))
            name = result
        return name

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


def _grows(node: Node) -> bool:
    """Whether small operands of a node make results of any size."""
    return spec_of(node.op).pole or spec_of(node.op).unbounded


def _cast(source: DType, target: DType) -> CastOptions:
    return CastOptions(ElementType[source.name], ElementType[target.name])
