"""Functions with a pole: which operands span too much for int8, what is int16 around them, and how they are parted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.condition.biases import own_biases
from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.ir.types import Graph
from octavo.ops.text import parse_graph
from octavo.plan.make import make_plan
from octavo.plan.spans import SERVED, SERVED_BY_A_PART, Span, wide_spans
from octavo.quantization.split_spans import split_spans
from octavo.run import reference

NORMALIZATION = """
    graph network
    input x: float32[1,4,8]
    const axes: int32[1] = 2 @normal
    const epsilon: float32[] = 0.001 @normal
    const w: float32[8,8] = normal(1) @dense
    y = FULLY_CONNECTED(x, w) {keep_num_dims=True} @dense
    mean = MEAN(y, axes) {keep_dims=True} @normal
    centred = SUB(y, mean) @normal
    squares = MUL(centred, centred) @normal
    variance = MEAN(squares, axes) {keep_dims=True} @normal
    raised = ADD(variance, epsilon) @normal
    inverse = RSQRT(raised) @normal
    standard = MUL(centred, inverse) @normal
    z = ADD(standard, y) @shortcut
    output z
"""
SPECTRUM = """
    graph network
    input x: float32[1,4,8]
    const waves: float32[5,8] = normal(1) @real
    const bands: float32[3,5] = 0.25 @bands
    const floor: float32[] = 0.001 @floor
    real = FULLY_CONNECTED(x, waves) {keep_num_dims=True} @real
    power = MUL(real, real) @power
    band = FULLY_CONNECTED(power, bands) {keep_num_dims=True} @bands
    held = MAXIMUM(band, floor) @floor
    level = LOG(held) @level
    output level
"""


def graph_of(text: str) -> Graph:
    return parse_graph(text)


def spans_of(text: str, operand: str, low: float, high: float) -> tuple[Span, ...]:
    graph = graph_of(text)
    return wide_spans(graph, make_plan(graph, QuantizeConfig("int8")), {operand: (low, high)})


@pytest.mark.parametrize(("low", "high"), [(1.0, SERVED), (1e-6, SERVED * 1e-6), (0.0, 0.0)])
def test_what_spans_little_or_nothing_is_left_to_int8(low: float, high: float) -> None:
    assert spans_of(NORMALIZATION, "raised", low, high) == ()


def test_what_has_no_pole_may_span_what_it_likes() -> None:
    assert spans_of(NORMALIZATION, "squares", 1e-6, 10.0) == ()


def test_of_values_down_to_zero_the_smallest_is_what_int16_tells_from_it() -> None:
    (span,) = spans_of(NORMALIZATION, "raised", 0.0, 10.0)
    assert (span.lowest, span.high) == (10.0 / 32767, 10.0)


def test_a_normalization_is_int16_inside_and_its_neighbours_are_not() -> None:
    (span,) = spans_of(NORMALIZATION, "raised", 0.1, 10.0)
    assert span.node == "inverse"
    assert span.inside == {"mean", "centred", "squares", "variance", "raised", "standard"}
    graph = graph_of(NORMALIZATION)
    plan = make_plan(graph, QuantizeConfig("int8"), span.inside)
    assert {name for name, dtype in plan.types.items() if dtype is DType.INT16} == span.inside
    assert plan.natives["x"] is plan.natives["y"] is plan.natives["z"] is DType.INT8


def test_a_spectrum_is_int16_back_to_what_is_squared() -> None:
    (span,) = spans_of(SPECTRUM, "held", 0.001, 10.0)
    assert span.inside == {"real", "power", "band", "held"}
    frames = SPECTRUM.replace("real = FULLY", "const frames: int32[3] = 1 4 5\n    made = FULLY")
    moved = frames.replace("power = MUL", "real = RESHAPE(made, frames) @real\n    power = MUL")
    assert spans_of(moved, "held", 0.001, 10.0)[0].inside == {"made", *span.inside}
    mixed = SPECTRUM.replace("const bands: float32[3,5] = 0.25", "const bands: float32[3,5] = normal(2)")
    # Where bands are subtracted from one another small values come of large ones, and nothing before keeps them.
    assert spans_of(mixed, "held", 0.001, 10.0) == ()


def test_an_operator_without_an_int16_kernel_leaves_all_to_int8() -> None:
    text = NORMALIZATION.replace("MUL(centred, centred)", "SQUARED_DIFFERENCE(y, mean)")
    assert spans_of(text, "raised", 0.1, 10.0) == ()


def test_the_input_stays_int8_where_int16_alone_reads_it() -> None:
    text = SPECTRUM.replace("MUL(real, real)", "MUL(x, x)").replace("float32[3,5]", "float32[3,8]")
    graph = graph_of(text)
    (span,) = wide_spans(graph, make_plan(graph, QuantizeConfig("int8")), {"held": (0.001, 10.0)})
    plan = make_plan(graph, QuantizeConfig("int8"), span.inside)
    assert plan.natives["x"] is DType.INT8
    assert any(group.dtype is DType.INT8 and "x" in group.tensors for group in plan.groups)


@pytest.mark.parametrize(("text", "node"), [(NORMALIZATION, "raised"), (SPECTRUM, "held")])
@given(st.floats(1e-6, 1e3), st.floats(SERVED + 1, 1e8), st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_parted_function_computes_the_same(
    text: str, node: str, low: float, ratio: float, places: list[float]
) -> None:
    (span,) = spans_of(text, node, low, low * ratio)
    op = "RSQRT" if text is NORMALIZATION else "LOG"
    graph = graph_of(f"graph f\ninput x: float32[1,4]\n{span.node} = {op}(x) @f\noutput {span.node}")
    split = split_spans(graph, [span])
    x = (low * ratio ** np.array([places])).astype(np.float32)
    (name,) = graph.outputs
    wanted, found = (reference.run(each, {"x": x})[name] for each in (graph, split.graph))
    assert np.allclose(found, wanted, rtol=1e-5, atol=1e-4 if op == "LOG" else 0)
    # Each new tensor lies where the split says, and no part is of more than int8 serves.
    values = reference.run(split.graph, {"x": x}, keep=list(split.ranges))
    for new, (least, most) in split.ranges.items():
        slack = 1e-4 * max(abs(least), abs(most)) + 1e-6
        assert least - slack <= values[new].min() <= values[new].max() <= most + slack
    edges = (max(span.lowest, span.high / 32767), *span.bounds, span.high)
    assert max(b / a for a, b in itertools.pairwise(edges)) <= SERVED_BY_A_PART * 1.001


def test_a_bias_stays_where_a_logarithm_counts_on_results_that_are_never_negative() -> None:
    text = """
        graph network
        input x: float32[1,4]
        const w: float32[5,4] = normal(1) @first
        const b: float32[5] = normal(2) @first
        const bands: float32[3,5] = 0.25 @bands
        const floor: float32[3] = 0.01 @bands
        y = FULLY_CONNECTED(x, w, b) @first
        power = MUL(y, y) @power
        band = FULLY_CONNECTED(power, bands, floor) @bands
        level = LOG(band) @level
        output level
    """
    for op, kept in (("LOG", {"y"}), ("TANH", {"y", "band"})):
        graph = graph_of(text.replace("LOG(", f"{op}("))
        places, notes = own_biases(graph, make_plan(graph, QuantizeConfig("int8")), "method")
        assert set(places) == kept
        assert [note.subject for note in notes] == ["bands"] * (op == "LOG")
