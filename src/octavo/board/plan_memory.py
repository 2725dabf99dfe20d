"""Places of a model's intermediate tensors in one block of memory, the arena.

Whatever lives at the same time lies apart; the rest shares. Finding the smallest arena is NP-hard, so the plan is a
greedy one that a local search betters until it meets the lower bound, or finds nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ALIGNMENT = 4
_ATTEMPTS = 2000


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory that is needed from one step to another.

    Attributes:
        name: Unique in a plan.
        size: Bytes, more than 0.
        first, last: First and last step that it must hold its content in, both included.
    """

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where each buffer lies.

    Attributes:
        buffers: What was laid out.
        offsets: Bytes from the start of the arena by buffer name, multiples of `ALIGNMENT`.
        arena_bytes: Size of the arena.
        lower_bound_bytes: No plan of these buffers is smaller: the most bytes that live in one step.
    """

    buffers: tuple[Buffer, ...]
    offsets: Mapping[str, int]
    arena_bytes: int
    lower_bound_bytes: int

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return max((buffer.last for buffer in self.buffers), default=-1) + 1

    def live_bytes(self, step: int) -> int:
        """Bytes of what must hold its content in a step."""
        return sum(_aligned(buffer.size) for buffer in self.buffers if buffer.first <= step <= buffer.last)


def plan_memory(buffers: Sequence[Buffer], seed: int = 0) -> MemoryPlan:
    """Lay buffers out in as few bytes as can be found.

    Args:
        buffers: With unique names.
        seed: Of the local search; the same seed gives the same plan.

    Returns:
        The plan; at its lower bound it is proven to be the smallest.

    Source: greedy by size with best fit as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
    Inference" (2020); the search swaps the order in which buffers are placed.
    """
    bound = lower_bound(buffers)
    order = sorted(buffers, key=lambda buffer: (-_aligned(buffer.size), buffer.first, buffer.name))
    best = _placed(order)
    best_bytes = _arena_bytes(order, best)
    rng = np.random.default_rng(seed)
    for _ in range(_ATTEMPTS if len(buffers) > 2 else 0):
        if best_bytes <= bound:
            break
        swapped = list(order)
        i, j = rng.choice(len(order), 2, replace=False)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        offsets = _placed(swapped)
        arena = _arena_bytes(swapped, offsets)
        # An equal arena is taken, too: from a plateau other orders can be reached.
        if arena <= best_bytes:
            order, best, best_bytes = swapped, offsets, arena
    return MemoryPlan(tuple(buffers), {buffer.name: best[buffer.name] for buffer in buffers}, best_bytes, bound)


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The most bytes that live in one step, each buffer rounded up to the alignment."""
    steps = {buffer.first for buffer in buffers}
    return max((sum(_aligned(b.size) for b in buffers if b.first <= step <= b.last) for step in steps), default=0)


def _placed(order: Sequence[Buffer]) -> dict[str, int]:
    """Offsets when buffers are placed one by one, each in the smallest gap that takes it, or at the end."""
    offsets: dict[str, int] = {}
    placed: list[Buffer] = []
    for buffer in order:
        taken = sorted((offsets[other.name], _aligned(other.size)) for other in placed if _meet(buffer, other))
        offsets[buffer.name] = _best_gap(taken, _aligned(buffer.size))
        placed.append(buffer)
    return offsets


def _best_gap(taken: Sequence[tuple[int, int]], size: int) -> int:
    """Start of the smallest gap of `size` bytes between intervals (start, bytes), which are sorted; else their end."""
    end, best, room = 0, None, 0
    for start, length in taken:
        gap = start - end
        if gap >= size and (best is None or gap < room):
            best, room = end, gap
        end = max(end, start + length)
    return end if best is None else best


def _meet(a: Buffer, b: Buffer) -> bool:
    return a.first <= b.last and b.first <= a.last


def _arena_bytes(buffers: Sequence[Buffer], offsets: Mapping[str, int]) -> int:
    return max((offsets[buffer.name] + _aligned(buffer.size) for buffer in buffers), default=0)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
