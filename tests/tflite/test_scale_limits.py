"""The smallest output scale that a row states: every runtime runs it rightly, and what lies beyond it saturates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octavo.config import scheme_named
from octavo.dtypes import DType
from octavo.evaluate.verify import verify
from octavo.ir.graph import operands, with_tensors
from octavo.ir.types import Graph, Quantization
from octavo.numerics.affine import representable
from octavo.ops.fused import activation_of, smallest_output_scale
from octavo.ops.limits import MARGIN
from octavo.ops.roles import Free
from octavo.run import reference
from octavo.write.tflite import write_tflite
from single_op import INTEGER_CASES, as_integers, as_real_graph, as_reals, float_graph, integer_graph, samples

pytest.importorskip("tflite_micro")

LIMITED = {
    name: case
    for name, case in INTEGER_CASES.items()
    if case[0].output_scales is not None
    and case[2].per_axis
    and isinstance(case[0].rule(), Free)
    and name.split("-")[1] in "012"
}
# Kernels that abort, are refused or answer otherwise below the scale that their rows state.
STRICT = {
    "ADD-0-int8",
    "ADD-0-int16x8",
    "SUB-0-int16x8",
    "HARD_SWISH-0-int8",
    "CONV_2D-0-int8",
    "FULLY_CONNECTED-0-int8",
}


def narrowed(name: str, share: float) -> tuple[Graph, list[dict[str, np.ndarray]]]:
    """A single operator whose output has this share of the smallest scale its row states, and real inputs."""
    spec, example, config = LIMITED[name]
    graph = float_graph(spec, example)
    drawn = samples(graph, example)
    quantized = integer_graph(graph, drawn, config)
    (node,) = (node for node in quantized.nodes if node.op == spec.name)
    output = quantized.tensors[node.outputs[0]]
    assert spec.output_scales is not None
    stated = spec.output_scales(node.options, operands(quantized, node)).smallest
    smallest = max(stated * share, smallest_output_scale(activation_of(node.options))) * MARGIN
    parameters = Quantization(np.array(smallest), np.array(output.zero_point))
    return with_tensors(quantized, [replace(output, quantization=parameters)]), drawn


@pytest.mark.parametrize("name", LIMITED)
def test_every_runtime_runs_the_smallest_scale_and_saturates_beyond_it(name: str) -> None:
    graph, drawn = narrowed(name, 1.0)
    inputs = [as_integers(graph, values) for values in drawn]
    checked = verify(write_tflite(graph), graph, drawn)
    assert [check.summary() for check in checked.runtimes if not check.ok or "ends" in check.reason] == []
    (result,) = graph.outputs
    low, high = representable(graph.tensors[result].parameters, graph.tensors[result].dtype)
    for values in inputs:
        stored = reference.run(graph, values)[result]
        real = reference.run(as_real_graph(graph), as_reals(graph, values))[result]
        ends = graph.tensors[result].dtype.integer_range
        assert (stored[real > 2 * high] == ends[1]).all() or activation_of(graph.nodes[-1].options)
        assert (stored[real < 2 * low] == ends[0]).all() or low == 0.0


@pytest.mark.parametrize("name", sorted(STRICT))
def test_some_runtime_fails_below_it(name: str) -> None:
    graph, drawn = narrowed(name, 0.25)
    checked = verify(write_tflite(graph), graph, drawn)
    assert any(not check.ok or "ends" in check.reason or "refuses" in check.reason for check in checked.runtimes)


def test_the_rows_that_rescale_state_their_scales() -> None:
    limited = {case[0].name for case in LIMITED.values()}
    assert limited >= {"ADD", "SUB", "MUL", "MEAN", "SUM", "FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "RSQRT"}
    assert {scheme_named(case[2].scheme).activations for case in LIMITED.values()} == {DType.INT8, DType.INT16}
