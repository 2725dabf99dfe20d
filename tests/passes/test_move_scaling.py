"""move_scaling."""

from __future__ import annotations

import pytest
from pass_graphs import graph_of

from octavo.ops.text import parse_graph
from octavo.passes import run_passes
from octavo.passes.move_scaling import move_scaling

HEAD = """
input x: float32[1,1,6,2]
const k: float32[4,1,1,2] = normal(1) @conv
const b: float32[4] = normal(2) @conv
const shape: int32[3] = -1 6 4 @conv
const folded: int32[3] = -1 3 8 @conv
const each: float32[4] = 1 2 3 4 @bn
const ranked: float32[1,1,4] = 1 2 3 4 @bn
const one: float32[] = 2 @bn
const wide: float32[8] = 1 2 3 4 5 6 7 8 @bn
const by_step: float32[6,1] = 1 2 3 4 5 6 @bn
a = CONV_2D(x, k, b) @conv
"""


def test_the_normalization_of_a_sequence_becomes_part_of_its_convolution() -> None:
    moved, _ = move_scaling(graph_of("batch norm of a sequence"))
    assert [node.op for node in moved.nodes] == ["RESHAPE", "CONV_2D", "MUL", "ADD", "RESHAPE", "RELU"]
    whole, notes = run_passes(graph_of("batch norm of a sequence"))
    assert [node.op for node in whole.nodes] == ["RESHAPE", "CONV_2D", "RESHAPE", "RELU"]
    assert notes == ()


@pytest.mark.parametrize("line", ["y = MUL(r, each)", "y = ADD(ranked, r)", "y = SUB(r, one)", "y = DIV(r, ranked)"])
def test_any_constant_for_each_channel_moves(line: str) -> None:
    moved, _ = move_scaling(parse_graph(f"{HEAD}\nr = RESHAPE(a, shape) @conv\n{line} @bn\noutput y"))
    assert [node.op for node in moved.nodes][1:] == [line.split()[2].partition("(")[0], "RESHAPE"]
    assert moved.outputs == ("y",)


@pytest.mark.parametrize(
    "lines",
    [
        "r = RESHAPE(a, folded) @conv\ny = MUL(r, wide) @bn\noutput y",
        "r = RESHAPE(a, shape) @conv\ny = MUL(r, by_step) @bn\noutput y",
        "r = RESHAPE(a, shape) @conv\ny = MUL(r, each) @bn\noutput y, r",
        "r = RESHAPE(a, shape) @conv\ny = MUL(r, each) @bn\nz = RELU(r)\noutput y, z",
        "r = RESHAPE(a, shape) @conv\ny = MUL(r, each) @bn\nz = RELU(a)\noutput y, z",
        "c = RELU(a)\nr = RESHAPE(c, shape) @conv\ny = MUL(r, each) @bn\noutput y",
    ],
    ids=["other channels", "other axis", "shown", "read elsewhere", "read before", "no layer"],
)
def test_what_cannot_move_or_would_not_fold_stays(lines: str) -> None:
    graph = parse_graph(f"{HEAD}\n{lines}")
    assert move_scaling(graph)[0] is graph
