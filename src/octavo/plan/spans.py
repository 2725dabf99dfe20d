"""Functions with a pole whose operand spans more than int8 tells apart, and what must be int16 around them.

An integer type has the same step for all values of a tensor, and so none left for those that are a hundred times
smaller than the largest. Where a reciprocal root or a logarithm is taken of them, all digits of the result are lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from octavo.dtypes import DType
from octavo.ir.graph import consumers
from octavo.ir.types import Graph, Node
from octavo.numerics.affine import Range
from octavo.ops.operands import data_inputs
from octavo.ops.positive import operand_names, positive_tensors
from octavo.ops.roles import SameAsInput
from octavo.ops.table import spec_of
from octavo.plan.types import Plan

# Largest over smallest value that int8 serves: there are 16 steps for the smallest then.
SERVED = 16.0
# Likewise of each part, where a function is computed part by part: what is around it is int16 then.
SERVED_BY_A_PART = 32.0
# What int16 tells apart.
RESOLVED = float(DType.INT16.integer_range[1])


@dataclass(frozen=True, slots=True)
class Span:
    """A function with a pole, and what of its domain calibration found.

    Attributes:
        node: Its result.
        lowest, high: The smallest value of its operand, or what int16 still tells from 0, and the largest.
        bounds: Values in between, ascending, where its domain is parted: int8 serves each part.
        inside: Results of the operators that run on int16 for it; itself among them, where it has such a kernel.
    """

    node: str
    lowest: float
    high: float
    bounds: tuple[float, ...]
    inside: frozenset[str]


def wide_spans(graph: Graph, plan: Plan, extremes: Mapping[str, Range]) -> tuple[Span, ...]:
    """The functions with a pole that int8 does not serve.

    Args:
        graph: The float graph the plan was made of.
        plan: Of a scheme with integer activations.
        extremes: Real (low, high) of each observed tensor.
    """
    with_pole = [
        node for node in graph.nodes if spec_of(node.op).pole and plan.types.get(node.outputs[0]) is DType.INT8
    ]
    if not with_pole:
        return ()
    positive = positive_tensors(graph)
    return tuple(span for node in with_pole for span in _span(graph, plan, node, positive, extremes))


def _span(
    graph: Graph, plan: Plan, node: Node, positive: frozenset[str], extremes: Mapping[str, Range]
) -> Iterator[Span]:
    (_, operand), *_ = data_inputs(graph, node)
    low, high = extremes.get(operand, (0.0, 0.0))
    if operand not in positive or low < 0 or high <= 0 or high <= SERVED * low:
        return
    lowest = low if low > 0 else high / RESOLVED
    name, inside = node.outputs[0], _inside(graph, plan, node, positive)
    if operand not in inside:
        return
    if spec_of(node.op).widens:
        yield Span(name, lowest, high, (), inside | {name})
    elif spec_of(node.op).of_product is not None:
        ratio = min(RESOLVED, high / lowest)
        parts = max(1, math.ceil(math.log(ratio) / math.log(SERVED_BY_A_PART)))
        bounds = tuple(high * ratio ** (i / parts - 1) for i in range(1, parts))
        yield Span(name, lowest, high, bounds, inside)


def _inside(graph: Graph, plan: Plan, node: Node, positive: frozenset[str]) -> frozenset[str]:
    """Results of the operators that keep apart the small values of a function's operand, or use those of its result.

    Where nothing cancels, a sum or product has the digits its operands have, so the way back leads on through them. It
    ends where numbers of both signs meet, or in vain at an operator that has no int16 kernel. What makes an operand for
    these and nothing else comes along; a layer with weights only if that is for a product of its result with itself.
    """
    readers = consumers(graph)

    def may_widen(other: Node) -> bool:
        return plan.types.get(other.outputs[0]) is DType.INT8 and spec_of(other.op).widens

    (_, operand), *_ = data_inputs(graph, node)
    scaled = spec_of(node.op).of_product == "MUL"
    chosen = {
        reader.outputs[0]
        for reader in readers[node.outputs[0]]
        if scaled and may_widen(reader) and not spec_of(reader.op).weights
    }
    kept, squared = {operand}, set[str]()
    place = next(i for i, other in enumerate(graph.nodes) if other is node)
    for maker in reversed(graph.nodes[:place]):
        name = maker.outputs[0]
        keeps = name in kept and name in positive
        serves = name not in graph.outputs and all(reader.outputs[0] in chosen for reader in readers[name])
        if spec_of(maker.op).weights:
            keeps, serves = keeps and positive.issuperset(operand_names(maker)), serves and name in squared
        if keeps and not may_widen(maker):
            return frozenset()
        if not (keeps or serves) or not may_widen(maker):
            continue
        chosen.add(name)
        entering = {entry for _, entry in data_inputs(graph, maker)}
        kept |= entering & positive if keeps else set()
        squared |= entering if len(entering) == 1 and (keeps or (name in squared and _moves(maker))) else set()
    return frozenset(chosen)


def _moves(node: Node) -> bool:
    """Whether every value of the result is one of the operand's."""
    rule = spec_of(node.op).rule()
    return isinstance(rule, SameAsInput) and rule.moves
