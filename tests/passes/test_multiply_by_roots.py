"""multiply_by_roots."""

from __future__ import annotations

from pass_graphs import graph_of

from octavo.passes.multiply_by_roots import multiply_by_roots


def test_divisions_by_what_is_never_negative_become_products() -> None:
    graph, _ = multiply_by_roots(graph_of("divisions"))
    made = {node.outputs[0]: (node.op, *node.inputs) for node in graph.nodes}
    assert made["scaled/root"] == ("RSQRT", "above")
    assert made["scaled"] == ("MUL", "x", "scaled/root")
    assert made["relative/root"] == ("RSQRT", "above")
    assert made["relative/scaled"] == ("MUL", "scaled", "relative/root")
    assert made["relative"] == ("MUL", "relative/scaled", "relative/root")
    assert made["quotient"] == ("DIV", "relative", "signed")
    assert made["last/root"] == ("RSQRT", "held")
