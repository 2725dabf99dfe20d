"""Models of any batch and rank: what one run takes is a sample, data may come as rows or as whole batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import octavo
from octavo.data.dataset import Dataset
from octavo.errors import ConfigError, DatasetError
from octavo.evaluate.predict import predict
from octavo.ir.samples import grouped, row_count, sample_shape
from octavo.ir.types import Graph, Shape, Tensor
from octavo.load.tflite import load_tflite
from octavo.ops.build import GraphBuilder
from octavo.ops.conv import Conv2DOptions
from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.elementwise_kernels import MulOptions
from octavo.write.tflite import write_tflite

RNG = np.random.default_rng(5)


def convolved(batch: int) -> Graph:
    b = GraphBuilder("convolved")
    x = b.input("x", (batch, 6, 6, 3))
    kernel = b.constant(RNG.normal(size=(4, 3, 3, 3)).astype(np.float32), "kernel")
    bias = b.constant(RNG.normal(size=4).astype(np.float32), "bias")
    return b.finish([b.emit("CONV_2D", [x, kernel, bias], Conv2DOptions(), suffix="y")])


def dense(shape: Shape) -> Graph:
    b = GraphBuilder("dense")
    x = b.input("x", shape)
    weights = b.constant(RNG.normal(size=(5, shape[-1])).astype(np.float32), "weights")
    options = FullyConnectedOptions(keep_num_dims=len(shape) > 2)
    return b.finish([b.emit("FULLY_CONNECTED", [x, weights, None], options, suffix="y")])


def scaled(shape: Shape) -> Graph:
    b = GraphBuilder("scaled")
    x = b.input("x", shape)
    y = b.emit("MUL", [x, b.constant(np.full((1,), 0.5, np.float32), "half")], MulOptions())
    return b.finish([b.emit("TANH", [y], suffix="y")])


GRAPHS: dict[str, Callable[[], Graph]] = {
    "a batch of 4": lambda: convolved(4),
    "two dimensions, no batch": lambda: dense((3, 6)),
    "three dimensions, no batch": lambda: dense((2, 3, 6)),
    "a vector": lambda: scaled((6,)),
    "a scalar": lambda: scaled(()),
    "six dimensions": lambda: scaled((1, 2, 1, 2, 2, 2)),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_it_is_quantized_and_proven_whatever_its_batch_and_rank(kind: str) -> None:
    graph = GRAPHS[kind]()
    x = np.random.default_rng(0).normal(size=(9, *sample_shape(graph.tensors["x"].shape))).astype(np.float32)
    made = octavo.quantize(write_tflite(graph), "int8", x)
    assert made.verification is not None
    assert made.verification.ok
    assert made.islands == ()
    assert made.graph.tensors["x"].shape == graph.tensors["x"].shape
    assert made.fidelity is not None
    (lost,) = made.fidelity.rounding
    assert lost.sqnr_db is not None
    assert lost.sqnr_db > 30


def test_rows_and_whole_batches_are_the_same_data_and_results_are_one_a_row() -> None:
    content = write_tflite(convolved(4))
    rows = np.random.default_rng(0).normal(size=(10, 6, 6, 3)).astype(np.float32)
    filled = np.concatenate([rows, rows[-1:], rows[-1:]])
    by_rows = octavo.quantize(content, "int8", rows)
    by_batches = octavo.quantize(content, "int8", filled.reshape(3, 4, 6, 6, 3))
    by_generator = octavo.quantize(content, "int8", lambda: iter(rows))
    assert by_rows.model == by_batches.model == by_generator.model
    results = by_rows.predict(rows)
    assert isinstance(results, np.ndarray)
    assert results.shape == (10, 6, 6, 4)
    assert np.array_equal(results, np.asarray(by_rows.predict(filled.reshape(3, 4, 6, 6, 3)))[:10])
    assert by_rows.evaluate(rows, float_outputs=results, time_it=False).outputs[0].max_error == 0


def test_a_batch_is_quantized_as_its_rows_are_alone() -> None:
    rows = np.random.default_rng(0).normal(size=(8, 6, 6, 3)).astype(np.float32)
    graph = convolved(1)
    constants = [tensor for tensor in graph.tensors.values() if tensor.data is not None]
    batch = convolved(4)
    batch = Graph(
        batch.name,
        {**batch.tensors, **{each.name: each for each in constants}},
        *(batch.nodes, batch.inputs, batch.outputs),
    )
    alone, together = (octavo.quantize(write_tflite(each), "int8", rows) for each in (graph, batch))
    assert np.array_equal(np.asarray(alone.predict(rows)), np.asarray(together.predict(rows)))


@pytest.mark.parametrize(
    ("given", "shape", "samples"),
    [
        ((10, 6), (4, 6), 3),
        ((2, 4, 6), (4, 6), 2),
        ((7, 6), (1, 6), 7),
        ((7,), (), 7),
        ((12,), (6,), 2),
        ((0, 6), (4, 6), 0),
    ],
)
def test_rows_are_grouped_into_what_a_run_takes(given: Shape, shape: Shape, samples: int) -> None:
    array = np.arange(np.prod(given, dtype=int), dtype=np.float32).reshape(given)
    found = grouped(array, shape)
    assert found is not None
    assert found.shape == (samples, *sample_shape(shape))
    assert np.array_equal(found.ravel()[: array.size], array.ravel())
    assert row_count(array, shape) == (given[0] * shape[0] if given[1:] == shape != () and shape[0] > 1 else given[0])


def test_inputs_of_different_batches_come_as_whole_samples() -> None:
    inputs = [Tensor("x", (1, 6)), Tensor("w", (3, 2))]
    data = {"x": np.zeros((5, 6), np.float32), "w": np.ones((5, 3, 2), np.float32)}
    chunks = list(Dataset(data, inputs).chunks(4))
    assert [[array.shape for array in chunk.arrays] for chunk in chunks] == [[(4, 6), (4, 3, 2)], [(1, 6), (1, 3, 2)]]
    with pytest.raises(DatasetError, match="different numbers of samples"):
        list(Dataset({**data, "w": np.ones((5, 2), np.float32)}, inputs).chunks(4))


def test_the_batch_of_a_file_is_changed_where_each_sample_passes_by_itself() -> None:
    graph = load_tflite(write_tflite(convolved(1)), input_shape=(3, 6, 6, 3)).graph
    assert [graph.tensors[name].shape for name in (*graph.inputs, *graph.outputs)] == [(3, 6, 6, 3), (3, 6, 6, 4)]
    b = GraphBuilder("turned")
    x = b.input("x", (1, 6))
    axes = b.constant(np.array([0], np.int32), "axes")
    with pytest.raises(ConfigError, match=r"(?s)depends on the others.*fix: +leave the batch out"):
        load_tflite(write_tflite(b.finish([b.emit("REVERSE_V2", [x, axes])])), input_shape=(3, 6))


@pytest.mark.parametrize("kind", ["a batch of 4", "a vector"])
def test_it_is_diagnosed_like_any_other(kind: str) -> None:
    graph = GRAPHS[kind]()
    x = np.random.default_rng(0).normal(size=(3, *sample_shape(graph.tensors["x"].shape))).astype(np.float32)
    assert 0 < octavo.diagnose(write_tflite(graph), x).outcome.noise < 0.01


def test_a_bias_of_weights_that_are_an_input_keeps_its_layer_in_float() -> None:
    b = GraphBuilder("computed")
    x, kernel = b.input("x", (1, 6, 6, 3)), b.input("kernel", (2, 3, 3, 3))
    bias = b.constant(np.ones(2, np.float32), "bias")
    content = write_tflite(b.finish([b.emit("CONV_2D", [x, kernel, bias], Conv2DOptions(), suffix="y")]))
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(5, *shape)).astype(np.float32) for shape in ((6, 6, 3), (2, 3, 3, 3))]
    made = octavo.quantize(content, "int8", data)
    assert [island.op for island in made.islands] == ["CONV_2D"]
    assert "weights that are no constant" in made.islands[0].reason
    assert made.verification is not None
    assert made.verification.ok


def test_results_of_more_rows_than_a_sample_has_come_whole() -> None:
    b = GraphBuilder("rows")
    x = b.input("x", (1, 3, 4))
    graph = b.finish([b.emit("RESHAPE", [x, b.constant(np.array([3, 4], np.int32), "shape")], suffix="y")])
    values = RNG.normal(size=(5, 3, 4)).astype(np.float32)
    (found,) = predict(write_tflite(graph), {"x": values}).values()
    np.testing.assert_array_equal(found, values.reshape(15, 4))
