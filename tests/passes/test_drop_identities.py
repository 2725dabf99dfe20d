"""drop_identities."""

from __future__ import annotations

import pytest
from pass_graphs import graph_of

from octavo.ops.text import parse_graph
from octavo.passes.drop_identities import drop_identities


def test_identities_go_and_the_last_reshape_of_a_row_stays() -> None:
    graph, notes = drop_identities(graph_of("identities"))
    assert [(node.op, node.inputs[0], node.outputs[0]) for node in graph.nodes] == [
        ("RESHAPE", "x", "e"),
        ("TRANSPOSE", "x", "i"),
        ("RESHAPE", "i", "j"),
        ("RELU", "j", "l"),
        ("RELU", "l", "m"),
    ]
    assert notes == ()


def test_names_of_inputs_and_outputs_stay_even_where_they_are_one_value() -> None:
    graph, notes = drop_identities(graph_of("an input that is nearly an output"))
    assert [(node.inputs[0], node.outputs[0]) for node in graph.nodes] == [("x", "y"), ("y", "z")]
    assert [note.subject for note in notes] == ["y", "z"]


@pytest.mark.parametrize(
    "line",
    [
        "y = MUL(x, one) {fused_activation_function=RELU}",
        "y = ADD(x, one)",
        "y = ADD(x, row)",
        "y = SUB(zero, x)",
        "y = TRANSPOSE(x, crossed)",
        "y = MIRROR_PAD(x, pads)",
    ],
)
def test_what_only_looks_like_an_identity_stays(line: str) -> None:
    graph = parse_graph(
        f"""
        input x: float32[1,1,2]
        const one: float32[] = 1
        const zero: float32[] = 0
        const row: float32[1,3,2] = 0
        const crossed: int32[3] = 1 0 2
        const pads: int32[3,2] = 0 0 0 0 0 1
        a = RELU(x)
        {line.replace("(x", "(a").replace(", x", ", a")}
        output y
        """
    )
    changed, _ = drop_identities(graph)
    assert changed.nodes == graph.nodes


@pytest.mark.parametrize(
    "line",
    [
        "y = SUB(a, zero)",
        "y = DIV(a, one)",
        "y = PAD(a, no_pads)",
        "y = SLICE(a, begin, size)",
        "y = CONCATENATION(a) {axis=2}",
        "y = RESIZE_BILINEAR(a, image) {half_pixel_centers=True}",
    ],
)
def test_every_kind_of_identity_is_known(line: str) -> None:
    graph, _ = drop_identities(
        parse_graph(
            f"""
            input x: float32[1,3,2,1]
            const one: float32[] = 1
            const zero: float32[] = 0
            const no_pads: int32[4,2] = 0
            const begin: int32[4] = 0
            const size: int32[4] = -1 3 2 1
            const image: int32[2] = 3 2
            a = RELU(x)
            {line}
            output y
            """
        )
    )
    assert [(node.op, node.outputs) for node in graph.nodes] == [("RELU", ("y",))]
