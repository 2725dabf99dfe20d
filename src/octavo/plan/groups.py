"""Which tensors share parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import consumers
from octavo.ir.types import Graph, Node, Quantization
from octavo.ops.fused import FusedActivation, smallest_output_scale
from octavo.ops.spec import Scale
from octavo.ops.table import spec_of
from octavo.plan.roles import activation_inputs
from octavo.plan.types import Edge, Group


def group_tensors(
    graph: Graph, nodes: list[Node], activations: DType
) -> tuple[tuple[Group, ...], tuple[tuple[Edge, str], ...]]:
    """Unite tensors along same-scale operators; where two fixed or a fixed and a free group would meet, requantize.

    A constant that clips enters the group of what it clips, and joins none: what lies beyond the group's range clips
    nothing there, and one constant may clip tensors of several groups.

    Returns:
        The groups, and the inputs that enter a group they are no member of, each with a member of that group.
    """
    sets = _DisjointSets()
    fixed: dict[str, Quantization] = {}
    requantized: list[tuple[Edge, str]] = []
    clips: list[tuple[Edge, str]] = []
    for node in nodes:
        spec, output = spec_of(node.op), node.outputs[0]
        clipping = _clipping_constants(graph, node)
        members = {i: name for i, name in activation_inputs(graph, node) if i not in clipping}
        for name in (*members.values(), *node.outputs):
            sets.add(name)
        if spec.scale is Scale.FIXED:
            scale, zero_point = spec.fixed[activations]
            fixed |= dict.fromkeys(node.outputs, Quantization(np.array(scale), np.array(zero_point)))
        if spec.scale in (Scale.SAME_AS_INPUT, Scale.SAME_AS_OUTPUT):
            kinds = {i: fixed.get(sets.find(name)) for i, name in members.items()}
            entering = _entering({**kinds, **dict.fromkeys(clipping)})
            requantized += [(Edge(output, i), output) for i in entering]
            clips += [(Edge(output, i), output) for i in clipping]
            for name in (*(name for i, name in members.items() if i not in entering), *node.outputs[1:]):
                parameters = fixed.get(sets.find(name)) or fixed.get(sets.find(output))
                root = sets.unite(output, name)
                if parameters is not None:
                    fixed[root] = parameters
    requantizing = frozenset(edge.node for edge, _ in requantized)
    groups = _groups(graph, nodes, requantizing, [(each, fixed.get(sets.find(each[0]))) for each in sets.members()])
    return groups, (*requantized, *clips)


def _groups(
    graph: Graph,
    nodes: list[Node],
    requantizing: frozenset[str],
    sets: list[tuple[tuple[str, ...], Quantization | None]],
) -> tuple[Group, ...]:
    """The groups of these sets of tensors, each with its fixed parameters if it has any."""
    observed, readers = _observed(graph, nodes, requantizing), consumers(graph)
    moved = {
        name
        for node in nodes
        if spec_of(node.op).moves and node.outputs[0] not in requantizing and not _reads_constant(graph, node)
        for name in node.outputs
    }
    needed: dict[str, float] = {}
    for node in nodes:
        for _, name in activation_inputs(graph, node):
            needed[name] = max(needed.get(name, 0.0), spec_of(node.op).smallest_input_scale)
        fused = getattr(node.options, "fused_activation_function", FusedActivation.NONE)
        needed[node.outputs[0]] = max(needed.get(node.outputs[0], 0.0), smallest_output_scale(fused))
    return tuple(
        Group(
            members,
            parameters,
            () if parameters else tuple(name for name in members if name in observed),
            tuple(name for name in members if name not in moved),
            max(needed.get(name, 0.0) for name in members),
            _widest(members, readers, nodes, graph.outputs),
        )
        for members, parameters in sets
    )


def _widest(
    members: tuple[str, ...], readers: Mapping[str, tuple[Node, ...]], nodes: Sequence[Node], outputs: tuple[str, ...]
) -> float | None:
    """Magnitude beyond which no reader of a group tells values apart; None where one does, or the model's user may."""
    others = [reader for name in members for reader in readers[name] if not set(reader.outputs) <= set(members)]
    limits = {spec_of(reader.op).flat_beyond if reader in nodes else None for reader in others}
    if not limits or None in limits or not set(members).isdisjoint(outputs):
        return None
    return max(limit for limit in limits if limit is not None)


def _clipping_constants(graph: Graph, node: Node) -> tuple[int, ...]:
    """Indices of the constants of an operator that clips (same as output)."""
    if spec_of(node.op).scale is not Scale.SAME_AS_OUTPUT:
        return ()
    return tuple(i for i, name in activation_inputs(graph, node) if graph.tensors[name].is_constant)


def _reads_constant(graph: Graph, node: Node) -> bool:
    """Whether a node reads a constant, whose values are not on the group's grid before they are moved."""
    return any(graph.tensors[name].is_constant for _, name in activation_inputs(graph, node))


def _entering(kinds: Mapping[int, Quantization | None]) -> frozenset[int]:
    """Indices of the inputs that must be requantized to share the output's parameters.

    A single input always shares. Of several, all share if none is fixed or all are fixed alike; else the fixed ones are
    requantized.
    """
    if len(set(kinds.values())) == 1:
        return frozenset()
    return frozenset(i for i, parameters in kinds.items() if parameters is not None)


def _observed(graph: Graph, nodes: list[Node], requantizing: frozenset[str]) -> frozenset[str]:
    """Tensors whose ranges matter.

    The output of an operator that shares its inputs' parameters lies within their range (0 included) and
    needs no statistics, unless an input is requantized and so not among those sharing. Operators that clip
    (same as output) make their input's excess irrelevant, if nothing else reads that input.
    """
    readers = consumers(graph)
    clipping = {node.outputs[0] for node in nodes if spec_of(node.op).scale is Scale.SAME_AS_OUTPUT}
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
                if name not in graph.outputs and all(reader.outputs[0] in clipping for reader in readers[name])
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
