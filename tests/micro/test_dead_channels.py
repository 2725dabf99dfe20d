"""Channels of one result, whatever comes in: a bias out of all proportion does not cost a layer its fast kernel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from generated import NEEDS_COMPILER, NEEDS_EMULATOR, expected, on_core, on_host, quantized, random_vectors
from octavo.ir.graph import operands, with_tensors
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions
from octavo.ops.prepare import prepared
from octavo.write.c.constants import scaling


@pytest.fixture(scope="module")
def graph() -> Graph:
    """A convolution two of whose channels training has killed, as in the visual wake words of MLPerf Tiny.

    One has zeros for weights; both have a bias near 2**30 and a scale so small that it fits.
    """
    rng = np.random.default_rng(5)
    b = GraphBuilder("dead")
    operands = [b.input("x", (1, 4, 5, 8)), b.constant(rng.normal(size=(6, 1, 1, 8)).astype(np.float32), "w")]
    y = b.emit("CONV_2D", [*operands, b.constant(rng.normal(size=6).astype(np.float32), "b")], Conv2DOptions())
    alive = quantized(b.finish((y,)), [{"x": rng.normal(size=(1, 4, 5, 8)).astype(np.float32)}])
    weights, bias = (alive.tensors[name] for name in ("w", "b"))
    assert weights.data is not None
    assert bias.data is not None
    scale, zeros, biases = weights.parameters.scale.copy(), weights.data.copy(), bias.data.copy()
    scale[[1, 4]] *= 2.0**-20
    zeros[1] = 0
    biases[[1, 4]] = 1 << 30, -(1 << 30)
    small = replace(weights.parameters, scale=scale)
    return with_tensors(alive, [replace(weights, data=zeros, quantization=small), replace(bias, data=biases)])


def test_a_dead_channel_does_not_make_its_layer_wide(graph: Graph) -> None:
    (node,) = graph.nodes
    inputs = operands(graph, node)
    scale = scaling(node, prepared(graph, node), inputs[1], 0, inputs[2])
    np.testing.assert_array_equal(scale.dead, [False, True, False, False, True, False])
    assert not scale.wide


@NEEDS_COMPILER
def test_dead_channels_have_the_result_of_the_reference(graph: Graph, tmp_path: Path) -> None:
    vectors = random_vectors(graph, 20)
    np.testing.assert_array_equal(on_host(graph, vectors, tmp_path), expected(graph, vectors))


@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=NEEDS_EMULATOR)])
def test_dead_channels_on_a_core_have_the_result_of_the_reference(graph: Graph, core: str, tmp_path: Path) -> None:
    vectors = random_vectors(graph, 20)
    np.testing.assert_array_equal(on_core(graph, vectors, tmp_path, core).outputs, expected(graph, vectors))
