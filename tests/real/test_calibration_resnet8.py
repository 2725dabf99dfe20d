"""Calibration of ResNet-8 on CIFAR-10 images, and reading the files that MLPerf Tiny publishes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared_files import NEEDS_SHARED, cifar_pixels, model_path

from octavo.calibration.runner import calibrate
from octavo.calibration.statistics import Statistics
from octavo.errors import NonFiniteError
from octavo.ir.types import Graph, PerAxis
from octavo.load.tflite import load_tflite, read_tflite
from octavo.run.litert import LiteRT
from octavo.stages import prepare
from octavo.write.tflite import write_tflite

SAMPLES = 500
pytestmark = NEEDS_SHARED


@pytest.fixture(scope="module")
def graph() -> Graph:
    return prepare(model_path("resnet8.keras")).graph


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """uint8, shape (500, 32, 32, 3)."""
    return cifar_pixels(SAMPLES)


def observe(graph: Graph, data: Any, **options: Any) -> Statistics:
    made = [name for node in graph.nodes for name in node.outputs]
    return calibrate(graph, [*graph.inputs, *made], data, **options)


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
    graph = read_tflite((model_path(file)).read_bytes())
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
    content = (model_path("resnet8_official_float.tflite")).read_bytes()
    written, original = LiteRT(write_tflite(load_tflite(content).graph)), LiteRT(content)
    for i in range(10):
        inputs = {"input_1": pixels[i : i + 1].astype(np.float32)}
        assert np.array_equal(written.run(inputs)["Identity"], original.run(inputs)["Identity"])
