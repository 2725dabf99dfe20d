"""hide_by_constants."""

from __future__ import annotations

import pytest
from pass_graphs import assert_same_values, graph_of

from octavo.ops.text import parse_graph
from octavo.passes.hide_by_constants import hide_by_constants


def test_a_constant_hides_what_it_was_added_to() -> None:
    before = graph_of("a mask that is added, then chosen")
    graph, _ = hide_by_constants(before)
    assert [node.op for node in graph.nodes] == ["SELECT_V2", "SOFTMAX"]
    assert graph.tensors[str(graph.nodes[0].inputs[2])].values.item() == -1e9
    assert_same_values(before, graph)


@pytest.mark.parametrize(("far", "read"), [("100", "SOFTMAX"), ("-1e9", "SOFTMAX"), ("1e9", "TANH")])
def test_what_may_count_stays(far: str, read: str) -> None:
    graph = parse_graph(
        f"""
        input x: float32[1,4,6]
        const seen: bool[1,1,6] = 1 0 1 1 0 1
        const far: float32[] = {far}
        below = SUB(x, far)
        scores = SELECT_V2(seen, x, below)
        y = {read}(scores)
        output y
        """
    )
    assert hide_by_constants(graph)[0] is graph
