"""border_maxima."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.ir.types import Graph
from octavo.ops.text import parse_graph
from octavo.passes.border_maxima import border_maxima
from octavo.run import reference


def pooled(
    pads: str = "0 0 1 1 1 1 0 0", window: int = 3, stride: int = 2, value: str = "-inf", before: str = "TANH"
) -> Graph:
    return parse_graph(
        f"""
        input x: float32[1,6,7,2]
        const pads: int32[4,2] = {pads}
        const low: float32[] = {value}
        made = {before}(x)
        padded = PADV2(made, pads, low)
        y = MAX_POOL_2D(padded) {{padding=VALID, filter_height={window}, filter_width={window},
            stride_h={stride}, stride_w={stride}}}
        output y
        """.replace(",\n            ", ", ")
    )


def largest(graph: Graph) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=graph.tensors["x"].shape).astype(np.float32) - 2
    return reference.run(graph, {"x": x})["y"]


@pytest.mark.parametrize(
    ("pads", "window", "stride"),
    [
        ("0 0 1 1 1 1 0 0", 3, 2),
        ("0 0 1 1 1 1 0 0", 2, 1),
        ("0 0 2 2 2 2 0 0", 5, 1),
        ("0 0 2 1 0 2 0 0", 4, 2),
        ("0 0 0 1 0 1 0 0", 3, 3),
    ],
)
@pytest.mark.parametrize(("before", "op"), [("TANH", "MIRROR_PAD"), ("RELU", "PAD")])
def test_maxima_stay_where_a_border_cannot_win(pads: str, window: int, stride: int, before: str, op: str) -> None:
    graph = pooled(pads, window, stride, before=before)
    bordered = border_maxima(graph)
    assert [node.op for node in bordered.nodes] == [before, op, "MAX_POOL_2D"]
    np.testing.assert_array_equal(largest(bordered), largest(graph))


def test_the_lowest_float_is_as_good_as_infinity() -> None:
    graph = pooled(value="-3.4028235e38")
    bordered = border_maxima(graph)
    assert bordered is not graph
    np.testing.assert_array_equal(largest(bordered), largest(graph))


@pytest.mark.parametrize(
    "graph",
    [
        pooled("0 0 0 2 0 2 0 0", 3, 3),  # a window of one real cell, which would meet its neighbour mirrored
        pooled(value="-4"),
        pooled("0 0 1 1 1 1 1 1"),
        pooled("0 0 6 6 0 0 0 0", 3),
    ],
    ids=["too far", "a value of its own", "around channels", "windows beyond the image"],
)
def test_a_border_that_counts_stays(graph: Graph) -> None:
    assert border_maxima(graph) is graph
