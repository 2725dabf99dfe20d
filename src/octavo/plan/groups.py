"""Which tensors share a type and parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, TypeVar

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import consumers
from octavo.ir.types import Graph, Node, Quantization
from octavo.ops.fused import activation_of, smallest_output_scale
from octavo.ops.operands import data_inputs, hiding_constants, real_outputs, stated_limit
from octavo.ops.roles import Data, Fixed, SameAsInput, SameAsOutput, State
from octavo.ops.table import spec_of
from octavo.plan.types import Edge, Group, Member, Table

T = TypeVar("T", bound=Hashable)
Requantized = tuple[tuple[Edge, str], ...]


def group_tensors(
    graph: Graph,
    types: Mapping[str, DType],
    natives: Mapping[str, DType],
    tables: Sequence[Table] = (),
    handed: Mapping[str, DType] = MappingProxyType({}),
) -> tuple[tuple[Group, ...], Requantized]:
    """Unite tensors along same-scale operators; where two fixed or a fixed and a free group would meet, requantize.

    A tensor that nodes of another type read is also a member of that type: the conversion between the two is a rounding
    of its own. A constant that clips, or is compared with, enters the group of what it clips, and joins none: what lies
    beyond the group's range clips nothing there, and one constant may clip tensors of several groups.

    Args:
        graph: The float graph.
        types: Integer type of each node that has one, by first output.
        natives: Integer type of each activation that has one, by name.
        tables: What int8 looks up; their ends have parameters of their own.
        handed: Type of each output that is handed over in another type than it is made in.

    Returns:
        The groups, and the inputs that enter a group they are no member of, each with a member of that group.
    """
    sets: _DisjointSets[Member] = _DisjointSets()
    fixed: dict[Member, Quantization] = {}
    requantized: list[tuple[Edge, str]] = []
    clips: list[tuple[Edge, str]] = []
    for node, dtype in _integer_nodes(graph, types):
        spec, output = spec_of(node.op), Member(node.outputs[0], dtype)
        following = _following_constants(graph, node)
        members = {i: Member(name, dtype) for i, name in data_inputs(graph, node) if i not in following}
        results = [Member(name, dtype) for name in real_outputs(graph, node)]
        for member in (*members.values(), *results):
            sets.add(member)
        for state, role in state_members(node, dtype):
            sets.add(state)
            if role.dtype is None:
                sets.unite(output, state)
        for i, name in enumerate(real_outputs(graph, node)):
            rule = spec.rule(i)
            if isinstance(rule, Fixed):
                scale, zero_point = rule.parameters[dtype]
                fixed[Member(name, dtype)] = Quantization(np.array(scale), np.array(zero_point))
        if spec.on_integers(node.options, dtype) is not None:
            requantized += _compared(sets, fixed, output.tensor, members, following)
        if results and isinstance(spec.rule(), SameAsInput | SameAsOutput):
            kinds = {i: fixed.get(sets.find(member)) for i, member in members.items()}
            entering = _entering({**kinds, **dict.fromkeys(following)})
            requantized += [(Edge(output.tensor, i), output.tensor) for i in entering]
            clips += [(Edge(output.tensor, i), output.tensor) for i in following]
            sharing = [member for i, member in members.items() if i not in entering]
            for member in (*sharing, *results[1:]):
                parameters = fixed.get(sets.find(member)) or fixed.get(sets.find(output))
                root = sets.unite(output, member)
                if parameters is not None:
                    fixed[root] = parameters
    ends = [member for table in tables for member in _ends(graph, table)]
    ends += [Member(name, dtype) for name, dtype in handed.items()]
    for member in ends:
        sets.add(member)
    requantizing = frozenset(edge.node for edge, _ in requantized)
    readers = consumers(graph)
    for member in _inputs(graph, natives):
        sets.add(member)
        if not readers[member.tensor]:
            # Nobody sees it rounded, and training observes no range of it.
            fixed[member] = Quantization(np.array(1.0), np.array(0))
    found = [(each, fixed.get(sets.find(each[0]))) for each in sets.members()]
    return _groups(graph, types, natives, requantizing, found, ends), (*requantized, *clips)


def _ends(graph: Graph, table: Table) -> list[Member]:
    """The source of a table and, if it is real, its result."""
    names = (table.source, table.result)
    return [Member(name, DType.INT8) for name in names if graph.tensors[name].dtype.is_float]


def _compared(
    sets: _DisjointSets[Member],
    fixed: Mapping[Member, Quantization],
    node: str,
    members: Mapping[int, Member],
    constants: Sequence[int],
) -> list[tuple[Edge, str]]:
    """Unite what is compared; what has other fixed parameters is requantized to those of the first that is free.

    Constants follow and widen nothing: as int32, they may lie beyond the range of what they are compared with.
    """
    kinds = {i: fixed.get(sets.find(member)) for i, member in members.items()}
    anchor = next((i for i, parameters in kinds.items() if parameters is None), next(iter(kinds), None))
    if anchor is None:
        return []
    for i in kinds:
        if kinds[i] == kinds[anchor]:
            sets.unite(members[anchor], members[i])
    entering = [*(i for i in kinds if kinds[i] != kinds[anchor]), *constants]
    return [(Edge(node, i), members[anchor].tensor) for i in entering]


def state_members(node: Node, dtype: DType) -> Iterator[tuple[Member, State]]:
    """The states of a node whose activations have this type."""
    for i, role in spec_of(node.op).states:
        yield Member(str(node.inputs[i]), role.dtype or dtype), role


def _inputs(graph: Graph, natives: Mapping[str, DType]) -> Iterator[Member]:
    """The model's inputs as they are handed over, whatever type they are read in."""
    return (Member(name, natives[name]) for name in graph.inputs if name in natives)


def _integer_nodes(graph: Graph, types: Mapping[str, DType]) -> Iterator[tuple[Node, DType]]:
    return ((node, types[node.outputs[0]]) for node in graph.nodes if node.outputs[0] in types)


def _groups(
    graph: Graph,
    types: Mapping[str, DType],
    natives: Mapping[str, DType],
    requantizing: frozenset[str],
    sets: Sequence[tuple[tuple[Member, ...], Quantization | None]],
    ends: Sequence[Member],
) -> tuple[Group, ...]:
    """The groups of these sets of members, each with its fixed parameters if it has any."""
    observed, readers = _observed(graph, types, natives, requantizing, ends), consumers(graph)
    moved: set[Member] = set()
    powers: dict[Member, tuple[int, int]] = {}
    needed: dict[Member, float] = defaultdict(float)
    for node, dtype in _integer_nodes(graph, types):
        spec = spec_of(node.op)
        if node.outputs[0] not in requantizing and not _reads_constant(graph, node):
            moved |= {
                Member(name, dtype)
                for i, name in enumerate(real_outputs(graph, node))
                if getattr(spec.rule(i), "moves", False)
            }
        for i, name in data_inputs(graph, node):
            role, member = spec.role(i), Member(name, dtype)
            if isinstance(role, Data):
                needed[member] = max(needed[member], role.smallest_scale)
        powers |= {
            member: role.powers_of_two for member, role in state_members(node, dtype) if role.powers_of_two is not None
        }
        output = Member(node.outputs[0], dtype)
        needed[output] = max(needed[output], smallest_output_scale(activation_of(node.options)))
    return tuple(
        Group(
            members[0].dtype,
            tuple(member.tensor for member in members),
            parameters,
            () if parameters else tuple(member.tensor for member in members if member in observed),
            tuple(member.tensor for member in members if member not in moved),
            max(needed[member] for member in members),
            _widest(graph, members, readers, types, natives, ends),
            powers.get(members[0]),
        )
        for members, parameters in sets
    )


def _widest(
    graph: Graph,
    members: Sequence[Member],
    readers: Mapping[str, tuple[Node, ...]],
    types: Mapping[str, DType],
    natives: Mapping[str, DType],
    ends: Collection[Member],
) -> float | None:
    """Magnitude beyond which no reader of a group tells values apart; None where one does, or the model's user may."""
    names, limits = {member.tensor for member in members}, []
    for member in members:
        is_native = natives.get(member.tensor) is member.dtype
        if member in ends or (is_native and member.tensor in graph.outputs):
            return None
        for reader in readers[member.tensor]:
            own_type = types.get(reader.outputs[0]) is member.dtype
            if (own_type and names.issuperset(reader.outputs)) or not (own_type or is_native):
                continue
            limits.append(stated_limit([reader], member.tensor, lambda role: role.flat_beyond) if own_type else None)
    return None if not limits or None in limits else max(limit for limit in limits if limit is not None)


def _following_constants(graph: Graph, node: Node) -> tuple[int, ...]:
    """Indices of the constants of an operator that clips (same as output), or that compares as int32."""
    spec = spec_of(node.op)
    if not isinstance(spec.rule(), SameAsOutput) and spec.on_integers(node.options, DType.INT8) is None:
        return ()
    return tuple(i for i, name in data_inputs(graph, node) if graph.tensors[name].is_constant)


def _reads_constant(graph: Graph, node: Node) -> bool:
    """Whether a node reads a constant, whose values are not on the group's grid before they are moved."""
    return any(graph.tensors[name].is_constant for _, name in data_inputs(graph, node))


def _entering(kinds: Mapping[int, Quantization | None]) -> frozenset[int]:
    """Indices of the inputs that must be requantized to share the output's parameters.

    A single input always shares. Of several, all share if none is fixed or all are fixed alike; else the fixed ones are
    requantized.
    """
    if len(set(kinds.values())) == 1:
        return frozenset()
    return frozenset(i for i, parameters in kinds.items() if parameters is not None)


def _observed(
    graph: Graph,
    types: Mapping[str, DType],
    natives: Mapping[str, DType],
    requantizing: frozenset[str],
    ends: Sequence[Member],
) -> frozenset[Member]:
    """Members whose ranges matter.

    The output of an operator that shares its inputs' parameters lies within their range (0 included) and
    needs no statistics, unless an input is requantized and so not among those sharing. Operators that clip
    (same as output) make their input's excess irrelevant, if nothing else reads that input. What hides its place from a
    SOFTMAX behind it does so from the end of the range as well.
    """
    readers = consumers(graph)
    clipping = {
        node.outputs[0] for node, _ in _integer_nodes(graph, types) if isinstance(spec_of(node.op).rule(), SameAsOutput)
    }
    members = {
        Member(name, dtype)
        for node, dtype in _integer_nodes(graph, types)
        for name in (*real_outputs(graph, node), *(name for _, name in data_inputs(graph, node)))
    }
    members |= {*ends, *_inputs(graph, natives)}
    members |= {
        state
        for node, dtype in _integer_nodes(graph, types)
        for state, role in state_members(node, dtype)
        if role.dtype
    }
    for node, dtype in _integer_nodes(graph, types):
        spec, rule = spec_of(node.op), spec_of(node.op).rule()
        hiding = hiding_constants(graph, node, readers)
        members -= {Member(name, dtype) for name in hiding}
        for i, name in enumerate(node.outputs):
            shares = isinstance(spec.rule(i), SameAsInput) and node.outputs[0] not in requantizing and not hiding
            if shares or isinstance(spec.rule(i), Fixed):
                members.discard(Member(name, dtype))
        if isinstance(rule, SameAsOutput):
            for _, name in data_inputs(graph, node):
                shown = name in graph.outputs and natives.get(name) is dtype
                others = (reader for reader in readers[name] if _reads_as(reader, name, dtype, types, natives))
                if not shown and all(reader.outputs[0] in clipping for reader in others):
                    members.discard(Member(name, dtype))
    return frozenset(members)


def _reads_as(reader: Node, name: str, dtype: DType, types: Mapping[str, DType], natives: Mapping[str, DType]) -> bool:
    """Whether a node reads a tensor's form of this type: as it is, or to convert it."""
    return types.get(reader.outputs[0]) is dtype or natives.get(name) is dtype


class _DisjointSets(Generic[T]):
    """Union-find that remembers the order of insertion."""

    def __init__(self) -> None:
        self._parent: dict[T, T] = {}

    def add(self, item: T) -> None:
        self._parent.setdefault(item, item)

    def find(self, item: T) -> T:
        root = item
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[item] != root:
            self._parent[item], item = root, self._parent[item]
        return root

    def unite(self, a: T, b: T) -> T:
        root, other = self.find(a), self.find(b)
        self._parent[other] = root
        return root

    def members(self) -> list[tuple[T, ...]]:
        sets: dict[T, list[T]] = {}
        for item in self._parent:
            sets.setdefault(self.find(item), []).append(item)
        return [tuple(items) for items in sets.values()]
