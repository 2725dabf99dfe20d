"""Every operator that has a C kernel, on each int8 example of its row: bit for bit what the integer reference computes.

The reference equals TensorFlow Lite Micro on the same examples (tests/tflite/test_conformance.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from generated import NAME, NEEDS_COMPILER, NEEDS_EMULATOR, expected, on_core, on_host, random_vectors, write
from octavo.board.emulator import CORES, Image
from octavo.config import QuantizeConfig
from octavo.errors import VerificationError
from octavo.ops.spec import Example, OpSpec
from octavo.write.c.table import LOWERINGS
from single_op import INTEGER_CASES, as_integers, float_graph, integer_graph, samples

CASES = {
    name: case
    for name, case in INTEGER_CASES.items()
    if case[0].name in LOWERINGS and case[2].scheme in ("int8", "int8x4")
}


@NEEDS_COMPILER
@pytest.mark.parametrize(("spec", "example", "config"), CASES.values(), ids=CASES)
def test_an_operator_in_c_equals_the_reference(
    spec: OpSpec, example: Example, config: QuantizeConfig, tmp_path: Path
) -> None:
    inputs = samples(float_graph(spec, example), example)
    graph = integer_graph(float_graph(spec, example), inputs, config)
    vectors = [*(as_integers(graph, floats) for floats in inputs), *random_vectors(graph, 20)]
    np.testing.assert_array_equal(on_host(graph, vectors, tmp_path), expected(graph, vectors))


WEIGHTED = {
    name: case for name, case in CASES.items() if case[0].weights and case[2].scheme == "int8" and case[2].per_axis
}


@pytest.mark.parametrize(("spec", "example", "config"), WEIGHTED.values(), ids=WEIGHTED)
@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=NEEDS_EMULATOR)])
def test_the_instructions_of_the_dsp_extension_equal_the_reference(
    spec: OpSpec, example: Example, config: QuantizeConfig, core: str, tmp_path: Path
) -> None:
    inputs = samples(float_graph(spec, example), example)
    graph = integer_graph(float_graph(spec, example), inputs, config)
    vectors = random_vectors(graph, 20)
    np.testing.assert_array_equal(on_core(graph, vectors, tmp_path, core).outputs, expected(graph, vectors))


def test_what_every_int8_network_needs_has_a_kernel() -> None:
    tiny = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "AVERAGE_POOL_2D", "ADD", "RESHAPE"}
    assert {*tiny, "SOFTMAX", "MEAN", "PAD", "CONCATENATION"} <= LOWERINGS.keys()


@pytest.mark.parametrize("core", [pytest.param(core, marks=NEEDS_EMULATOR) for core in CORES])
def test_every_core_boots_and_computes(core: str, tmp_path: Path) -> None:
    spec, example, config = CASES["DEPTHWISE_CONV_2D-0-int8"]
    graph = integer_graph(float_graph(spec, example), samples(float_graph(spec, example), example), config)
    vectors = random_vectors(graph, 2)
    ran = on_core(graph, vectors, tmp_path, core)
    np.testing.assert_array_equal(ran.outputs, expected(graph, vectors))
    assert (ran.instructions > 8 * 8 * 3 * 9).all()  # a few at least for each product


@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=NEEDS_EMULATOR)])
def test_results_that_are_missing_are_told(core: str, tmp_path: Path) -> None:
    spec, example, config = CASES["RELU-0-int8"]
    graph = integer_graph(float_graph(spec, example), samples(float_graph(spec, example), example), config)
    write(graph, tmp_path)
    image = Image(tmp_path, NAME, [8], [8], core)
    assert image.run(np.zeros((2, 8), np.int8)).outputs.shape == (2, 8)
    with pytest.raises(VerificationError, match=r"1 of 2 results(.*\n)+.*fix: +check that the program fits"):
        image.run(np.zeros((2, 4), np.int8))
