"""multiply_by_roots."""

from __future__ import annotations

import pytest
from pass_graphs import graph_of

from octavo.ops.text import parse_graph
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


@pytest.mark.parametrize(("op", "constant", "divides"), [("ELU", 1.0, False), ("ELU", 0.9, True), ("GELU", 1.0, True)])
def test_a_divisor_may_be_raised_above_zero_by_a_constant(op: str, constant: float, divides: bool) -> None:
    graph = parse_graph(f"""
    graph attention
    input x: float32[1,4]
    const raise: float32[1] = {constant}
    feature = {op}(x) @f
    divisor = ADD(feature, raise) @f
    quotient = DIV(x, divisor) @f
    output quotient
    """)
    made, _ = multiply_by_roots(graph)
    assert ("DIV" in {node.op for node in made.nodes}) is divides
