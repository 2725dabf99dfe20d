"""choose_one_hot."""

from __future__ import annotations

from pass_graphs import assert_same_values, graph_of

from octavo.ops.text import parse_graph
from octavo.passes.choose_one_hot import choose_one_hot


def test_a_one_hot_vector_is_a_choice_by_comparisons() -> None:
    before = graph_of("indices as one-hot vectors")
    graph, _ = choose_one_hot(before)
    assert [node.op for node in graph.nodes] == ["CAST", "RESHAPE", "EQUAL", "SELECT_V2", "MUL"]
    assert_same_values(before, graph)


def test_values_that_are_computed_stay() -> None:
    graph = parse_graph(
        """
        input ids: int32[1,5]
        input on: float32[]
        const n: int32[] = 3
        const off: float32[] = -1
        y = ONE_HOT(ids, n, on, off)
        output y
        """
    )
    assert choose_one_hot(graph)[0] is graph
