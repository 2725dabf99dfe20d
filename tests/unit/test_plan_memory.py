"""Buffers that live together lie apart, and networks with a known bound reach it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.board.plan_memory import ALIGNMENT, Buffer, MemoryPlan, plan_memory


def chain(*sizes: int) -> list[Buffer]:
    """Results of layers in a row, each read by the next only."""
    return [Buffer(str(i), size, i, i + 1) for i, size in enumerate(sizes)]


def clashes(buffers: list[Buffer], plan: MemoryPlan) -> list[tuple[str, str]]:
    """Pairs that live in one step and share a byte."""
    found = []
    for i, a in enumerate(buffers):
        for b in buffers[:i]:
            together = a.first <= b.last and b.first <= a.last
            start, other = plan.offsets[a.name], plan.offsets[b.name]
            if together and start < other + b.size and other < start + a.size:
                found.append((a.name, b.name))
    return found


MOBILENET_96 = [
    int(side * side * channels)
    for side, channels in [
        (48, 8), (48, 8), (48, 16), (24, 16), (24, 32), (24, 32), (24, 32), (12, 32), (12, 64), (12, 64), (12, 64),
        (6, 64), (6, 128), (6, 128), (6, 128), (3, 128), (3, 256), (3, 256), (3, 256), (1, 256), (1, 2),
    ]
]  # fmt: skip
RESIDUAL = [
    Buffer("stem", 16384, 0, 3),
    Buffer("a", 16384, 1, 2),
    Buffer("b", 16384, 2, 3),
    Buffer("sum", 16384, 3, 6),
    Buffer("c", 8192, 4, 5),
    Buffer("d", 8192, 5, 7),
    Buffer("shortcut", 8192, 6, 7),
    Buffer("sum_2", 8192, 7, 8),
]


@pytest.mark.parametrize(
    ("buffers", "bytes_wanted"),
    [(chain(*MOBILENET_96), 55_296), (RESIDUAL, 49_152), (chain(*[8000] * 9, 64, 12), 16_000)],
    ids=["visual wake words", "image classification", "keyword spotting"],
)
def test_known_networks_reach_their_lower_bound(buffers: list[Buffer], bytes_wanted: int) -> None:
    plan = plan_memory(buffers)
    assert not clashes(buffers, plan)
    assert plan.arena_bytes == plan.lower_bound_bytes == bytes_wanted


@st.composite
def any_buffers(draw: st.DrawFn) -> list[Buffer]:
    spans = draw(
        st.lists(st.tuples(st.integers(1, 4096), st.integers(0, 12), st.integers(0, 5)), min_size=0, max_size=9)
    )
    return [Buffer(str(i), size, first, first + life) for i, (size, first, life) in enumerate(spans)]


@given(any_buffers())
def test_any_plan_is_sound_aligned_and_not_below_the_bound(buffers: list[Buffer]) -> None:
    plan = plan_memory(buffers)
    assert not clashes(buffers, plan)
    assert all(offset % ALIGNMENT == 0 for offset in plan.offsets.values())
    assert plan.arena_bytes >= plan.lower_bound_bytes
    assert all(plan.offsets[b.name] + b.size <= plan.arena_bytes for b in buffers)


def test_the_same_buffers_get_the_same_plan() -> None:
    assert plan_memory(RESIDUAL) == plan_memory(RESIDUAL)
