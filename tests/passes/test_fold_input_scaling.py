"""fold_input_scaling."""

from __future__ import annotations

import numpy as np
from pass_graphs import graph_of

from octavo.ops.text import parse_graph
from octavo.passes import run_passes
from octavo.passes.fold_input_scaling import fold_input_scaling


def test_a_normalized_image_is_normalized_by_the_first_layer() -> None:
    graph, notes = run_passes(graph_of("a normalized image"))
    assert [(node.op, node.inputs[0], node.outputs[0]) for node in graph.nodes] == [("CONV_2D", "x", "y")]
    assert notes == ()


def test_what_padding_and_groups_allow_is_folded_and_the_rest_noted() -> None:
    graph, notes = fold_input_scaling(graph_of("scalings before padded, grouped and depthwise layers"))
    assert [node.outputs[0] for node in graph.nodes] == ["o_1", "y_1", "y_2", "s_3", "y_3", "y_4", "y_5"]
    assert {note.subject: note.text for note in notes} == {
        "offset_1": "ADD stays apart: layer 'same' pads its input with zeros, which the addition must not reach.",
        "scale_3": "MUL stays apart: its constant is not one number for each input channel.",
    }


def test_the_algebra_of_a_dense_layer() -> None:
    graph, _ = fold_input_scaling(
        parse_graph(
            """
            input x: float32[1,2]
            const k: float32[2,2] = 1 2 3 4
            const s: float32[2] = 10 100
            const o: float32[2] = 1 -1
            a = MUL(x, s)
            b = ADD(a, o)
            y = FULLY_CONNECTED(b, k) {fused_activation_function=RELU}
            output y
            """
        )
    )
    (node,) = graph.nodes
    assert node.inputs == ("x", "k", "y/bias")
    assert np.array_equal(graph.tensors["k"].data, [[10, 200], [30, 400]])  # type: ignore[arg-type]
    assert np.array_equal(graph.tensors["y/bias"].data, [-1, -1])  # type: ignore[arg-type]


def test_outputs_of_one_input_channel_side_by_side_get_its_scale() -> None:
    graph, _ = fold_input_scaling(
        parse_graph(
            """
            input x: float32[1,1,1,2]
            const k: float32[1,1,1,4] = 1 2 3 4
            const b: float32[4] = 0
            const s: float32[2] = 10 100
            a = MUL(x, s)
            y = DEPTHWISE_CONV_2D(a, k, b) {depth_multiplier=2}
            output y
            """
        )
    )
    assert np.array_equal(graph.tensors["k"].data.ravel(), [10, 20, 300, 400])  # type: ignore[union-attr]


def test_values_that_are_needed_elsewhere_stay() -> None:
    text = """
        input x: float32[1,2]
        const k: float32[2,2] = 1
        const s: float32[] = 3
        a = MUL(x, s) {options}@scale
        y = FULLY_CONNECTED(a, k) @dense
        output y{more}
    """
    for options, more, reason in (
        ("", ", a", "'a' is also read elsewhere"),
        ("{fused_activation_function=RELU} ", "", "an activation comes between it and layer 'dense'"),
    ):
        graph = parse_graph(text.replace("{options}", options).replace("{more}", more))
        same, notes = fold_input_scaling(graph)
        assert same is graph
        assert [reason in note.text for note in notes] == [True]


def test_a_scaling_before_something_else_is_not_even_noted() -> None:
    graph = parse_graph("input x: float32[1,2]\nconst s: float32[] = 3\na = MUL(x, s)\ny = TANH(a)\noutput y")
    assert fold_input_scaling(graph) == (graph, ())


def test_an_addition_that_a_padded_border_misses_by_a_little_stays_apart() -> None:
    graph = parse_graph(
        """
        input x: float32[1,6,6,1]
        const k: float32[1,3,3,1] = 1 1 1 1 1 1 1 1 0.001
        const o: float32[1] = 0.001
        a = ADD(x, o)
        y = CONV_2D(a, k) {padding=SAME}
        output y
        """
    )
    folded, notes = fold_input_scaling(graph)
    assert folded is graph
    assert "which the addition must not reach" in notes[0].text
