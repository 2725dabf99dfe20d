"""ResNet-8 and keyword spotting in C, on this machine and on emulated cores, against TensorFlow Lite Micro.

An exhaustive run takes 100 vectors on this machine, and three cores.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shared_files import NEEDS_SHARED, cifar, keywords, model_path

import octavo
from cmsis_nn_library import NEEDS_CMSIS_NN, library
from generated import (
    NEEDS_COMPILER,
    NEEDS_EMULATOR,
    Values,
    on_core,
    on_host,
    write,
    written_on_core,
    written_on_host,
)
from octavo.backend import start_keras
from octavo.board.emulator import COMPILER, CORES
from octavo.ir.types import Graph
from octavo.load.tflite import read_tflite
from octavo.numerics.affine import quantize
from octavo.run.micro import Micro

pytest.importorskip("tflite_micro")
pytestmark = NEEDS_SHARED
VECTORS, EXHAUSTIVE_VECTORS, EMULATED = 10, 100, 1
DATA: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {"resnet8": cifar, "kws": keywords}
EVERY_TIME, OTHERS = "cortex-m4", ("cortex-m3", "cortex-m33")
ARENA_BYTES = {"resnet8": 49_728, "kws": 8_448}


def official(network: str) -> bytes:
    return model_path(f"{network}_official_int8.tflite").read_bytes()


def own(network: str) -> bytes:
    start_keras()
    model = octavo.quantize(str(model_path(f"{network}.keras")), "int8", DATA[network]()[0][:100], verify="off")
    return model.model


def vectors_of(graph: Graph, network: str, count: int) -> list[Values]:
    """Real samples as the graph takes them."""
    (name,) = graph.inputs
    tensor = graph.tensors[name]
    samples = DATA[network]()[0][-count:]
    return [{name: quantize(sample[np.newaxis], tensor.parameters, tensor.dtype)} for sample in samples]


def by_micro(content: bytes, graph: Graph, vectors: list[Values]) -> np.ndarray:
    runtime = Micro(content)
    return np.stack([runtime.run(values)[graph.outputs[0]].ravel() for values in vectors])


@pytest.fixture(scope="module", params=[official, own], ids=["official", "own"])
def made(request: pytest.FixtureRequest) -> Callable[[str], bytes]:
    return request.param


@NEEDS_COMPILER
@pytest.mark.parametrize("network", DATA)
def test_c_on_the_host_equals_micro(
    made: Callable[[str], bytes], network: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    content = made(network)
    graph = read_tflite(content)
    vectors = vectors_of(graph, network, EXHAUSTIVE_VECTORS if pytestconfig.getoption("exhaustive") else VECTORS)
    np.testing.assert_array_equal(on_host(graph, vectors, tmp_path, "-O2"), by_micro(content, graph, vectors))


@pytest.mark.parametrize("network", [pytest.param(name, marks=NEEDS_EMULATOR) for name in DATA])
@pytest.mark.parametrize("core", [EVERY_TIME, *(pytest.param(core, marks=pytest.mark.exhaustive) for core in OTHERS)])
def test_c_on_a_core_equals_micro(network: str, core: str, tmp_path: Path) -> None:
    content = official(network)
    graph = read_tflite(content)
    vectors = vectors_of(graph, network, EMULATED)
    ran = on_core(graph, vectors, tmp_path, core)
    np.testing.assert_array_equal(ran.outputs, by_micro(content, graph, vectors))


@NEEDS_CMSIS_NN
@pytest.mark.parametrize("network", [pytest.param(name, marks=NEEDS_EMULATOR) for name in DATA])
def test_c_with_cmsis_nn_equals_micro_on_a_core(network: str, tmp_path: Path) -> None:
    content = official(network)
    graph = read_tflite(content)
    vectors = vectors_of(graph, network, VECTORS)
    write(graph, tmp_path, cmsis_nn=True)
    flags = library(tmp_path / "cmsis", COMPILER, "-mthumb", *CORES[EVERY_TIME].flags)
    ran = written_on_core(graph, vectors, tmp_path, EVERY_TIME, *flags)
    np.testing.assert_array_equal(ran.outputs, by_micro(content, graph, vectors))


@pytest.mark.parametrize("network", DATA)
def test_the_arena_is_the_least_possible(network: str, tmp_path: Path) -> None:
    model = write(read_tflite(official(network)), tmp_path)
    assert model.arena_bytes == model.lower_bound_bytes == ARENA_BYTES[network]


@NEEDS_COMPILER
@pytest.mark.parametrize("stream", [False, True], ids=["in memory", "streamed"])
def test_resnet8_fits_less_than_its_largest_image(stream: bool, tmp_path: Path) -> None:
    content = official("resnet8")
    graph = read_tflite(content)
    # The best published with recomputed rows (Bosch HALE, MLPerf Tiny), input and output included.
    model = write(graph, tmp_path, ram_bytes=21_104, stream=stream)
    assert model.order is not None
    vectors = vectors_of(graph, "resnet8", 3)
    np.testing.assert_array_equal(written_on_host(graph, vectors, tmp_path, "-O2"), by_micro(content, graph, vectors))


@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=NEEDS_EMULATOR)])
def test_row_by_row_costs_next_to_no_instructions(core: str, tmp_path: Path) -> None:
    content = official("resnet8")
    graph = read_tflite(content)
    vectors = vectors_of(graph, "resnet8", EMULATED)
    whole = on_core(graph, vectors, tmp_path / "whole", core)
    write(graph, tmp_path / "rows", ram_bytes=21_104)
    rows = written_on_core(graph, vectors, tmp_path / "rows", core)
    np.testing.assert_array_equal(rows.outputs, by_micro(content, graph, vectors))
    # Each row is computed once; only buffers slide. Counts are exact, the same on every machine.
    assert rows.instructions.sum() < 1.05 * whole.instructions.sum()
