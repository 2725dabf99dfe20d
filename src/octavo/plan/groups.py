"""Which tensors share parameters."""

from __future__ import annotations

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import consumers
from octavo.ir.types import Graph, Node, Quantization
from octavo.ops.spec import Scale
from octavo.ops.table import spec_of
from octavo.plan.roles import activation_inputs
from octavo.plan.types import Edge, Group


def group_tensors(
    graph: Graph, nodes: list[Node], activations: DType
) -> tuple[tuple[Group, ...], tuple[tuple[Edge, str], ...]]:
    """Unite tensors along same-scale operators; where two fixed or a fixed and a free group would meet, requantize."""
    sets = _DisjointSets()
    fixed: dict[str, Quantization] = {}
    requantized: list[tuple[Edge, str]] = []
    for node in nodes:
        spec = spec_of(node.op)
        inputs = activation_inputs(graph, node)
        for _, name in inputs:
            sets.add(name)
        for name in node.outputs:
            sets.add(name)
            if spec.scale is Scale.FIXED:
                scale, zero_point = spec.fixed[activations]
                fixed[name] = Quantization(np.array(scale), np.array(zero_point))
        if spec.scale in (Scale.SAME_AS_INPUT, Scale.SAME_AS_OUTPUT):
            kept, entering = _split_inputs([(i, name, fixed.get(sets.find(name))) for i, name in inputs])
            requantized += [(Edge(node.outputs[0], i), node.outputs[0]) for i in entering]
            for name in (*kept, *node.outputs[1:]):
                parameters = fixed.get(sets.find(name)) or fixed.get(sets.find(node.outputs[0]))
                root = sets.unite(node.outputs[0], name)
                if parameters is not None:
                    fixed[root] = parameters
    requantizing = frozenset(edge.node for edge, _ in requantized)
    observed = _observed(graph, nodes, requantizing)
    moved = {
        name
        for node in nodes
        if spec_of(node.op).moves and node.outputs[0] not in requantizing and not _reads_constant(graph, node)
        for name in node.outputs
    }
    groups = []
    for members in sets.members():
        parameters = fixed.get(sets.find(members[0]))
        ranged = () if parameters else tuple(name for name in members if name in observed)
        rounded = tuple(name for name in members if name not in moved)
        groups.append(Group(members, parameters, ranged, rounded))
    return tuple(groups), tuple(requantized)


def _reads_constant(graph: Graph, node: Node) -> bool:
    """Whether a node reads a constant, whose values are not on the group's grid before they are moved."""
    return any(graph.tensors[name].is_constant for _, name in activation_inputs(graph, node))


def _split_inputs(inputs: list[tuple[int, str, Quantization | None]]) -> tuple[list[str], list[int]]:
    """Names of inputs that may share the output's parameters, and indices of those that must be requantized.

    A single input always shares. Of several, all share if none is fixed or all are fixed alike; else the fixed ones are
    requantized.
    """
    kinds = {parameters for _, _, parameters in inputs}
    if len(inputs) == 1 or len(kinds) == 1:
        return [name for _, name, _ in inputs], []
    return (
        [name for _, name, parameters in inputs if parameters is None],
        [i for i, _, parameters in inputs if parameters is not None],
    )


def _observed(graph: Graph, nodes: list[Node], requantizing: frozenset[str]) -> frozenset[str]:
    """Tensors whose ranges matter.

    The output of an operator that shares its inputs' parameters lies within their range (0 included) and
    needs no statistics, unless an input is requantized and so not among those sharing. An operator that clips
    (same as output) makes its input's excess irrelevant, if nothing else reads that input.
    """
    readers = consumers(graph)
    names = {name for node in nodes for _, name in activation_inputs(graph, node)}
    names.update(name for node in nodes for name in node.outputs)
    for node in nodes:
        scale = spec_of(node.op).scale
        if scale is Scale.FIXED or (scale is Scale.SAME_AS_INPUT and node.outputs[0] not in requantizing):
            names.difference_update(node.outputs)
        elif scale is Scale.SAME_AS_OUTPUT:
            names.difference_update(
                name
                for _, name in activation_inputs(graph, node)
                if len(readers[name]) == 1 and name not in graph.outputs and not graph.tensors[name].is_constant
            )
    return frozenset(names)


class _DisjointSets:
    """Union-find over tensor names that remembers the order of insertion."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def add(self, name: str) -> None:
        self._parent.setdefault(name, name)

    def find(self, name: str) -> str:
        root = name
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[name] != root:
            self._parent[name], name = root, self._parent[name]
        return root

    def unite(self, a: str, b: str) -> str:
        root, other = self.find(a), self.find(b)
        self._parent[other] = root
        return root

    def members(self) -> list[tuple[str, ...]]:
        sets: dict[str, list[str]] = {}
        for name in self._parent:
            sets.setdefault(self.find(name), []).append(name)
        return [tuple(names) for names in sets.values()]
