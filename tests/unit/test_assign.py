"""Executing a plan: integer tensors and constants, and what stands where integers meet floats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.errors import NonFiniteError
from octavo.ir.check import check_quantized, check_structure
from octavo.ir.graph import consumers, producers, with_tensors
from octavo.ir.types import Graph, PerAxis
from octavo.numerics.affine import dequantize, representable
from octavo.ops.check import check_scales, check_shapes
from octavo.ops.text import parse_graph
from octavo.plan.make import make_plan
from octavo.plan.types import Plan
from octavo.quantization.assign import assign
from octavo.quantization.parameters import SMALLEST_WIDTH
from octavo.quantization.weights import largest_bias
from octavo.run import reference
from plan_graphs import GRAPHS, executed, graph_of, ops, parameters, planned, ranges_of

SCHEMES = ("float32", "float16", "dynamic", "int8", "int16x8", "int8x4")


def made(name: str, scheme: str = "int8", **options: object) -> Graph:
    return executed(*planned(name, scheme, **options))


def data_of(graph: Graph, name: str) -> np.ndarray:
    data = graph.tensors[name].data
    assert data is not None
    return data


def biases(graph: Graph) -> list[str]:
    """Names of the biases of a graph's dense layers, in execution order."""
    return [str(node.inputs[2]) for node in graph.nodes if node.op == "FULLY_CONNECTED" and len(node.inputs) > 2]


def weight_types(graph: Graph, *results: str) -> list[DType]:
    """Types in which the weights of the dense layers that make `results` are stored."""
    makers = producers(graph)
    names = [str(makers[result].inputs[1]) for result in results]
    return [graph.tensors[str(makers[n].inputs[0]) if n in makers else n].dtype for n in names]


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_a_plan_makes_holds_together(name: str, scheme: str) -> None:
    graph = made(name, scheme)
    check_structure(graph)
    check_shapes(graph)
    check_quantized(graph)
    check_scales(graph)
    before = graph_of(name)
    assert (graph.inputs, graph.outputs) == (before.inputs, before.outputs)


@pytest.mark.parametrize("name", [name for name in GRAPHS if "without int" not in name])
@pytest.mark.parametrize("scheme", ["int8", "int16x8", "int8x4"])
def test_no_float_is_left_where_nothing_is_an_island(name: str, scheme: str) -> None:
    assert [tensor.name for tensor in made(name, scheme).tensors.values() if tensor.dtype.is_float] == []


def test_a_range_is_that_of_the_group_widened_to_hold_zero() -> None:
    graph, plan = planned("a chain that only moves values")
    quantized = assign(graph, plan, {"x": (0.5, 2.0), "y": (0.0, 5.1), "z": (-4.0, -1.0)})
    ranges = {name: representable(parameters(quantized, name), DType.INT8) for name in ("x", "line", "z")}
    # The zero point is an integer, which moves a range by up to half a step.
    assert ranges["x"] == pytest.approx((0.0, 2.0), abs=1 / 255)
    assert ranges["line"] == pytest.approx((0.0, 5.1), abs=2.55 / 255)
    assert ranges["z"] == pytest.approx((-4.0, 0.0), abs=2 / 255)


@pytest.mark.parametrize("seen", [(0.0, 1e-30), (1e-20, 1e-20), (-1e-12, 0.0)])
def test_a_range_too_narrow_for_the_kernels_is_widened(seen: tuple[float, float]) -> None:
    graph, plan = planned("a chain that only moves values")
    quantized = assign(graph, plan, {"x": seen, "y": (0.0, 1.0), "z": (0.0, 1.0)})
    assert parameters(quantized, "x").scale[0] == pytest.approx(SMALLEST_WIDTH / 255, rel=1e-3)


def test_a_range_is_cut_where_its_readers_are_flat() -> None:
    graph, plan = planned("readers that are flat far from zero")
    seen = {name: (-3000.0, 7.0) for name in plan.observed}
    quantized = assign(graph, plan, seen)
    assert representable(parameters(quantized, "wide"), DType.INT8) == pytest.approx((-12.0, 7.0), abs=19 / 255)
    assert parameters(quantized, "shared").scale[0] == pytest.approx(3007 / 255)


def test_a_tensor_that_is_always_zero_has_the_scale_of_values_up_to_one() -> None:
    graph, plan = planned("a chain that only moves values")
    quantized = assign(graph, plan, {"x": (0.0, 0.0), "y": (0.0, 1.0), "z": (0.0, 1.0)})
    assert parameters(quantized, "x").scale[0] == np.float32(1 / 255)


def test_int16_activations_are_symmetric() -> None:
    graph, plan = planned("a chain that only moves values", "int16x8")
    quantized = assign(graph, plan, {"x": (0.5, 2.0), "y": (0.0, 5.1), "z": (-4.0, -1.0)})
    assert parameters(quantized, "x").scale[0] == np.float32(2.0 / 32767)
    assert parameters(quantized, "z").zero_point[0] == 0


def test_a_fixed_tensor_enters_another_group_through_a_quantize() -> None:
    graph = made("fixed tensors of two kinds and a free one concatenated")
    assert ops(graph).count("QUANTIZE") == 2
    joined = producers(graph)["joined"]
    assert [producers(graph)[str(name)].op for name in joined.inputs] == ["QUANTIZE", "QUANTIZE", "RELU"]


def test_a_fixed_tensor_that_enters_two_groups_is_requantized_for_each() -> None:
    graph = parse_graph("""
        input x: float32[1,8]
        input y: float32[1,8]
        fixed = LOGISTIC(x) @gate
        narrow = RELU(x) @narrow
        wide = RELU(y) @wide
        first = CONCATENATION(fixed, narrow) {axis=1} @first
        second = CONCATENATION(fixed, wide) {axis=1} @second
        again = CONCATENATION(wide, fixed) {axis=1} @again
        output first, second, again
    """)
    plan = make_plan(graph, QuantizeConfig())
    ranges = {name: (0.0, 50.0 if name in ("y", "wide", "second", "again") else 2.0) for name in plan.observed}
    integer = assign(graph, plan, ranges)
    entered = {name: producers(integer)[name].inputs[0] for name in ("first", "second")}
    assert entered["first"] != entered["second"]
    for joined in ("first", "second"):
        assert integer.tensors[entered[joined]].quantization == integer.tensors[joined].quantization
    assert [node.op for node in integer.nodes].count("QUANTIZE") == 2


def test_integers_and_floats_meet_once_whoever_reads_them() -> None:
    graph = made("an operator without integer kernels between others")
    makers = producers(graph)
    # "before" is read by two islands, "negative" by two integer layers; "again" is a float output.
    assert ops(graph).count("DEQUANTIZE") == ops(graph).count("QUANTIZE") == 1
    assert {makers[str(makers[name].inputs[0])].op for name in ("running", "again")} == {"DEQUANTIZE"}
    assert {makers[str(makers[name].inputs[0])].op for name in ("after", "other")} == {"QUANTIZE"}
    assert graph.tensors["again"].dtype is DType.FLOAT32
    assert [tensor.layer for tensor in graph.tensors.values() if tensor.name.endswith("/float")] == ["before"]


def test_a_skipped_first_layer_leaves_the_input_in_float() -> None:
    graph = made("a chain that only moves values", skip=["conv"])
    assert graph.tensors["x"].dtype is DType.FLOAT32
    assert ops(graph) == ["CONV_2D", "QUANTIZE", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED"]
    assert graph.tensors["k"].dtype is DType.FLOAT32


def test_an_input_read_by_integers_and_floats_is_an_integer() -> None:
    graph = made("two inputs", skip=["mul"])
    assert {graph.tensors[name].dtype for name in ("a", "b", "sum")} == {DType.INT8}
    assert ops(graph) == ["ADD", "DEQUANTIZE", "DEQUANTIZE", "MUL"]


def test_a_weight_that_a_skipped_layer_shares_stands_in_both_forms() -> None:
    text = GRAPHS["a layer shared by inputs of different ranges"].replace(
        "far = FULLY_CONNECTED(far_x, w, b) @shared", "far = FULLY_CONNECTED(far_x, w, b) @kept"
    )
    graph = made(text, skip=["kept"])
    assert weight_types(graph, "near", "far") == [DType.INT8, DType.FLOAT32]


@pytest.mark.parametrize(("scheme", "dtype"), [("dynamic", DType.INT8), ("float16", DType.FLOAT16)])
def test_a_weight_that_a_skipped_layer_shares_stands_in_both_forms_beside_float_activations(
    scheme: str, dtype: DType
) -> None:
    text = GRAPHS["a layer large enough for hybrid kernels and one that is not"].replace(
        "output small", "other = FULLY_CONNECTED(x, w1, b1) @kept\n        output small, other"
    )
    graph = made(text, scheme, skip=["kept"])
    assert weight_types(graph, "large", "other") == [dtype, DType.FLOAT32]


def test_a_shared_layer_has_one_weight_and_a_bias_for_each_range() -> None:
    graph = made("a layer shared by inputs of different ranges")
    near, far = biases(graph)
    assert near != far
    weight_scale = parameters(graph, "w").scale.astype(np.float64)
    for bias, data in ((near, "x"), (far, "far_x")):
        scale = float(parameters(graph, data).scale[0]) * weight_scale
        np.testing.assert_array_equal(parameters(graph, bias).scale, scale.astype(np.float32))
        half_steps = np.abs(
            data_of(graph, bias) * scale - data_of(graph_of("a layer shared by inputs of different ranges"), "b")
        )
        assert (half_steps <= scale / 2 * (1 + 1e-6)).all()


def test_int16_biases_are_int64() -> None:
    graph = made("a chain that only moves values", "int16x8")
    assert {graph.tensors[name].dtype for name in ("b", "c")} == {DType.INT64}


def test_weights_are_narrow_symmetric_and_within_half_a_step() -> None:
    graph, before = made("a chain that only moves values"), graph_of("a chain that only moves values")
    for name in ("k", "w"):
        assert parameters(graph, name).granularity == PerAxis(0)
        assert (parameters(graph, name).zero_point == 0).all()
        integers = data_of(graph, name)
        assert (np.abs(integers).reshape(len(integers), -1).max(axis=1) == 127).all()
        error = np.abs(dequantize(integers, parameters(graph, name)) - data_of(before, name))
        steps = parameters(graph, name).scale.reshape(-1, *[1] * (integers.ndim - 1))
        assert (error <= steps * (0.5 + 127 * np.finfo(np.float32).eps)).all()


def test_per_tensor_weights_have_one_scale() -> None:
    graph = made("a chain that only moves values", per_axis=False)
    assert all(parameters(graph, name).scale.shape == (1,) for name in ("k", "w", "b", "c"))


def test_a_large_bias_beside_tiny_weights_raises_their_scale_until_it_fits() -> None:
    graph, plan = planned("a chain that only moves values")
    weights, bias = data_of(graph, "w").copy(), data_of(graph, "c").copy()
    weights[0] *= 1e-9
    bias[0] = 1e3
    graph = with_tensors(graph, [replace(graph.tensors["w"], data=weights), replace(graph.tensors["c"], data=bias)])
    quantized = assign(graph, plan, ranges_of(graph, plan))
    integer = int(data_of(quantized, "c")[0])
    assert integer == pytest.approx(largest_bias(DType.INT8), rel=1e-6)
    assert integer * float(parameters(quantized, "c").scale[0]) == pytest.approx(1e3, rel=1e-6)


def test_a_learned_magnitude_decides_a_weights_scale() -> None:
    graph, plan = planned("a chain that only moves values")
    limit = np.full(4, 0.5, np.float32)
    quantized = assign(graph, plan, ranges_of(graph, plan), {"k": limit})
    np.testing.assert_array_equal(parameters(quantized, "k").scale, (limit / 127).astype(np.float32))
    clipped = np.clip(data_of(graph, "k"), -0.5, 0.5)
    error = np.abs(dequantize(data_of(quantized, "k"), parameters(quantized, "k")) - clipped)
    assert error.max() <= 0.5 / 127 * (0.5 + 127 * np.finfo(np.float32).eps)


def test_constants_are_quantized_once_for_each_grid_they_enter() -> None:
    graph = made("a clip shared by tensors of different ranges")
    clips = [str(node.inputs[1]) for node in graph.nodes if node.op == "MAXIMUM"]
    assert len(set(clips)) == 2
    for name, result in zip(clips, ("near", "far"), strict=True):
        assert parameters(graph, name) == parameters(graph, result)
        real = dequantize(data_of(graph, name), parameters(graph, name))
        assert abs(float(real) + 0.5) <= parameters(graph, name).scale[0]


def test_dynamic_weights_are_int8_beside_float_activations() -> None:
    graph = made("a layer large enough for hybrid kernels and one that is not", "dynamic")
    assert {name: graph.tensors[name].dtype for name in ("x", "w1", "b1", "w2", "small")} == {
        "x": DType.FLOAT32,
        "w1": DType.INT8,
        "b1": DType.FLOAT32,
        "w2": DType.FLOAT32,
        "small": DType.FLOAT32,
    }


def test_float16_weights_pass_through_a_dequantize_once() -> None:
    graph = made("a layer shared by inputs of different ranges", "float16")
    assert ops(graph).count("DEQUANTIZE") == 1
    (half,) = (tensor for tensor in graph.tensors.values() if tensor.dtype is DType.FLOAT16)
    assert [node.op for node in consumers(graph)[half.name]] == ["DEQUANTIZE"]
    assert len(consumers(graph)["w"]) == 2


def test_a_weight_beyond_float16_is_refused() -> None:
    graph, plan = planned("a layer shared by inputs of different ranges", "float16")
    weights = data_of(graph, "w").copy()
    weights[0, 0] = 1e6
    with pytest.raises(NonFiniteError, match=r"fix: +keep the layer in float32 with skip="):
        executed(with_tensors(graph, [replace(graph.tensors["w"], data=weights)]), plan)


def test_float32_is_the_graph_itself() -> None:
    graph, plan = planned("two inputs", "float32")
    assert executed(graph, plan) is graph


def test_every_tensor_of_the_same_plan_is_made_the_same() -> None:
    def fingerprint(graph: Graph, plan: Plan) -> list[tuple[str, bytes]]:
        tensors = executed(graph, plan).tensors.values()
        return [(t.name, b"" if t.data is None else t.data.tobytes()) for t in tensors]

    name = "a chain that only moves values"
    assert fingerprint(*planned(name)) == fingerprint(*planned(name))


def test_what_has_a_pole_in_float_is_bounded_before_it_becomes_integers() -> None:
    """RSQRT has no int16 kernel, and an input that training never showed takes it far beyond int32."""
    graph = parse_graph("""
        input x: float32[1,8]
        const e: float32[1] = 1e-9
        raised = ADD(x, e) @norm
        root = RSQRT(raised) @norm
        y = MUL(x, root) @norm
        output y
    """)
    plan = make_plan(graph, QuantizeConfig("int16x8"))
    assert [island.op for island in plan.islands] == ["ADD", "RSQRT"]
    quantized = assign(graph, plan, {"x": (0.0, 1e9), "root": (0.0, 1e-4), "y": (0.0, 1e5)})
    assert [node.op for node in quantized.nodes] == ["DEQUANTIZE", "ADD", "RSQRT", "MINIMUM", "QUANTIZE", "MUL"]
    values = {"x": np.zeros((1, 8), np.int16)}
    stored = reference.run(quantized, values, keep=("root/quantized",))["root/quantized"]
    assert (stored == 32767).all()
