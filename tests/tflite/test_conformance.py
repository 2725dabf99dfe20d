"""Every example of the op table, written to a file and run by the real interpreters.

The integer reference must equal TensorFlow Lite Micro, bit for bit; LiteRT's reference kernels likewise, or within a
step where the row says that they round in floating point; LiteRT's default kernels within a step. Where results feed
back it is a step for each step in time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octavo.config import QuantizeConfig, scheme_named
from octavo.dtypes import DType
from octavo.errors import OctavoError
from octavo.ir.graph import with_tensors
from octavo.ops.spec import Example, OpSpec
from octavo.ops.table import OPS
from octavo.run import reference
from octavo.run.litert import LiteRT
from octavo.run.micro import Micro
from octavo.write.tflite import write_tflite
from single_op import (
    CASES,
    INTEGER_CASES,
    Values,
    as_integers,
    float_graph,
    integer_graph,
    rounding_bound,
    samples,
    steps_in_time,
)

pytest.importorskip("tflite_micro")

Runtimes = dict[str, LiteRT | Micro]


def runtimes(content: bytes, spec: OpSpec, activations: DType) -> Runtimes:
    """The runtimes that claim to have the operator, by name."""
    found: Runtimes = {"LiteRT default": LiteRT(content)}
    if activations not in spec.wrong_in_litert_reference:
        found["LiteRT reference"] = LiteRT(content, kernels="reference")
    if activations in spec.micro:
        found["TensorFlow Lite Micro"] = Micro(content)
    return found


def steps_apart(got: Values, expected: Values) -> tuple[int, str]:
    """The largest difference of integer results, and a sentence about all of them."""
    gaps = [np.abs(got[name].astype(np.int64) - expected[name].astype(np.int64)).ravel() for name in expected]
    gap = np.concatenate(gaps)
    largest = int(gap.max(initial=0))
    return largest, f"{np.count_nonzero(gap)} of {gap.size} elements differ, by up to {largest}"


@pytest.mark.parametrize(("spec", "example"), CASES.values(), ids=CASES)
def test_a_float_operator_computes_what_the_interpreters_compute(spec: OpSpec, example: Example) -> None:
    graph = float_graph(spec, example)
    found = runtimes(write_tflite(graph), spec, DType.FLOAT32)
    for values in samples(graph, example):
        expected = reference.run(graph, values)
        bound = rounding_bound(graph, values)
        for runtime, model in found.items():
            model.reset()
            results = model.run(values)
            for name, want in expected.items():
                assert results[name].dtype == want.dtype, f"{runtime}, {name}"
                np.testing.assert_allclose(results[name], want, rtol=0, atol=bound, err_msg=f"{runtime}, {name}")


@pytest.mark.parametrize("dtype", [DType.INT32, DType.BOOL])
@pytest.mark.parametrize("spec", [spec for spec in OPS.values() if spec.takes_whole], ids=lambda spec: spec.name)
def test_an_operator_takes_the_whole_numbers_and_truth_values_that_its_row_says(spec: OpSpec, dtype: DType) -> None:
    graph = float_graph(spec, spec.examples[0])
    within = [tensor for tensor in graph.tensors.values() if tensor.dtype is DType.FLOAT32]
    held = (None if tensor.data is None else tensor.data.astype(dtype.numpy) for tensor in within)
    graph = with_tensors(
        graph, [replace(tensor, dtype=dtype, data=data) for tensor, data in zip(within, held, strict=True)]
    )
    if dtype is DType.BOOL and not spec.takes_truths:
        with pytest.raises(OctavoError), LiteRT(write_tflite(graph)) as model:
            model.run({name: np.ones(graph.tensors[name].shape, bool) for name in graph.inputs})
        return
    values = {name: array + (dtype is DType.INT32) for name, array in samples(graph, spec.examples[0])[0].items()}
    with LiteRT(write_tflite(graph)) as model:
        found = model.run(values)
    for name, want in reference.run(graph, values).items():
        np.testing.assert_array_equal(found[name], want)


@pytest.mark.parametrize(("spec", "example", "config"), INTEGER_CASES.values(), ids=INTEGER_CASES)
def test_an_integer_operator_equals_the_interpreters(spec: OpSpec, example: Example, config: QuantizeConfig) -> None:
    activations = scheme_named(config.scheme).activations
    assert activations is not None
    inputs = samples(float_graph(spec, example), example)
    graph = integer_graph(float_graph(spec, example), inputs, config)
    times = steps_in_time(spec, graph.tensors[graph.outputs[0]])
    allowed = {"LiteRT default": times, "LiteRT reference": 0 if spec.exact else times, "TensorFlow Lite Micro": 0}
    found = runtimes(write_tflite(graph), spec, activations)
    for values in (as_integers(graph, floats) for floats in inputs):
        expected = reference.run(graph, values)
        for runtime, model in found.items():
            model.reset()
            largest, sentence = steps_apart(model.run(values), expected)
            assert largest <= allowed[runtime], f"{runtime}: {sentence}"
