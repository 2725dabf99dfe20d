"""Operands that meet others of far larger values under one scale, and are left with few of its steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import consumers, producers
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node, Quantization
from octavo.numerics.affine import Range, representable
from octavo.ops.operands import data_inputs
from octavo.ops.roles import Fixed, SameAsInput
from octavo.ops.spec import OpSpec
from octavo.ops.table import spec_of
from octavo.plan.types import Group, Member, Plan

# As many as int4 has: what is left with fewer is stored worse than by the narrowest integers there are.
FEW_STEPS = 16
# What is chosen place by place may be small on purpose, as a leaky ReLU is below zero: a hundredth has 2.5 steps.
FEW_OF_CHOSEN = 2
# Of what is added to something larger, so few say little more than its sign.
FEW_OF_SUM = 4


@dataclass(frozen=True, slots=True)
class CoarseOperand:
    """An input of an operator that lays its inputs side by side, chooses of them or adds them up; and what is left.

    Attributes:
        node, input: The place, as an `octavo.plan.types.Edge` names it.
        tensor: What enters.
        operand: Its layer.
        op, layer: The operator and its layer.
        low, high: Real extremes of the operand, 0 included.
        steps: Width of these in steps of the scale of the result; fewer than it needs.
        dtype: The type whose integers they are.
        layers: Layers that share the scale from the operator on, and those that read it: of another type, they leave
            the operand a scale of its own.
        is_output: Whether the scale is that of an output of the model.
        beside: Layer of the activation it is added to, whose own rounding is as coarse as that of the sum, so that
            another type for the sum alone brings nothing back; "" where there is none.
    """

    node: str
    input: int
    tensor: str
    operand: str
    op: str
    layer: str
    low: float
    high: float
    steps: float
    dtype: DType
    layers: tuple[str, ...]
    is_output: bool
    beside: str = ""

    @property
    def note(self) -> Note:
        """What is lost, and what helps."""
        mends = [f"give '{self.operand}' out as an output of its own"] if self.is_output else []
        if self.beside:
            return Note("quantize", self.layer, f"{self._lost}: {' or '.join([*mends, self._finer])}")
        mends.append(f"keep what shares the scale in float, skip={list(self.layers)!r}")
        if self.dtype is DType.INT8:
            configs = ", ".join(f"LayerConfig({layer!r}, activations='int16')" for layer in self.layers)
            mends.append(f"or in int16, layers=[{configs}]")
        text = f"{self._lost}: {', '.join(mends)}; mend=True tries these and takes the best"
        return Note("quantize", self.layer, text)

    @property
    def _lost(self) -> str:
        has = "adds its operands up in" if _adds_up(spec_of(self.op)) else "gives its operands"
        return (
            f"{self.op} {has} one scale, and '{self.operand}', {self.low:.3g} to {self.high:.3g}, is left "
            f"with {self.steps:.1f} steps of it where a scale of its own has {_steps(self.dtype)}"
        )

    @property
    def _finer(self) -> str:
        """What helps beside an activation that is as coarse."""
        finer = f"'{self.beside}', the larger one, is rounded as coarsely, so say"
        if self.dtype is not DType.INT8:
            return f"{finer} scheme='float16'"
        return f"{finer} scheme='int16x8', which leaves it {self.steps * _steps(DType.INT16) / _steps(DType.INT8):.0f}"


def coarse_operands(
    graph: Graph, plan: Plan, parameters: Mapping[Member, Quantization], ranges: Mapping[str, Range]
) -> tuple[CoarseOperand, ...]:
    """The operands that are left with few steps.

    An operand of nothing but zeros loses nothing. Of what is chosen place by place, as by SELECT_V2, or added up, an
    operand may be small on purpose beside the others: it is told where hardly a step is left of it, and constants, such
    as what keeps a divisor from 0, are not. Operators such as MAXIMUM, whose results are bounded by both operands, are
    not looked at: what is less than a step there is less than a step of the result.

    Args:
        graph: The float graph.
        plan: Of it.
        parameters: Of every member of every group.
        ranges: Real (low, high) of each observed tensor by itself, by the names of `Plan.range_name`.
    """
    search = _Search(
        graph,
        plan,
        parameters,
        ranges,
        {Member(name, group.dtype): group for group in plan.groups for name in group.tensors},
        producers(graph),
    )
    return tuple(found for node in graph.nodes if node.outputs[0] in plan.types for found in search.of_node(node))


def _steps_needed(graph: Graph, node: Node) -> int:
    """How many steps each operand of an operator needs; 0 where they do not meet under one scale."""
    spec = spec_of(node.op)
    if len(data_inputs(graph, node)) < 2:
        return 0
    if isinstance(spec.rule(), SameAsInput):
        return FEW_OF_CHOSEN if spec.pointwise else FEW_STEPS
    return FEW_OF_SUM if _adds_up(spec) else 0


def _adds_up(spec: OpSpec) -> bool:
    """Whether an operator adds or subtracts: beside a constant it moves the other operand by it, and no more."""
    moved = None if spec.affine is None else spec.affine(np.full((), 2.0), False)
    return moved is not None and abs(float(moved[0])) == 1


def _steps(dtype: DType) -> int:
    smallest, largest = dtype.integer_range
    return largest - smallest


@dataclass(frozen=True, slots=True)
class _Search:
    """What `coarse_operands` was given, the group of each member, and the maker of each tensor."""

    graph: Graph
    plan: Plan
    parameters: Mapping[Member, Quantization]
    ranges: Mapping[str, Range]
    groups: Mapping[Member, Group]
    made_by: Mapping[str, Node]

    def of_node(self, node: Node) -> Iterator[CoarseOperand]:
        """The operands of one operator that are left with few steps."""
        dtype, needed = self.plan.types[node.outputs[0]], _steps_needed(self.graph, node)
        if not needed:
            return
        output, adds = Member(node.outputs[0], dtype), _adds_up(spec_of(node.op))
        scale = self.parameters[output].scale[0]
        smallest, largest = (-np.inf, np.inf) if adds else representable(self.parameters[output], dtype)
        for i, name in data_inputs(self.graph, node):
            found = self._range(name, self.groups[output])
            if found is None or (needed < FEW_STEPS and self.graph.tensors[name].is_constant):
                continue
            low, high = max(min(found[0], 0.0), smallest), min(max(found[1], 0.0), largest)
            steps = (high - low) / float(scale)
            if low < high and steps < needed:
                operand = self.graph.tensors[name].layer or name
                place = (node.outputs[0], i, name, operand, node.op, node.layer)
                beside = self._beside(node, i) if adds else ""
                yield CoarseOperand(*place, low, high, steps, dtype, *self._behind(node, output), beside)

    def _beside(self, node: Node, index: int) -> str:
        """Layer of the activation that an operand is added to; "" for a constant."""
        others = (self.graph.tensors[name] for i, name in data_inputs(self.graph, node) if i != index)
        return next((each.layer or each.name for each in others if not each.is_constant), "")

    def _range(self, name: str, group: Group) -> Range | None:
        """What is known of a tensor by itself; of what was only moved, that of before; None for what was joined."""
        tensor, node = self.graph.tensors[name], self.made_by.get(name)
        if tensor.data is not None:
            return (float(tensor.data.min()), float(tensor.data.max())) if tensor.size else None
        rule = None if node is None else spec_of(node.op).rule()
        if isinstance(rule, Fixed) and name in self.plan.natives:
            dtype = self.plan.natives[name]
            return representable(self.parameters[Member(name, dtype)], dtype)
        found = self.ranges.get(self.plan.range_name(name, group), self.ranges.get(name))
        if found is not None or node is None or not isinstance(rule, SameAsInput):
            return found
        entering = data_inputs(self.graph, node)
        return self._range(entering[0][1], group) if len(entering) == 1 else None

    def _behind(self, node: Node, output: Member) -> tuple[tuple[str, ...], bool]:
        """Layers that share a scale from a node on, and that read what has it; and whether an output has it."""
        readers, group, waiting = consumers(self.graph), self.groups[output], [node]
        layers: dict[str, None] = {}
        is_output = False
        while waiting:
            each = waiting.pop()
            layers[each.layer or each.outputs[0]] = None
            is_output |= any(name in self.graph.outputs for name in each.outputs)
            for reader in (reader for name in each.outputs for reader in readers[name]):
                if self.groups.get(Member(reader.outputs[0], output.dtype)) is group:
                    waiting.append(reader)
                else:
                    layers[reader.layer or reader.outputs[0]] = None
        return tuple(layers), is_output
