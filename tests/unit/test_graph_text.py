"""Graphs as text."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.dtypes import DType
from octavo.errors import GraphError
from octavo.ir.types import Graph, PerAxis
from octavo.ops.conv import Conv2DOptions
from octavo.ops.fused import FusedActivation
from octavo.ops.shape import SqueezeOptions
from octavo.ops.text import INLINE_ELEMENTS, format_graph, parse_graph
from octavo.ops.window import Padding
from single_op import CASES, float_graph

TEXT = """\
graph tiny
input x: int8[1,5,4,2] q(0.5; 3)
const kernel: int8[3,1,1,2] q(0.25 0.5 1.0; 0 0 0; 0) = 1 2 3 4 5 6 @block/conv
const bias: int32[3] q(0.125 0.25 0.5; 0 0 0; 0) = 7 @block/conv
conv: int8[1,2,2,3] q(2.0; -128) = CONV_2D(x, kernel, bias) \
{padding=VALID, stride_w=2, stride_h=3, fused_activation_function=RELU6} @block/conv
relu: int8[1,2,2,3] q(2.0; -128) = RELU(conv) @relu
output conv, relu
"""


def values(graph: Graph) -> dict[str, object]:
    """Everything a graph holds, comparable."""
    return {
        tensor.name: (
            tensor.shape,
            tensor.dtype,
            tensor.quantization,
            None if tensor.data is None else tensor.data.tobytes(),
        )
        for tensor in graph.tensors.values()
    }


def is_written_out(case: str) -> bool:
    """Whether the constants of an example are small enough to be written out."""
    return all(array.size <= INLINE_ELEMENTS for array in CASES[case][1].constants.values())


def test_text_says_what_the_graph_holds() -> None:
    graph = parse_graph(TEXT)
    assert (graph.name, graph.inputs, graph.outputs) == ("tiny", ("x",), ("conv", "relu"))
    conv, relu = graph.nodes
    assert conv.inputs == ("x", "kernel", "bias")
    assert conv.layer == graph.tensors["kernel"].layer == "block/conv"
    assert conv.options == Conv2DOptions(Padding.VALID, 2, 3, fused_activation_function=FusedActivation.RELU6)
    assert relu.op == "RELU"
    kernel = graph.tensors["kernel"]
    assert kernel.data is not None
    assert kernel.data.tolist() == [[[[1, 2]]], [[[3, 4]]], [[[5, 6]]]]
    assert kernel.quantization is not None
    assert kernel.quantization.granularity == PerAxis(0)
    assert graph.tensors["x"].dtype is DType.INT8


def test_formatted_text_is_the_text_that_was_parsed() -> None:
    assert format_graph(parse_graph(TEXT)) == TEXT


@pytest.mark.parametrize("case", [name for name in CASES if is_written_out(name)])
def test_examples_of_the_op_table_survive_the_round_trip(case: str) -> None:
    graph = float_graph(*CASES[case])
    again = parse_graph(format_graph(graph))
    assert values(again) == values(graph)
    assert again.nodes == graph.nodes


def test_types_left_out_are_inferred() -> None:
    graph = parse_graph("input x: float32[1,1,4,1]\ny = SQUEEZE(x) {squeeze_dims=(1,)} @squeeze\noutput y")
    assert graph.tensors["y"].shape == (1, 4, 1)
    assert graph.nodes[0].options == SqueezeOptions((1,))
    assert graph.tensors["y"].layer == "squeeze"


def test_constants_can_be_one_number_or_random_and_the_same_each_time() -> None:
    text = "const a: float32[2,3] = 0.5\nconst b: float32[100] = normal(7)\noutput a"
    first, second = parse_graph(text), parse_graph(text)
    assert first.tensors["a"].data is not None
    assert first.tensors["a"].data.tolist() == [[0.5] * 3] * 2
    assert values(first) == values(second)
    assert first.tensors["b"].data is not None
    assert np.ptp(first.tensors["b"].data) > 1


def test_absent_inputs_and_blank_lines_and_comments_are_understood() -> None:
    graph = parse_graph(
        """
        # a dense layer without bias
        input x: float32[1,4]

        const kernel: float32[3,4] = normal(0)
        y = FULLY_CONNECTED(x, kernel, _)
        output y
        """
    )
    assert graph.nodes[0].inputs == ("x", "kernel", None)


def test_large_constants_are_summed_up() -> None:
    graph = parse_graph("const a: float32[100] = normal(0)\noutput a")
    assert ".." in format_graph(graph)


@pytest.mark.parametrize(
    "line",
    ["y = RELU(nobody)", "input x float32[1]", "const a: float32[2] = 1 2 3", "y = RELU(x) {nothing=1}", "nonsense"],
)
def test_a_line_that_cannot_be_understood_is_named(line: str) -> None:
    with pytest.raises(GraphError, match=r"fix: .*format_graph") as error:
        parse_graph(f"input x: float32[1,2]\n{line}")
    assert "line 2" in error.value.what
