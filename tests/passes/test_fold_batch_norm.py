"""fold_batch_norm."""

from __future__ import annotations

import numpy as np
import pytest
from pass_graphs import graph_of

from octavo.ops.text import parse_graph
from octavo.passes.fold_batch_norm import fold_batch_norm

LAYER = """
input x: float32[1,2,2,2]
const k: float32[2,1,1,2] = 1 2 3 4 @conv
const b: float32[2] = 5 6 @conv
const c: float32[2] = 2 -1 @bn
const column: float32[2,1] = 2 3 @bn
const scalar: float32[] = 2 @bn
"""


def test_constants_go_into_every_kind_of_layer() -> None:
    graph, notes = fold_batch_norm(graph_of("batch norm after each kind of layer"))
    assert [node.op for node in graph.nodes] == [
        "CONV_2D", "RELU6", "DEPTHWISE_CONV_2D", "RELU", "TRANSPOSE_CONV", "RESHAPE", "FULLY_CONNECTED",
    ]  # fmt: skip
    assert [node.outputs[0] for node in graph.nodes] == [
        "bn_1", "relu_1", "bn_2", "relu_2", "bn_3", "flat", "bn_4",
    ]  # fmt: skip
    assert notes == ()


@pytest.mark.parametrize(
    ("line", "kernel", "bias"),
    [
        ("y = MUL(a, c)", [2, 4, -3, -4], [10, -6]),
        ("y = MUL(scalar, a)", [2, 4, 6, 8], [10, 12]),
        ("y = DIV(a, c)", [0.5, 1, -3, -4], [2.5, -6]),
        ("y = ADD(a, c)", [1, 2, 3, 4], [7, 5]),
        ("y = SUB(a, c)", [1, 2, 3, 4], [3, 7]),
        ("y = SUB(c, a)", [-1, -2, -3, -4], [-3, -7]),
    ],
)
def test_the_algebra_of_each_operator(line: str, kernel: list[float], bias: list[float]) -> None:
    graph, _ = fold_batch_norm(parse_graph(f"{LAYER}\na = CONV_2D(x, k, b) @conv\n{line} @bn\noutput y"))
    (node,) = graph.nodes
    assert (node.inputs, node.outputs, node.layer) == (("x", "k", "b"), ("y",), "conv")
    assert np.array_equal(graph.tensors["k"].data.ravel(), kernel)  # type: ignore[union-attr]
    assert np.array_equal(graph.tensors["b"].data, bias)  # type: ignore[arg-type]


def test_a_layer_without_bias_gets_one_only_if_it_needs_it() -> None:
    text = "input x: float32[1,2]\nconst k: float32[2,2] = 1\nconst c: float32[] = 3\na = FULLY_CONNECTED(x, k)\n"
    scaled, _ = fold_batch_norm(parse_graph(f"{text}y = MUL(a, c)\noutput y"))
    moved, _ = fold_batch_norm(parse_graph(f"{text}y = ADD(a, c)\noutput y"))
    assert scaled.nodes[0].inputs == ("x", "k")
    assert moved.nodes[0].inputs == ("x", "k", "a/bias")
    assert np.array_equal(moved.tensors["a/bias"].data, [3, 3])  # type: ignore[arg-type]


def test_weights_that_two_layers_share_are_folded_apart() -> None:
    graph, _ = fold_batch_norm(graph_of("a residual block"))
    first, second = (node for node in graph.nodes if node.op == "CONV_2D")
    assert first.inputs[1] != second.inputs[1] == "k1"


def test_an_activation_after_the_constants_moves_along() -> None:
    text = f"{LAYER}\na = CONV_2D(x, k, b) @conv\ny = ADD(a, c) {{fused_activation_function=RELU}} @bn\noutput y"
    graph, _ = fold_batch_norm(parse_graph(text))
    assert [node.options.fused_activation_function.name for node in graph.nodes] == ["RELU"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("a = CONV_2D(x, k, b) @conv\ny = MUL(a, c) @bn\nz = RELU(a)\noutput y, z", "'a' is also read elsewhere"),
        ("a = CONV_2D(x, k, b) @conv\ny = MUL(a, c) @bn\noutput y, a", "'a' is also read elsewhere"),
        (
            "a = CONV_2D(x, k, b) {fused_activation_function=RELU} @conv\ny = MUL(a, c) @bn\noutput y",
            "an activation comes between it and layer 'conv'",
        ),
        ("a = CONV_2D(x, k, b) @conv\ny = MUL(a, column) @bn\noutput y", "not one number for each channel"),
    ],
)
def test_what_cannot_be_folded_is_noted(lines: str, reason: str) -> None:
    graph = parse_graph(f"{LAYER}\n{lines}")
    same, notes = fold_batch_norm(graph)
    assert same is graph
    assert [note.subject for note in notes] == ["bn"]
    assert reason in notes[0].text


def test_weights_that_are_computed_are_left_alone() -> None:
    graph = parse_graph(
        """
        input x: float32[1,2]
        input k: float32[2,2]
        const c: float32[] = 3
        a = FULLY_CONNECTED(x, k)
        y = MUL(a, c)
        output y
        """
    )
    assert fold_batch_norm(graph) == (graph, ())
