"""Every operator that has a C kernel, on each example of its row: bit for bit what the integer reference computes.

The reference equals TensorFlow Lite Micro on the same examples (tests/tflite/test_conformance.py). All examples are one
program; in an exhaustive run each is also two files of its own, and all run on every core.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bundled import Bundle
from generated import NAME, NEEDS_COMPILER, NEEDS_EMULATOR, expected, on_core, on_host, random_vectors, write
from octavo.board.emulator import CORES, Image
from octavo.config import scheme_named
from octavo.dtypes import DType
from octavo.errors import UnsupportedLayerError, VerificationError
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph
from octavo.ops.table import OPS
from octavo.write.c.moves import lower_move
from octavo.write.c.table import LOWERINGS
from single_op import INTEGER_CASES, Values, as_integers, float_graph, integer_graph, samples

CASES = {
    name: case
    for name, case in INTEGER_CASES.items()
    if case[0].name in LOWERINGS[scheme_named(case[2].scheme).activations]
}

# Another granularity of weights is other numbers for the same instructions; the host and exhaustive runs have them.
ON_CORE = [name for name in CASES if not name.endswith("-per_tensor")]
# The emulated board of a Cortex-M0 has no room for all examples at once.
ROOMY = [name for name, core in CORES.items() if core.ram_bytes >= 1 << 20]


@cache
def quantized_case(name: str) -> tuple[Graph, list[Values]]:
    """An example as a graph, and the integers of its own inputs; these and random ones are the vectors."""
    spec, example, config = CASES[name]
    inputs = samples(float_graph(spec, example), example)
    graph = integer_graph(float_graph(spec, example), inputs, config)
    return graph, [*(as_integers(graph, floats) for floats in inputs), *random_vectors(graph, 20)]


def all_cases(names: Iterable[str] = CASES) -> Bundle:
    cases = {name: quantized_case(name) for name in names}
    return Bundle({name: case[0] for name, case in cases.items()}, {name: case[1] for name, case in cases.items()})


@pytest.fixture(scope="module")
def from_host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return all_cases().on_host(tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def from_core(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return all_cases(ON_CORE).on_core(tmp_path_factory.mktemp("core"), "cortex-m4")


@NEEDS_COMPILER
@pytest.mark.parametrize("name", CASES)
def test_an_operator_in_c_equals_the_reference(name: str, from_host: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(from_host[name], expected(*quantized_case(name)))


@pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS_EMULATOR) for name in ON_CORE])
def test_the_instructions_of_the_dsp_extension_equal_the_reference(name: str, from_core: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(from_core[name], expected(*quantized_case(name)))


@pytest.mark.exhaustive
@NEEDS_COMPILER
@pytest.mark.parametrize("name", CASES)
def test_an_operator_alone_in_its_two_files_equals_the_reference(name: str, tmp_path: Path) -> None:
    graph, vectors = quantized_case(name)
    np.testing.assert_array_equal(on_host(graph, vectors, tmp_path), expected(graph, vectors))


@pytest.mark.exhaustive
@pytest.mark.parametrize("core", [pytest.param(core, marks=NEEDS_EMULATOR) for core in ROOMY])
def test_all_operators_equal_the_reference_on_every_core(core: str, tmp_path: Path) -> None:
    cases = all_cases()
    ran = cases.on_core(tmp_path, core)
    assert [name for name in CASES if not np.array_equal(ran[name], cases.expected(name))] == []


def test_what_every_int8_network_needs_has_a_kernel() -> None:
    tiny = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "AVERAGE_POOL_2D", "ADD", "RESHAPE"}
    for table in (LOWERINGS[DType.INT8], LOWERINGS[DType.INT16]):
        assert {*tiny, "SOFTMAX", "MEAN", "PAD", "CONCATENATION"} <= table.keys()


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16])
def test_whatever_micro_computes_in_integers_has_a_kernel(dtype: DType) -> None:
    rows = [spec for spec in OPS.values() if spec.integer is not None and dtype in spec.activations & spec.micro]
    # What becomes of integers between them has none: reals.
    assert {spec.name for spec in rows} - LOWERINGS[dtype].keys() == {"DEQUANTIZE"}


def test_every_operator_with_a_c_kernel_has_integers_and_is_shown() -> None:
    # Between types there are no examples.
    for dtype in (DType.INT8, DType.INT16):
        shown = {spec.name for spec, _, config in CASES.values() if scheme_named(config.scheme).activations is dtype}
        assert LOWERINGS[dtype].keys() - shown == {"QUANTIZE"}


@pytest.mark.parametrize("core", [pytest.param(core, marks=NEEDS_EMULATOR) for core in CORES])
def test_every_core_boots_and_computes(core: str, tmp_path: Path) -> None:
    graph, vectors = quantized_case("DEPTHWISE_CONV_2D-0-int8")
    ran = on_core(graph, vectors[:2], tmp_path, core)
    np.testing.assert_array_equal(ran.outputs, expected(graph, vectors[:2]))
    assert (ran.instructions > 8 * 8 * 3 * 9).all()  # a few at least for each product


@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=NEEDS_EMULATOR)])
def test_results_that_are_missing_are_told(core: str, tmp_path: Path) -> None:
    write(quantized_case("RELU-0-int8")[0], tmp_path)
    image = Image(tmp_path, NAME, [8], [8], core)
    assert image.run(np.zeros((2, 8), np.int8)).outputs.shape == (2, 8)
    with pytest.raises(VerificationError, match=r"1 of 2 results(.*\n)+.*fix: +check that the program fits"):
        image.run(np.zeros((2, 4), np.int8))


def test_places_that_are_computed_are_named() -> None:
    graph, _ = quantized_case("GATHER-0-int8")
    (node,) = graph.nodes
    indices = graph.tensors[str(node.inputs[1])]
    computed = with_tensors(graph, [replace(indices, data=None)])
    with pytest.raises(UnsupportedLayerError, match=r"fix: +give the layer constant indices or shapes"):
        lower_move(computed, node, "m")
