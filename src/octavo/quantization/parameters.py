"""Parameters of activations, and limits of weights, that follow from ranges and lie within what kernels hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import consumers
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node, Quantization, Tensor
from octavo.numerics.affine import RANGE_OF_ZEROS, Range, asymmetric, representable, symmetric
from octavo.ops.limits import MARGIN, Scales, rescaled
from octavo.ops.operands import data_inputs
from octavo.ops.roles import Data, Role
from octavo.ops.table import spec_of
from octavo.plan.types import Edge, Group, Member, Plan, WeightRule
from octavo.quantization.weights import largest_magnitude, limit_for_bias, limit_for_sums

# A narrower range is as good as zero everywhere; products of its scale with others would leave float32.
SMALLEST_WIDTH = 1e-20
# Passes over the graph until scales stand; what grows in a circle with itself is told by `octavo.ops.obstacles`.
LARGEST_PASSES = 8
# The sign that each operand of a sum has in it.
SIGNS = {"ADD": (1, 1), "SUB": (1, -1)}
# How many times as wide as needed the range of an addend must be to be cut: it has lost four bits then.
WASTEFUL = 16


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is decided of a graph before anything is rounded.

    Attributes:
        activations: Parameters of every member of every group.
        limits: Magnitude that each weight's largest integer stands for, by weight tensor.
    """

    activations: Mapping[Member, Quantization]
    limits: Mapping[str, np.ndarray]


def settle_parameters(
    graph: Graph, plan: Plan, ranges: Mapping[str, Range], learned: Mapping[str, np.ndarray] | None = None
) -> Parameters:
    """The fixed parameters of groups, or those of the union of the observed ranges, widened to what kernels hold.

    What the kernel of an operator needs follows from the scales of its inputs, so operators are visited in order, and
    again while one of them widened a range.

    Args:
        graph: The float graph the plan was made of.
        plan: Of a scheme with integer activations.
        ranges: Real (low, high) of every tensor in `plan.observed` that is not a constant.
        learned: Weight magnitudes that map to the largest integer, by weight tensor, where they are learned and not
            the largest magnitude found.
    """
    settling = _Settling(graph, plan, ranges, learned or {})
    for _ in range(LARGEST_PASSES):
        if not any([settling.visit(node) for node in graph.nodes if node.outputs[0] in plan.types]):
            break
    return Parameters(settling.activations, settling.limits)


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


class _Settling:
    """Parameters in the making."""

    def __init__(
        self, graph: Graph, plan: Plan, ranges: Mapping[str, Range], learned: Mapping[str, np.ndarray]
    ) -> None:
        self.graph, self.plan = graph, plan
        self.weights = {Edge(rule.node, rule.input): rule for rule in plan.weights}
        self.biases = {Edge(rule.node, rule.weight): rule for rule in plan.biases}
        self.requantized, self.readers = dict(plan.requantized), consumers(graph)
        self.groups = {Member(name, group.dtype): group for group in plan.groups for name in group.tensors}
        self.ranges = {group: _range(graph, plan, group, ranges) for group in plan.groups if group.fixed is None}
        self.activations: dict[Member, Quantization] = {}
        for group in plan.groups:
            self._choose(group, group.smallest_scale)
        self.limits: dict[str, np.ndarray] = {}
        for rule in plan.weights:
            largest = largest_magnitude(graph.tensors[rule.tensor].values, rule.granularity)
            self.limits[rule.tensor] = learned.get(rule.tensor, largest)

    def visit(self, node: Node) -> bool:
        """Widen what the kernel of a node, and conversions of its inputs, need wider; whether anything was."""
        dtype = self.plan.types[node.outputs[0]]
        widened = [self._widen(target, rescaled(None, Inputs([source]))) for source, target in self._converted(node)]
        widened += (self._raise_limits(node, dtype), self._cut_addends(node, dtype))
        spec = spec_of(node.op)
        if spec.output_scales is not None:
            operands = Inputs(
                None if name is None else self._operand(node, i, name) for i, name in enumerate(node.inputs)
            )
            widened.append(self._widen(Member(node.outputs[0], dtype), spec.output_scales(node.options, operands)))
        return any(widened)

    def _cut_addends(self, node: Node, dtype: DType) -> bool:
        """Cut the ranges of what a sum alone reads where it saturates whatever is added; whether that changed any.

        A mask of -1e9 would have steps so large that kernels shift its sums out of their registers, and lose the other
        operand in them. Of activations only what wastes steps is cut, so that training sees the ranges it has learned.
        """
        signs = SIGNS.get(node.op)
        members = [self._member(node, i, str(name), dtype) for i, name in enumerate(node.inputs)] if signs else []
        output, changed = Member(node.outputs[0], dtype), False
        for i, member in enumerate(members):
            beside = members[1 - i]
            if signs is None or member is None or beside is None or not self._is_read_alone(member, node):
                continue
            group, sums = self.groups[member], self._reach(output)
            if group is self.groups[beside]:
                continue
            others = sorted(signs[1 - i] * end for end in self._reach(beside))
            needed = sorted(signs[i] * end for end in (sums[0] - others[1], sums[1] - others[0]))
            known = self.ranges[group]
            cut = max(known[0], needed[0]), min(known[1], needed[1])
            constant = self.graph.tensors[member.tensor].is_constant
            if cut[0] <= cut[1] and cut != known and (constant or known[1] - known[0] > WASTEFUL * (cut[1] - cut[0])):
                self.ranges[group] = cut
                self._choose(group, group.smallest_scale)
                changed = True
        return changed

    def _reach(self, member: Member) -> Range:
        return representable(self.activations[member], member.dtype)

    def _is_read_alone(self, member: Member, node: Node) -> bool:
        """Whether a node is all that reads a group, but for what makes others of the group, and no user sees it."""
        group = self.groups[member]
        tensors = [self.graph.tensors[name] for name in group.tensors]
        if group.fixed is not None or any(
            not (each.is_constant or self._is_hidden(each.name, group)) for each in tensors
        ):
            return False
        readers = [reader for each in tensors for reader in self.readers[each.name] if reader is not node]
        return all(set(group.tensors).issuperset(reader.outputs) for reader in readers)

    def _is_hidden(self, name: str, group: Group) -> bool:
        """Whether a tensor is made in a group's type, inside the graph."""
        shown = name in self.graph.inputs or name in self.graph.outputs
        return not shown and self.plan.natives.get(name) is group.dtype

    def _widen(self, member: Member, scales: Scales) -> bool:
        """Choose a group's parameters anew if its scale is not among these; whether that changed it."""
        group, known = self.groups[member], self.activations[member]
        scale = float(known.scale[0])
        if group.fixed is not None:
            return False
        if scale < scales.smallest:
            self._choose(group, scales.smallest * MARGIN)
        elif scales.is_on_tie(scale):
            low, high = self.ranges[group]
            self.ranges[group] = low * MARGIN, high * MARGIN
            self._choose(group, max(group.smallest_scale, scales.smallest * MARGIN) * MARGIN)
        elif scale > scales.largest and group.observed == (member.tensor,):
            smallest, largest = group.dtype.integer_range
            most = max(scales.largest, scales.smallest * MARGIN) * (largest - smallest)
            low, high = self.ranges[group]
            self.ranges[group] = max(low, -most), min(high, most)
            self._choose(group, max(group.smallest_scale, scales.smallest * MARGIN))
        return self.activations[member] != known

    def _choose(self, group: Group, smallest_scale: float) -> None:
        chosen = group.fixed
        if chosen is None:
            chosen = activation_parameters(*self.ranges[group], group.dtype, smallest_scale)
        if group.powers_of_two is not None:
            chosen = power_of_two_parameters(chosen, *group.powers_of_two)
        self.activations.update((Member(name, group.dtype), chosen) for name in group.tensors)

    def _converted(self, node: Node) -> Iterator[tuple[Tensor, Member]]:
        """What enters a node through a conversion between integers, and the form in which it does."""
        dtype = self.plan.types[node.outputs[0]]
        for i, name in data_inputs(self.graph, node):
            native = self.plan.natives.get(name)
            target = Member(self.requantized.get(Edge(node.outputs[0], i), name), dtype)
            if native is not None and target in self.groups and target != Member(name, native):
                yield self._quantized(name, Member(name, native)), target

    def _raise_limits(self, node: Node, dtype: DType) -> bool:
        """Make the steps of a node's weights as coarse as its sums and biases need them; whether that changed any."""
        changed = False
        for rule, scale in self._weighed(node, dtype):
            known, values = self.limits[rule.tensor], self.graph.tensors[rule.tensor].values
            bias = self.biases.get(Edge(rule.node, rule.input))
            offsets = np.zeros(1, np.float32) if bias is None else self.graph.tensors[bias.tensor].values
            raised = limit_for_bias(known, offsets, scale, rule.dtype)
            raised = limit_for_sums(raised, values, offsets, scale, dtype, rule)
            self.limits[rule.tensor] = raised
            changed |= not np.array_equal(raised, known)
        return changed

    def _weighed(self, node: Node, dtype: DType) -> Iterator[tuple[WeightRule, float]]:
        """The weights of a node, each with the scale of what it is multiplied by."""
        data = {bias.weight: bias.data for _, bias in spec_of(node.op).biases}
        for i, _ in spec_of(node.op).weights:
            rule, name = self.weights.get(Edge(node.outputs[0], i)), node.inputs[data.get(i, 0)]
            if rule is not None and name is not None and (member := self._member(node, data.get(i, 0), name, dtype)):
                yield rule, float(self.activations[member].scale[0])

    def _member(self, node: Node, index: int, name: str, dtype: DType) -> Member | None:
        member = Member(self.requantized.get(Edge(node.outputs[0], index), name), dtype)
        return member if member in self.activations else None

    def _operand(self, node: Node, index: int, name: str) -> Tensor:
        """An input with the parameters it will have; weights and biases keep their real values."""
        tensor, rule = self.graph.tensors[name], self.weights.get(Edge(node.outputs[0], index))
        if rule is not None:
            parameters = symmetric(self.limits[rule.tensor], rule.dtype, rule.granularity)
            return replace(tensor, quantization=parameters)
        member = self._member(node, index, name, self.plan.types[node.outputs[0]])
        return tensor if member is None else self._quantized(name, member)

    def _quantized(self, name: str, member: Member) -> Tensor:
        return replace(self.graph.tensors[name], dtype=member.dtype, data=None, quantization=self.activations[member])


def _range(graph: Graph, plan: Plan, group: Group, ranges: Mapping[str, Range]) -> Range:
    """The union of a group's observed ranges, cut where no reader tells values apart."""
    seen = [_range_of(graph.tensors[name], plan.range_name(name, group), ranges) for name in group.observed]
    low, high = min(low for low, _ in seen), max(high for _, high in seen)
    return (low, high) if group.widest is None else (max(low, -group.widest), min(high, group.widest))


def _range_of(tensor: Tensor, name: str, ranges: Mapping[str, Range]) -> Range:
    if tensor.data is not None:
        return float(tensor.data.min()), float(tensor.data.max())
    return ranges[name] if name in ranges else ranges[tensor.name]


def saturating_parameters(role: Role, parameters: Quantization, dtype: DType) -> Quantization | None:
    """Parameters for an input whose kernel is wrong at the scale that its data has; None where it is right."""
    if not isinstance(role, Data) or role.flat_beyond is None or dtype not in role.largest_scale:
        return None
    if parameters.scale[0] < role.largest_scale[dtype]:
        return None
    return activation_parameters(-role.flat_beyond, role.flat_beyond, dtype, role.smallest_scale)
