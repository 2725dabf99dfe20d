"""drop_dead."""

from __future__ import annotations

from pass_graphs import graph_of

from octavo.passes.drop_dead import drop_dead


def test_what_reaches_no_output_goes_with_its_constants() -> None:
    graph, _ = drop_dead(graph_of("dead ends"))
    assert [node.op for node in graph.nodes] == ["TANH"]
    assert set(graph.tensors) == {"x", "y"}
