"""drop_empty."""

from __future__ import annotations

from pass_graphs import assert_same_values, graph_of

from octavo.passes.drop_empty import drop_empty


def test_what_holds_nothing_is_made_by_no_operator_and_joined_to_nothing() -> None:
    before = graph_of("results that hold nothing")
    graph, _ = drop_empty(before)
    assert [(node.op, node.inputs) for node in graph.nodes] == [("ADD", ("x", "x")), ("CONCATENATION", ("doubled",))]
    assert_same_values(before, graph)
