"""Calibration runs the samples through LiteRT and gathers exactly what the tensors held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.calibration.instrument import instrumented, with_values
from octavo.calibration.probe import Probe
from octavo.calibration.runner import MAXIMUM_BATCH, MAXIMUM_BATCHES, calibrate
from octavo.calibration.statistics import BINS, Statistics
from octavo.calibration.task import task_of
from octavo.data.dataset import Chunk
from octavo.errors import DatasetError, InputError, NonFiniteError
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.conv import Conv2DOptions, DepthwiseConv2DOptions
from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.fused import FusedActivation
from octavo.ops.reduce import ReducerOptions
from octavo.ops.shape import ReshapeOptions
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite
from small_network import float_network

IMAGES = np.random.default_rng(8).normal(size=(600, 6, 6, 3)).astype(np.float32)


def activations(graph: Graph) -> list[str]:
    return [name for node in graph.nodes for name in node.outputs]


def observe(graph: Graph, data: Any, **options: Any) -> Statistics:
    tensors = options.pop("tensors", [*graph.inputs, *activations(graph)])
    return calibrate(graph, tensors, data, **options)


def one_by_one(graph: Graph, images: np.ndarray) -> dict[str, np.ndarray]:
    """What LiteRT computes of each sample alone, by tensor name."""
    runtime = LiteRT(write_tflite(replace(graph, outputs=tuple(activations(graph)))))
    runs = [{**runtime.run({"image": image[np.newaxis]}), "image": image[np.newaxis]} for image in images]
    return {name: np.stack([run[name] for run in runs]) for name in runs[0]}


@pytest.mark.parametrize("needs_histogram", [False, True])
@pytest.mark.parametrize("count", [1, 7, 150, 600])
def test_statistics_are_those_of_the_samples_run_alone(count: int, needs_histogram: bool) -> None:
    statistics = observe(float_network(), IMAGES[:count], needs_histogram=needs_histogram)
    expected = one_by_one(float_network(), IMAGES[:count])
    assert statistics.samples == count
    assert list(statistics) == list(expected)[-1:] + list(expected)[:-1]
    for name, values in expected.items():
        found = statistics[name]
        assert (found.low, found.high, found.count) == (values.min(), values.max(), values.size)
        bins = np.bincount(values.reshape(-1).view(np.uint32) >> 16, minlength=BINS)
        assert np.array_equal(found.histogram, bins) if needs_histogram else found.histogram is None


def batches(size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(IMAGES), size):
        yield IMAGES[start : start + size]


@pytest.mark.parametrize(
    ("data", "threads"),
    [(IMAGES, 1), (IMAGES, 3), (IMAGES[::-1], 2), (batches(1), 2), (batches(64), 2), (lambda: batches(599), None)],
    ids=["one thread", "three threads", "backwards", "single samples", "batches of 64", "batches of 599"],
)
def test_order_batches_and_threads_change_nothing(data: Any, threads: int | None) -> None:
    whole = observe(float_network(), IMAGES, needs_histogram=True)
    assert observe(float_network(), data, needs_histogram=True, threads=threads) == whole


LARGE = 800


def large_network() -> Graph:
    """So many activation values that memory holds one runtime only: convolutions -> mean -> dense."""
    rng = np.random.default_rng(9)
    b = GraphBuilder("large")
    x = b.input("image", (1, LARGE, LARGE, 3))
    b.layer = "features"
    offset = b.constant(rng.normal(size=32).astype(np.float32), "offset")
    kernel = b.constant(rng.normal(size=(32, 3, 3, 3)).astype(np.float32), "kernel")
    x = b.emit("CONV_2D", [x, kernel, offset], Conv2DOptions(fused_activation_function=FusedActivation.RELU6))
    kernel = b.constant(rng.normal(size=(1, 3, 3, 32)).astype(np.float32), "depthwise")
    x = b.emit("DEPTHWISE_CONV_2D", [x, kernel, offset], DepthwiseConv2DOptions(stride_h=4, stride_w=4))
    x = b.emit("MEAN", [x, b.constant(np.array([1, 2], np.int32), "axes")], ReducerOptions())
    weights = b.constant(rng.normal(size=(5, 32)).astype(np.float32), "weights")
    return b.finish([b.emit("FULLY_CONNECTED", [x, weights, None], FullyConnectedOptions())])


@pytest.mark.parametrize("needs_histogram", [False, True])
def test_a_model_that_fits_memory_once_gives_the_same_on_several_threads(needs_histogram: bool) -> None:
    images = np.random.default_rng(7).normal(size=(2, LARGE, LARGE, 3)).astype(np.float32)
    one, two = (observe(large_network(), images, needs_histogram=needs_histogram, threads=n) for n in (1, 2))
    assert one == two


def test_a_saved_part_continued_equals_the_whole(tmp_path: Path) -> None:
    graph = float_network()
    observe(graph, IMAGES[:333], needs_histogram=True).save(tmp_path / "part.npz")
    rest = observe(graph, IMAGES[333:], needs_histogram=True)
    assert Statistics.load(tmp_path / "part.npz").merge(rest) == observe(graph, IMAGES, needs_histogram=True)


def test_statistics_of_two_models_are_not_merged() -> None:
    graph = float_network()
    kernel = graph.tensors["features/kernel"]
    assert kernel.data is not None
    other = with_tensors(graph, [replace(kernel, data=2 * kernel.data)])
    with pytest.raises(InputError, match="statistics of different models"):
        observe(graph, IMAGES[:2]).merge(observe(other, IMAGES[:2]))


def test_progress_counts_samples_up_to_the_total() -> None:
    seen: list[tuple[int, int | None]] = []
    observe(float_network(), IMAGES, samples=500, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (500, 500)
    assert {total for _, total in seen} == {500}


def test_only_a_bounded_number_of_samples_is_read_ahead() -> None:
    read, ahead, threads = 0, 0, 2

    def source() -> Iterator[np.ndarray]:
        nonlocal read
        for i in range(20_000):
            read += 1
            yield IMAGES[i % len(IMAGES)]

    def progress(done: int, total: int | None) -> None:
        nonlocal ahead
        ahead = max(ahead, read - done)

    observe(float_network(), source, threads=threads, progress=progress, samples=20_000)
    # Two chunks a worker wait, one more is being read, and one is counted just before.
    assert 0 < ahead <= (2 * threads + 2) * MAXIMUM_BATCH * MAXIMUM_BATCHES < 20_000


def test_a_model_whose_observed_tensors_are_inputs_only_needs_no_operator() -> None:
    graph = replace(float_network(), nodes=(), outputs=())
    statistics = observe(graph, IMAGES[:9], tensors=["image"])
    assert (statistics["image"].low, statistics["image"].high) == (IMAGES[:9].min(), IMAGES[:9].max())


# Models that do not take batches --------------------------------------------------------------------------------------


def with_fixed_reshape() -> Graph:
    """A reshape whose constant names batch 1."""
    b = GraphBuilder("fixed")
    x = b.input("image", (1, 6, 6, 3))
    shape = b.constant(np.array([1, 18, 6], np.int32), "shape")
    b.layer = "flat"
    return b.finish([b.emit("RELU", [b.emit("RESHAPE", [x, shape], ReshapeOptions())])])


def with_mixed_samples() -> Graph:
    """A result of the shape (batch, ...) that depends on the whole batch."""
    b = GraphBuilder("mixed")
    x = b.input("image", (1, 6, 6, 3))
    b.layer = "mix"
    axis = b.constant(np.array([0], np.int32), "axis")
    mean = b.emit("MEAN", [x, axis], ReducerOptions(keep_dims=True), suffix="mean")
    return b.finish([b.emit("SUB", [x, mean], suffix="difference")])


@pytest.mark.parametrize("make", [with_fixed_reshape, with_mixed_samples])
def test_a_model_whose_batch_is_more_than_its_samples_is_run_sample_by_sample(make: Any) -> None:
    graph = make()
    statistics = observe(graph, IMAGES[:50], threads=2)
    expected = one_by_one(graph, IMAGES[:50])
    assert statistics.samples == 50
    assert {name: (s.low, s.high, s.count) for name, s in statistics.items()} == {
        name: (values.min(), values.max(), values.size) for name, values in expected.items()
    }


@pytest.mark.parametrize("rank", range(1, 8))
def test_tensors_of_every_rank_have_their_extremes_found(rank: int) -> None:
    """XNNPACK reduces up to six dimensions; another kernel those of seven."""
    b = GraphBuilder("ranks")
    shape = (1, *(2, 3, 2, 3, 2, 3)[: rank - 1])
    b.layer = "negative"
    graph = b.finish([b.emit("NEG", [b.input("image", shape)])])
    samples = np.random.default_rng(rank).normal(size=(20, *shape[1:])).astype(np.float32)
    found = observe(graph, samples)["negative"]
    assert (found.low, found.high, found.count) == (-samples.max(), -samples.min(), samples.size)
    samples[11:] = np.inf
    with pytest.raises(NonFiniteError, match="sample 11 of the data"):
        observe(graph, samples)


def test_a_sum_that_overflows_is_not_mistaken_for_an_infinite_value() -> None:
    b = GraphBuilder("huge")
    b.layer = "negative"
    graph = b.finish([b.emit("NEG", [b.input("image", (1, 6, 6, 3))])])
    samples = np.random.default_rng(1).uniform(1e38, 3e38, (600, 6, 6, 3)).astype(np.float32)
    found = observe(graph, samples)["negative"]
    assert (found.low, found.high, found.count) == (-samples.max(), -samples.min(), samples.size)


# What is not finite ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("sample", [0, 37, 599])
def test_a_value_that_is_not_finite_names_its_sample(bad: float, sample: int) -> None:
    images = IMAGES.copy()
    images[sample, 2, 3, 1] = bad
    images[sample + 1 :, 0, 0, 0] = bad
    with pytest.raises(
        NonFiniteError, match=rf"(?s)sample {sample} of .*'image'.*\(2, 3, 1\).*fix: +repair sample {sample},"
    ):
        observe(float_network(), images, threads=2)


def test_a_double_too_large_for_float32_names_its_sample() -> None:
    images = IMAGES[:5].astype(np.float64)
    images[3, 0, 0, 0] = 1e300
    with pytest.raises(NonFiniteError, match="sample 3 of the data"):
        observe(float_network(), images)


def test_an_input_is_checked_though_nobody_observes_it() -> None:
    images = IMAGES[:5].copy()
    images[4] = np.nan
    with pytest.raises(NonFiniteError, match="sample 4 of the data"):
        observe(float_network(), images, tensors=activations(float_network()))


def broken(tensor: str, value: float) -> Graph:
    graph = float_network()
    constant = graph.tensors[tensor]
    return with_tensors(graph, [replace(constant, data=np.full(constant.shape, value, np.float32))])


@pytest.mark.parametrize(
    ("graph", "layer"),
    [
        (broken("features/kernel", 3e38), "features"),
        (broken("scores/weights", 3e38), "scores"),
        (broken("scores/offset", np.nan), "scores"),
        (broken("features/bias", np.nan), "features"),
    ],
)
def test_a_value_that_becomes_infinite_inside_names_the_first_layer(graph: Graph, layer: str) -> None:
    with pytest.raises(
        NonFiniteError, match=rf"(?s)layer '{layer}'.*from sample 0.*fix: +look for .* in layer '{layer}'"
    ):
        observe(graph, IMAGES[:20] * 100)


@pytest.mark.parametrize("needs_histogram", [False, True])
def test_a_probe_by_itself_names_what_is_not_finite(needs_histogram: bool) -> None:
    """In this process, where other tests of this file have it run in a child."""
    images = IMAGES[:5].copy()
    images[3, 0, 0, 0] = np.nan
    for graph, chunk, wanted in (
        (float_network(), Chunk(20, (images,)), r"sample 23 of the data(?s:.*)fix: +repair sample 23,"),
        (broken("scores/offset", np.nan), Chunk(20, (IMAGES[:5],)), r"layer 'scores'(?s:.*)fix: +look for huge or NaN"),
    ):
        task = task_of(graph, ("image", *activations(graph)), needs_histogram=needs_histogram)
        probe, gathered = Probe(task, instrumented(graph, task)), task.accumulators()
        assert not probe.add(chunk, gathered)
        with pytest.raises(NonFiniteError, match=wanted):
            probe.add_each(chunk, with_values(graph, task.made), gathered)


def test_only_the_sample_that_overflows_is_named() -> None:
    graph = broken("scores/weights", 1.0)
    images = IMAGES[:30].copy()
    images[17] = 3e38
    with pytest.raises(NonFiniteError, match="from sample 17, which itself is finite"):
        observe(graph, images, threads=1)


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [[], IMAGES[:0], iter(())], ids=["list", "array", "generator"])
def test_no_samples_are_refused(data: Sequence[np.ndarray]) -> None:
    with pytest.raises(DatasetError, match="has no samples"):
        observe(float_network(), data)


def test_an_error_of_the_callers_generator_reaches_the_caller() -> None:
    def source() -> Iterator[np.ndarray]:
        yield from IMAGES
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        observe(float_network(), source)
