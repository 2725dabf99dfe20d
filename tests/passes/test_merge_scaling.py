"""merge_scaling."""

from __future__ import annotations

import numpy as np
from pass_graphs import graph_of

from octavo.ops.text import parse_graph
from octavo.passes.merge_scaling import merge_scaling


def test_rescaling_and_normalizing_become_one_multiplication_and_one_addition() -> None:
    graph, _ = merge_scaling(graph_of("a normalized image"))
    multiplication, addition, _ = graph.nodes
    assert (multiplication.op, addition.op) == ("MUL", "ADD")
    assert addition.outputs == ("x_d",)
    scale, offset = graph.tensors[multiplication.inputs[1] or ""].data, graph.tensors[addition.inputs[1] or ""].data
    assert scale is not None
    assert offset is not None
    assert np.array_equal(scale.ravel(), [1, 2, 4])
    assert np.array_equal(offset.ravel(), [-3, -8, -24])


def merged(lines: str, outputs: str = "y") -> list[tuple[str, float]]:
    """(operator, constant) of each node after merging a chain that starts at x, with c = 4."""
    graph, _ = merge_scaling(parse_graph(f"input x: float32[1,2]\nconst c: float32[] = 4\n{lines}\noutput {outputs}"))
    values = [
        next(graph.tensors[n].data for n in node.inputs if graph.tensors[n or ""].is_constant) for node in graph.nodes
    ]
    return [(node.op, float(value)) for node, value in zip(graph.nodes, values, strict=True)]  # type: ignore[arg-type]


def test_two_of_a_kind_become_one() -> None:
    assert merged("a = MUL(x, c)\ny = MUL(a, c)") == [("MUL", 16.0)]
    assert merged("a = ADD(x, c)\ny = ADD(c, a)") == [("ADD", 8.0)]
    assert merged("a = MUL(x, c)\nb = MUL(a, c)\ny = ADD(b, c)") == [("MUL", 16.0), ("ADD", 4.0)]


def test_a_chain_that_changes_nothing_goes_but_for_the_names_of_inputs_and_outputs() -> None:
    chain = "input x: float32[1,2]\nconst c: float32[] = 4\na = SUB(c, x)\nb = SUB(c, a)\n"
    graph, _ = merge_scaling(parse_graph(f"{chain}y = TANH(b)\noutput y"))
    assert [(node.op, node.inputs) for node in graph.nodes] == [("TANH", ("x",))]
    graph, _ = merge_scaling(parse_graph(f"{chain}output b"))
    assert [(node.op, node.inputs[0], node.outputs) for node in graph.nodes] == [("ADD", "x", ("b",))]


def test_a_multiplication_and_an_addition_stay_as_they_are() -> None:
    assert merged("a = MUL(x, c)\ny = ADD(a, c)") == [("MUL", 4.0), ("ADD", 4.0)]
    assert merged("a = ADD(x, c)\ny = MUL(a, c)") == [("ADD", 4.0), ("MUL", 4.0)]


def test_a_division_of_a_constant_is_no_scaling() -> None:
    assert merged("a = MUL(x, c)\ny = DIV(c, a)") == [("MUL", 4.0), ("DIV", 4.0)]


def test_values_that_are_needed_elsewhere_end_a_chain() -> None:
    assert merged("a = MUL(x, c)\ny = MUL(a, c)", "y, a") == [("MUL", 4.0), ("MUL", 4.0)]


def test_an_activation_inside_ends_a_chain_and_one_at_the_end_stays() -> None:
    relu = "{fused_activation_function=RELU}"
    assert merged(f"a = MUL(x, c) {relu}\ny = MUL(a, c)") == [("MUL", 4.0), ("MUL", 4.0)]
    graph, _ = merge_scaling(
        parse_graph(f"input x: float32[1,2]\nconst c: float32[] = 4\na = MUL(x, c)\ny = MUL(a, c) {relu}\noutput y")
    )
    assert [node.options.fused_activation_function.name for node in graph.nodes] == ["RELU"]  # type: ignore[attr-defined]
