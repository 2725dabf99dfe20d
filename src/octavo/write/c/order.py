"""The order of a graph's operators in which the least lives at a time.

Branches may run in any order, and one that ends in little should end before another begins. Every order is a path
through sets of operators that have run; the path whose fullest step holds the least is found as shortest paths are.
Source: "Ordering Chaos: Memory-Aware Scheduling of Irregularly Wired Neural Networks" (Ahn et al., 2020).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from octavo.ir.types import Graph
from octavo.ops.table import spec_of
from octavo.write.c.layout import least_arena
from octavo.write.c.table import lower

# Of wide graphs not all sets are looked at: beyond so many the order stays what it is.
_MOST_SETS = 20_000


def ordered(graph: Graph, *, fast: bool = False, cmsis_nn: bool = False) -> Graph:
    """The graph in the order whose arena needs the least; the same object if that is its own.

    Args:
        graph: With a C form.
        fast, cmsis_nn: As for `octavo.write.c.model.write_c`.

    Raises:
        UnsupportedLayerError: if an operator has no C kernel.
    """
    if all(set(before.outputs) & set(node.inputs) for before, node in pairwise(graph.nodes)):
        return graph
    calls = [lower(graph, node, f"m_{i}", fast=fast, cmsis_nn=cmsis_nn) for i, node in enumerate(graph.nodes)]
    found = _search(_memory(graph, [call.scratch_bytes for call in calls]))
    if found is None or found == list(range(len(found))):
        return graph
    better = replace(graph, nodes=tuple(graph.nodes[i] for i in found))
    # What is written in place, the search does not see.
    enough = least_arena(better, [calls[i] for i in found]) < least_arena(graph, calls)
    return better if enough else graph


@dataclass(frozen=True, slots=True)
class _Memory:
    """What operators need of memory; sets of them are bits of an integer.

    Attributes:
        behind: Of each operator, those that must have run.
        takes: Bytes of what it makes, and of its scratch.
        lives: (operator, bytes, readers) of all that is made.
    """

    behind: Sequence[int]
    takes: Sequence[int]
    lives: Sequence[tuple[int, int, int]]


def _memory(graph: Graph, scratch: Sequence[int]) -> _Memory:
    maker = {name: i for i, node in enumerate(graph.nodes) for name in node.outputs}
    memory = {name: name for name in (*graph.inputs, *maker)}
    for node in graph.nodes:
        source = next((name for name in node.inputs if name in memory), None)
        if spec_of(node.op).reshapes and source is not None:
            memory[node.outputs[0]] = memory[source]
    outside = {memory[name] for name in (*graph.inputs, *graph.outputs) if name in memory}
    readers: dict[str, int] = {}
    for i, node in enumerate(graph.nodes):
        for name in node.inputs:
            if name in memory:
                readers[memory[name]] = readers.get(memory[name], 0) | 1 << i
    behind = [sum({1 << maker[name] for name in node.inputs if name in maker}) for node in graph.nodes]
    lives = [
        (i, graph.tensors[name].bytes, readers.get(name, 0))
        for name, i in maker.items()
        if memory[name] == name and name not in outside
    ]
    takes = list(scratch)
    for i, size, _ in lives:
        takes[i] += size
    return _Memory(behind, takes, lives)


def _search(memory: _Memory) -> list[int] | None:
    """The best order; None if there are too many sets to look at."""
    count = len(memory.behind)
    everything = (1 << count) - 1
    came_by: dict[int, tuple[int, int]] = {}
    waiting = [(0, count, -1, 0, 0)]  # bytes of the fullest step, operators missing, the last one, the set, that before
    while waiting:
        fullest, missing, last, done, before = heapq.heappop(waiting)
        if done in came_by:
            continue
        came_by[done] = (before, last)
        if done == everything:
            return _path(came_by, done)
        if len(came_by) > _MOST_SETS:
            return None
        living = _living(memory, done)
        for i in range(count):
            if not done >> i & 1 and memory.behind[i] & ~done == 0:
                then = max(fullest, living + memory.takes[i])
                heapq.heappush(waiting, (then, missing - 1, i, done | 1 << i, done))
    return None


def _living(memory: _Memory, done: int) -> int:
    """Bytes that operators which have not run will read."""
    return sum(size for i, size, readers in memory.lives if done >> i & 1 and readers & ~done)


def _path(came_by: Mapping[int, tuple[int, int]], done: int) -> list[int]:
    path: list[int] = []
    while done:
        done, last = came_by[done]
        path.insert(0, last)
    return path
