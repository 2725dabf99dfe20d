"""Branches of a model in C run in the order that holds the least at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from generated import NEEDS_COMPILER, expected, on_host, quantized, random_vectors
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions
from octavo.ops.join import ConcatenationOptions
from octavo.ops.pool import Pool2DOptions
from octavo.write.c.model import lowered
from octavo.write.c.order import ordered

POOL = Pool2DOptions(filter_width=4, filter_height=4, stride_w=4, stride_h=4)


def branches(count: int, *, one_by_one: bool) -> Graph:
    """Branches that widen an image and then shrink it; all widen before one shrinks, or one by one."""
    rng = np.random.default_rng(1)
    b = GraphBuilder("branches")
    x = b.emit("ABS", [b.input("x", (1, 8, 8, 4))], suffix="stem")
    wide, small = [], []
    for i in range(count):
        kernel = b.constant(rng.normal(size=(16, 1, 1, 4)).astype(np.float32), f"w{i}")
        wide.append(b.emit("CONV_2D", [x, kernel, None], Conv2DOptions(), suffix=f"wide{i}"))
        if one_by_one:
            small.append(b.emit("AVERAGE_POOL_2D", wide[i:], POOL, suffix=f"small{i}"))
    small = small or [b.emit("AVERAGE_POOL_2D", [each], POOL, suffix=f"small{i}") for i, each in enumerate(wide)]
    joined = b.emit("CONCATENATION", small, ConcatenationOptions(3), suffix="joined")
    graph = b.finish((b.emit("ABS", [joined], suffix="last"),))
    return quantized(graph, [{"x": rng.normal(size=(1, 8, 8, 4)).astype(np.float32)}])


def arena(graph: Graph) -> int:
    return lowered(graph, "m")[1].plan.arena_bytes


def test_a_branch_ends_before_the_next_begins() -> None:
    together, apart = branches(3, one_by_one=False), branches(3, one_by_one=True)
    assert arena(apart) < arena(together) / 2
    assert arena(ordered(together)) <= arena(apart)
    assert {node.outputs for node in ordered(together).nodes} == {node.outputs for node in together.nodes}


def test_an_order_that_cannot_be_bettered_stays() -> None:
    graph = branches(3, one_by_one=True)
    assert ordered(graph) is graph


def test_of_graphs_with_too_many_orders_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = branches(3, one_by_one=False)
    monkeypatch.setattr("octavo.write.c.order._MOST_SETS", 4)
    assert ordered(graph) is graph


@NEEDS_COMPILER
def test_another_order_computes_the_same(tmp_path: Path) -> None:
    graph = branches(3, one_by_one=False)
    vectors = random_vectors(graph, 10)
    np.testing.assert_array_equal(on_host(graph, vectors, tmp_path), expected(graph, vectors))
