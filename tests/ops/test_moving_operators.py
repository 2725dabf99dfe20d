"""Operators that move values: what the examples of the op table do not show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.errors import UnsupportedLayerError
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.shape import emit_reshape
from octavo.ops.slices import emit_strided_slice
from octavo.ops.text import parse_graph
from octavo.run import reference

SHAPE = (1, 5, 4)
numbers = st.none() | st.integers(-6, 6)
slices = st.builds(slice, numbers, numbers, st.none() | st.integers(-3, 3).filter(bool))


def image() -> np.ndarray:
    return np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)


def result_of(graph: Graph, batch: int = 1) -> np.ndarray:
    """What a graph of one input and output makes of `batch` counting images."""
    (output,) = graph.outputs
    return reference.run(graph, {graph.inputs[0]: np.concatenate([image()] * batch)})[output]


@given(st.tuples(slices | st.integers(-5, 4), slices | st.integers(-4, 3)))
def test_a_strided_slice_is_a_python_index(key: tuple[slice | int, slice | int]) -> None:
    b = GraphBuilder("slice")
    graph = b.finish([emit_strided_slice(b, b.input("x", SHAPE), [slice(None), *key])])
    expected = image()[(slice(None), *key)]
    assert graph.tensors[graph.outputs[0]].shape == expected.shape
    assert np.array_equal(result_of(graph), expected)


def test_a_reshape_runs_on_any_batch_size_if_the_batch_stays_in_front() -> None:
    b = GraphBuilder("reshape")
    graph = b.finish([emit_reshape(b, b.input("x", SHAPE), (1, 2, 10))])
    assert graph.tensors["reshape/shape"].data is not None
    assert graph.tensors["reshape/shape"].data.tolist() == [-1, 2, 10]
    assert result_of(graph, batch=3).shape == (3, 2, 10)


def test_a_reshape_that_takes_the_batch_in_says_its_shape() -> None:
    b = GraphBuilder("reshape")
    graph = b.finish([emit_reshape(b, b.input("x", SHAPE), (5, 4))])
    assert graph.tensors["reshape/shape"].data is not None
    assert graph.tensors["reshape/shape"].data.tolist() == [5, 4]


def test_a_strided_slice_with_an_ellipsis_is_refused() -> None:
    with pytest.raises(UnsupportedLayerError, match=r"fix: .*one index for each dimension"):
        parse_graph(
            """
            input x: float32[1,5,4]
            const begin: int32[3] = 0
            const end: int32[3] = 1
            const strides: int32[3] = 1
            y = STRIDED_SLICE(x, begin, end, strides) {ellipsis_mask=2}
            output y
            """
        )


@pytest.mark.parametrize("size", [1, 3, 49])
def test_repeating_by_a_whole_number_repeats_each_pixel_as_often(size: int) -> None:
    graph = parse_graph(
        f"""
        input x: float32[1,1,7,1]
        const size: int32[2] = 1 {7 * size}
        y = RESIZE_NEAREST_NEIGHBOR(x, size) {{half_pixel_centers=True}}
        output y
        """
    )
    pixels = np.arange(7, dtype=np.float32).reshape(1, 1, 7, 1)
    assert np.array_equal(reference.run(graph, {"x": pixels})["y"], pixels.repeat(size, axis=2))
