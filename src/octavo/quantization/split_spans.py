"""Functions whose operands span much, computed part by part."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from octavo.ir.graph import fresh_name, producers, with_nodes
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node, Tensor
from octavo.numerics.affine import Range
from octavo.ops.operands import data_inputs
from octavo.ops.table import spec_of
from octavo.plan.spans import Span

# What takes a constant out of a product again, and out of a sum.
_INVERSES = {"MUL": np.reciprocal, "ADD": np.negative}


@dataclass(frozen=True, slots=True)
class Split:
    """A float graph with parted functions.

    Attributes:
        graph: Computes the same.
        ranges: Real (low, high) of each tensor that is new in it, as follows from that of the function's operand.
        inside: Results of the operators that run on int16.
    """

    graph: Graph
    ranges: Mapping[str, Range] = field(default_factory=dict)
    inside: frozenset[str] = frozenset()


def split_spans(graph: Graph, spans: Sequence[Span]) -> Split:
    """Compute functions part by part: `f(x) => f(min(x, c)) * f(max(x, c)) / f(c)` where f(a b) = f(a) f(b).

    For a logarithm a sum stands for the product. Each part is of a value held between two bounds, so that its range is
    small; all of them but one are constant at any time.

    Args:
        graph: Float.
        spans: Of this graph; those without bounds are left as they are.
    """
    split = Split(graph, {}, frozenset().union(*(span.inside for span in spans)))
    for span in spans:
        if span.bounds:
            split = _split(split, span)
    return split


def _split(before: Split, span: Span) -> Split:
    node = producers(before.graph)[span.node]
    parts = _Parts(before.graph, node)
    parts.emit(span)
    nodes = [new for old in before.graph.nodes for new in (parts.nodes if old is node else [old])]
    graph = with_nodes(before.graph, nodes, (parts.tensors[name] for name in (*parts.ranges, *parts.constants)))
    inside = {name for new in parts.nodes for name in new.outputs if new.op != node.op}
    return Split(graph, {**before.ranges, **parts.ranges}, before.inside | inside)


class _Parts:
    """The operators that take the place of one function.

    Attributes:
        nodes: In execution order.
        tensors: Those of the graph, and new ones.
        ranges: Of the new ones.
        constants: Names of the new constants.
    """

    def __init__(self, graph: Graph, node: Node) -> None:
        self.node, self.join = node, str(spec_of(node.op).of_product)
        ((_, self.operand),) = data_inputs(graph, node)
        self.nodes: list[Node] = []
        self.tensors, self.ranges, self.constants = dict(graph.tensors), dict[str, Range](), list[str]()

    def emit(self, span: Span) -> None:
        """Part by part, each joined with those before it."""
        edges, joined = (span.lowest, *span.bounds, span.high), ""
        for i, (low, high) in enumerate(itertools.pairwise(edges)):
            held = self.operand
            if i > 0:
                held = self._made("MAXIMUM", (held, self._constant(low)), "held", (low, span.high))
            if high < span.high:
                held = self._made("MINIMUM", (held, self._constant(high)), "held", (low, high))
            part = self._made(self.node.op, (held,), "part", _sorted(self._function(low), self._function(high)))
            reached = [
                self._joined([self._function(np.clip(x, *pair)) for pair in itertools.pairwise(edges[: i + 2])])
                for x in (span.lowest, high)
            ]
            joined = self._made(self.join, (joined, part), "parts", _sorted(*reached)) if joined else part
        constant = _INVERSES[self.join](self._joined([self._function(bound) for bound in span.bounds]))
        self._append(self.join, (joined, self._constant(constant)), self.node.outputs[0])

    def _function(self, x: float) -> float:
        (y,) = spec_of(self.node.op).run_float(self.node.options, Inputs([np.array([x], np.float32)]))
        return float(y[0])

    def _joined(self, values: Sequence[float]) -> float:
        options, join = spec_of(self.join).options(), spec_of(self.join).run_float
        return reduce(lambda a, b: float(join(options, Inputs([np.array(a), np.array(b)]))[0]), values)

    def _constant(self, value: float) -> str:
        name = fresh_name(self.tensors, f"{self.node.outputs[0]}/bound")
        self.tensors[name] = Tensor(name, (), data=np.array(value, np.float32), layer=self.node.layer)
        self.constants.append(name)
        return name

    def _made(self, op: str, inputs: tuple[str, ...], suffix: str, reach: Range) -> str:
        name, shape = fresh_name(self.tensors, f"{self.node.outputs[0]}/{suffix}"), self.tensors[self.operand].shape
        self.tensors[name], self.ranges[name] = Tensor(name, shape, layer=self.node.layer), reach
        self._append(op, inputs, name)
        return name

    def _append(self, op: str, inputs: tuple[str, ...], name: str) -> None:
        options = self.node.options if op == self.node.op else spec_of(op).options()
        self.nodes.append(Node(op, inputs, (name,), options, self.node.layer))


def _sorted(a: float, b: float) -> Range:
    return (a, b) if a < b else (b, a)
