"""Calibration of ResNet-8 on CIFAR-10 images, and reading the files that MLPerf Tiny publishes."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.calibrate.runner import calibrate
from octavo.calibrate.statistics import Statistics
from octavo.errors import NonFiniteError
from octavo.ir.types import Graph, PerAxis
from octavo.load.tflite import load_tflite, read_tflite
from octavo.run.litert import LiteRT
from octavo.stages import instrument, prepare
from octavo.write.tflite import write_tflite

SHARED = Path(os.environ.get("OCTAVO_SHARED", Path(__file__).parents[3] / "shared"))
SAMPLES = 500
pytestmark = [pytest.mark.real, pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared")]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return prepare(SHARED / "models" / "resnet8.keras").graph


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """uint8, shape (500, 32, 32, 3)."""
    return np.load(SHARED / "data" / "cifar10_train4000_lossless.npz")["x"][:SAMPLES]


def observe(graph: Graph, data: Any, **options: Any) -> Statistics:
    made = [name for node in graph.nodes for name in node.outputs]
    inputs = [graph.tensors[name] for name in graph.inputs]
    layers = {name: graph.tensors[name].layer for name in made}
    return calibrate(instrument(graph, made), [*graph.inputs, *made], layers, data, inputs=inputs, **options)


def test_every_way_to_read_the_same_images_gives_the_same_statistics(
    graph: Graph, pixels: np.ndarray, tmp_path: Path
) -> None:
    whole = observe(graph, pixels, integer_divisor=1, needs_histogram=True)

    def singles() -> Iterator[np.ndarray]:
        yield from pixels.astype(np.float32)[::-1]

    assert observe(graph, singles, needs_histogram=True, threads=3) == whole
    first = observe(graph, (pixels[:123], np.zeros(123)), integer_divisor=1, needs_histogram=True, threads=1)
    rest = observe(graph, pixels[123:].astype(np.float32), needs_histogram=True)
    first.save(tmp_path / "first.npz")
    assert rest.merge(Statistics.load(tmp_path / "first.npz")) == whole
    assert whole.samples == SAMPLES


def test_a_pixel_that_is_not_a_number_is_found_among_all(graph: Graph, pixels: np.ndarray) -> None:
    images = pixels.astype(np.float32)
    images[371, 30, 2, 1] = np.nan
    with pytest.raises(NonFiniteError, match=r"(?s)sample 371 .*\(30, 2, 1\)"):
        observe(graph, images)


def best_of(repeats: int, works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each piece of work, the least of some repeats taken in turns."""
    seconds = dict.fromkeys(works, np.inf)
    for _ in range(repeats):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def test_calibration_costs_at_most_one_point_eight_times_plain_inference(graph: Graph, pixels: np.ndarray) -> None:
    images = pixels.astype(np.float32)
    runtime = LiteRT(write_tflite(graph), threads=len(os.sched_getaffinity(0)))
    name = graph.inputs[0]

    def plain() -> None:
        for i in range(SAMPLES):
            runtime.run({name: images[i : i + 1]})

    seconds = best_of(7, {"plain": plain, "calibrate": lambda: observe(graph, images)})
    assert seconds["calibrate"] <= 1.8 * seconds["plain"]


# Files of others ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "operators", "dtype"),
    [
        ("resnet8_official_float.tflite", {"CONV_2D": 9, "ADD": 3, "FULLY_CONNECTED": 1}, "float32"),
        ("resnet8_official_int8.tflite", {"CONV_2D": 9, "ADD": 3, "FULLY_CONNECTED": 1}, "int8"),
        ("kws_official_int8.tflite", {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 1}, "int8"),
    ],
)
def test_a_published_file_is_read(file: str, operators: dict[str, int], dtype: str) -> None:
    graph = read_tflite((SHARED / "models" / file).read_bytes())
    counts = Counter(node.op for node in graph.nodes)
    others = {"AVERAGE_POOL_2D": 1, "RESHAPE": 1, "SOFTMAX": 1}
    assert counts == operators | others
    assert {graph.tensors[name].dtype.value for node in graph.nodes for name in node.outputs} == {dtype}
    kernel = graph.tensors[str(graph.nodes[0].inputs[1])]
    assert kernel.dtype.value == dtype
    if kernel.quantization is not None:
        assert kernel.quantization.granularity == PerAxis(0)
        assert kernel.quantization.scale.shape == kernel.shape[:1]


def test_the_published_float_file_is_loaded_and_computes_the_same(pixels: np.ndarray) -> None:
    content = (SHARED / "models" / "resnet8_official_float.tflite").read_bytes()
    written, original = LiteRT(write_tflite(load_tflite(content).graph)), LiteRT(content)
    for i in range(10):
        inputs = {"input_1": pixels[i : i + 1].astype(np.float32)}
        assert np.array_equal(written.run(inputs)["Identity"], original.run(inputs)["Identity"])
