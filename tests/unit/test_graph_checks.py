"""What a graph must obey, and what it is told when it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from octavo.dtypes import DType
from octavo.errors import GraphError
from octavo.ir.check import check_float, check_quantized, check_structure
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph, Node, PerAxis, Quantization, Tensor
from octavo.ops.check import check_scales, check_shapes
from octavo.ops.text import parse_graph

FLOAT = """
graph float
input x: float32[1,4,4,2]
const kernel: float32[3,1,1,2] = normal(0) @conv
const bias: float32[3] = 0.5 -1 0 @conv
y = CONV_2D(x, kernel, bias) @conv
output y
"""
INTEGER = """
graph integer
input x: int8[1,4,4,2] q(0.5; 3)
const kernel: int8[3,1,1,2] q(0.25 0.5 1; 0 0 0; 0) = 1 2 3 4 5 6 @conv
const bias: int32[3] q(0.125 0.25 0.5; 0 0 0; 0) = 7 @conv
const shape: int32[2] = -1 48
conv: int8[1,4,4,3] q(2; -128) = CONV_2D(x, kernel, bias) @conv
flat: int8[1,48] q(2; -128) = RESHAPE(conv, shape) @flat
output flat
"""


def changed(graph: Graph, name: str, **changes: object) -> Graph:
    """The graph with fields of one tensor replaced."""
    return with_tensors(graph, [replace(graph.tensors[name], **changes)])  # type: ignore[arg-type]


def with_parameters(graph: Graph, name: str, scale: object, zero_point: object, *axis: int) -> Graph:
    """The graph with other parameters of one tensor."""
    granularity = [PerAxis(number) for number in axis]
    return changed(graph, name, quantization=Quantization(np.array(scale), np.array(zero_point), *granularity))


def test_good_graphs_pass() -> None:
    for text in (FLOAT, INTEGER):
        graph = parse_graph(text)
        check_structure(graph)
        check_shapes(graph)
    check_float(parse_graph(FLOAT))
    check_quantized(parse_graph(INTEGER))
    check_scales(parse_graph(INTEGER))


BROKEN_STRUCTURES: dict[str, tuple[Callable[[Graph], Graph], str, str]] = {
    "a tensor filed under another name": (
        lambda g: replace(g, tensors={**g.tensors, "z": Tensor("y", (1,))}), "'z'", "with_tensors",
    ),
    "a constant of another shape": (
        lambda g: changed(g, "bias", shape=(4,)), "'bias' of layer 'conv'", "together with the data",
    ),
    "a constant of another type": (
        lambda g: changed(g, "bias", dtype=DType.INT32), "'bias' of layer 'conv'", "together with the data",
    ),
    "an int4 constant of more than four bits": (
        lambda g: changed(g, "bias", dtype=DType.INT4, data=np.array([0, 7, 8], np.int8)), "'bias'", "clip int4",
    ),
    "a node that reads what is made later": (
        lambda g: replace(g, nodes=(Node("RELU", ("y",), ("z",), layer="act"), *g.nodes)), "layer 'act'", "first",
    ),
    "a result made twice": (
        lambda g: replace(g, nodes=(*g.nodes, Node("RELU", ("x",), ("y",)))), "RELU that makes 'y'", "fresh_name",
    ),
    "a result without a tensor": (
        lambda g: replace(g, nodes=(*g.nodes, Node("RELU", ("x",), ("z",)))), "RELU that makes 'z'", "fresh_name",
    ),
    "an input that is a constant": (
        lambda g: replace(g, inputs=("x", "bias")), "inputs cannot make tensor 'bias'", "fresh_name",
    ),
    "an output that nothing makes": (lambda g: replace(g, outputs=("z",)), "'z'", "names of graph outputs"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "subject", "fix"), BROKEN_STRUCTURES.values(), ids=BROKEN_STRUCTURES)
def test_a_broken_structure_is_named(damage: Callable[[Graph], Graph], subject: str, fix: str) -> None:
    with pytest.raises(GraphError, match=rf"fix: .*{fix}") as error:
        check_structure(damage(parse_graph(FLOAT)))
    assert subject in error.value.what


def test_a_float_graph_holds_no_parameters_and_no_quantized_types() -> None:
    with pytest.raises(GraphError, match=r"fix: .*float model") as error:
        check_float(parse_graph(INTEGER))
    assert "'x' of layer 'x'" in error.value.what
    with pytest.raises(GraphError, match="int4, without parameters"):
        check_float(changed(parse_graph(FLOAT), "bias", dtype=DType.INT4, data=np.zeros(3, np.int8)))


BAD_PARAMETERS: dict[str, tuple[Callable[[Graph], Graph], str, str]] = {
    "an integer activation without parameters": (lambda g: changed(g, "conv", quantization=None), "conv", "no param"),
    "parameters on floats": (lambda g: changed(g, "conv", dtype=DType.FLOAT32), "conv", "on float32"),
    "too few scales": (lambda g: with_parameters(g, "kernel", [1, 1], [0, 0], 0), "kernel", "2 scales"),
    "a scale of zero": (lambda g: with_parameters(g, "conv", 0.0, 0), "conv", "scale 0.0"),
    "an infinite scale": (lambda g: with_parameters(g, "conv", np.inf, 0), "conv", "scale inf"),
    "a zero point out of range": (lambda g: with_parameters(g, "conv", 1.0, 128), "conv", "zero point 128"),
    "a zero point per axis": (lambda g: with_parameters(g, "kernel", [1, 1, 1], [0, 1, 0], 0), "kernel", "point 1"),
    "a zero point of a bias": (lambda g: with_parameters(g, "bias", 1.0, 1), "bias", "zero point 1"),
    "a zero point of 16 bits": (
        lambda g: with_parameters(changed(g, "conv", dtype=DType.INT16), "conv", 1.0, 1), "conv", "zero point 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "tensor", "got"), BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
def test_parameters_no_kernel_accepts_are_named(damage: Callable[[Graph], Graph], tensor: str, got: str) -> None:
    with pytest.raises(GraphError, match=r"fix: .*numerics.affine") as error:
        check_quantized(damage(parse_graph(INTEGER)))
    assert f"'{tensor}'" in error.value.what
    assert got in error.value.got


def test_a_shape_the_op_table_does_not_infer_is_named() -> None:
    with pytest.raises(GraphError, match=r"fix: .*shape rule") as error:
        check_shapes(changed(parse_graph(FLOAT), "y", shape=(1, 4, 4, 2)))
    assert "CONV_2D of layer 'conv'" in error.value.what
    assert error.value.expected == "(1, 4, 4, 3)"


@pytest.mark.parametrize(
    ("damage", "layer"),
    [
        (lambda g: with_parameters(g, "flat", 2.0, -127), "flat"),
        (lambda g: with_parameters(g, "bias", [0.125, 0.25, 0.25], [0, 0, 0], 0), "conv"),
        (lambda g: changed(g, "bias", quantization=None), "conv"),
    ],
    ids=["results that share", "a bias", "a bias without parameters"],
)
def test_scales_that_do_not_follow_are_named(damage: Callable[[Graph], Graph], layer: str) -> None:
    with pytest.raises(GraphError, match=r"fix: .*plan") as error:
        check_scales(damage(parse_graph(INTEGER)))
    assert f"layer '{layer}'" in error.value.what


def test_fixed_parameters_are_demanded() -> None:
    text = "input x: int8[1,4] q(0.1; 0)\ny: int8[1,4] q({}) = SOFTMAX(x) @probabilities\noutput y"
    check_scales(parse_graph(text.format("0.00390625; -128")))
    with pytest.raises(GraphError, match=r"fix: .*plan") as error:
        check_scales(parse_graph(text.format("0.1; 0")))
    assert error.value.expected == "scale 0.00390625, zero point -128"
