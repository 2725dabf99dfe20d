"""Functions of one number that int8 looks up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.ir.types import Graph
from octavo.numerics.affine import dequantize, quantize
from octavo.ops.build import GraphBuilder
from octavo.ops.spec import Example, OpSpec
from octavo.ops.table import OPS
from octavo.ops.text import parse_graph
from octavo.plan.make import make_plan
from octavo.quantization.assign import assign
from octavo.run import reference
from single_op import CASES, float_graph, samples

WAVES = """
    input x: float32[1,300]
    const two: float32[1] = 2
    turned = MUL(x, two) @waves
    wave = SIN(turned) @waves
"""


def quantized(graph: Graph | str, low: float = -3.0, high: float = 3.0, **options: Sequence[str]) -> Graph:
    graph = parse_graph(graph) if isinstance(graph, str) else graph
    plan = make_plan(graph, QuantizeConfig(**options))
    return assign(graph, plan, dict.fromkeys(plan.observed, (low, high)))


@pytest.mark.parametrize("places", [1, 300])
def test_a_function_of_one_number_is_looked_up_whatever_it_is_made_of(places: int) -> None:
    graph = quantized(WAVES.replace("float32[1] = 2", f"float32[{places}] = 2") + "output wave")
    assert [node.op for node in graph.nodes] == ["CAST", "ADD", "GATHER"]
    x, wave = graph.tensors["x"], graph.tensors["wave"]
    integers = np.arange(-128, 128, dtype=np.int8)[None].repeat(2, 1)[:, :300]
    expected = quantize(np.sin(2 * dequantize(integers, x.parameters)), wave.parameters, DType.INT8)
    np.testing.assert_array_equal(reference.run(graph, {"x": integers})["wave"], expected)


def test_two_tables_of_one_tensor_share_its_places() -> None:
    graph = quantized(WAVES + "steps = FLOOR(turned) @waves\noutput wave, steps")
    assert sorted(node.op for node in graph.nodes) == ["ADD", "CAST", "GATHER", "GATHER"]


@pytest.mark.parametrize("end", ["output wave, turned", "next = RELU(turned) @next\noutput wave, next"])
def test_what_others_read_inside_a_function_that_is_looked_up_is_looked_up_too(end: str) -> None:
    graph = quantized(WAVES + end)
    x = np.arange(-128, 128, dtype=np.int8)[None].repeat(2, 1)[:, :300]
    turned = 2 * dequantize(x, graph.tensors["x"].parameters)
    found = reference.run(graph, {"x": x}, ["turned"])["turned"]
    np.testing.assert_array_equal(found, quantize(turned, graph.tensors["turned"].parameters, DType.INT8))


def test_a_layer_that_is_to_stay_in_float_is_not_looked_up() -> None:
    graph = quantized(WAVES + "output wave", skip=["waves"])
    assert [node.op for node in graph.nodes] == ["MUL", "SIN"]


def test_what_has_kernels_throughout_is_not_looked_up() -> None:
    text = "input x: float32[1,8]\nconst two: float32[1] = 2\ny = MUL(x, two) @y\nz = RELU(y) @y\noutput z"
    assert [node.op for node in quantized(text).nodes] == ["MUL", "RELU"]


def test_what_has_no_value_gets_that_of_the_nearest_number() -> None:
    text = "input x: float32[1,3]\ny = LOG(x) @y\nz = FLOOR(y) @y\noutput z"
    graph = quantized(text, -2.0, 2.0)
    results = reference.run(graph, {"x": np.array([[-128, -1, 127]], np.int8)})["z"]
    assert results[0, 0] == results[0, 1] == -128


@pytest.mark.parametrize(("limit", "expected"), [(100.0, True), (-100.0, False), (0.5, None)])
def test_a_constant_beyond_all_values_takes_no_steps_from_them(limit: float, expected: bool | None) -> None:
    b = GraphBuilder("below")
    x = b.input("x", (1, 4))
    y = b.emit("LESS", [x, b.constant(np.array([limit], np.float32), "limit")])
    graph = quantized(b.finish([y]), -1.0, 1.0)
    assert [node.op for node in graph.nodes] == ["CAST", "LESS"]
    assert graph.tensors["x"].scale == pytest.approx(2 / 255)
    truths = reference.run(graph, {"x": np.array([[-128, 0, 100, 127]], np.int8)})[y]
    wanted = [True, True, False, False] if expected is None else [expected] * 4
    np.testing.assert_array_equal(truths[0], wanted)


POINTWISE = {name: case for name, case in CASES.items() if case[0].pointwise}


def test_some_rows_are_functions_of_one_place() -> None:
    assert {spec.name for spec, _ in POINTWISE.values()} == {name for name, spec in OPS.items() if spec.pointwise}


@pytest.mark.parametrize(("spec", "example"), POINTWISE.values(), ids=POINTWISE)
def test_an_element_of_a_pointwise_operator_follows_from_those_at_its_place(spec: OpSpec, example: Example) -> None:
    graph = float_graph(spec, example)
    values = next(iter(samples(graph, example)))
    whole = reference.run(graph, values)
    turned = {name: array[..., ::-1] for name, array in values.items()}
    tensors = {
        name: tensor if tensor.data is None else replace(tensor, data=np.ascontiguousarray(tensor.data[..., ::-1]))
        for name, tensor in graph.tensors.items()
    }
    for name, array in reference.run(replace(graph, tensors=tensors), turned).items():
        # NumPy evaluates vectors and single numbers each within some units in the last place.
        np.testing.assert_allclose(array, whole[name][..., ::-1], rtol=4 * np.finfo(np.float32).eps)
