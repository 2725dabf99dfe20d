"""Absorbed biases: exact in float, narrower ranges, and no layer moved that cannot make up for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octavo.condition import AbsorbBiases, Conditioned, Samples, condition
from octavo.condition.absorb_biases import absorbed, shifted
from octavo.condition.scaling import linear_nodes
from octavo.condition.trial import Trial
from octavo.config import QuantizeConfig
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph
from octavo.numerics.estimators import MinMax
from octavo.ops.text import parse_graph
from octavo.plan.make import make_plan
from octavo.run import reference

NETWORK = """
input x: float32[1,8,8,3]
const k1: float32[8,3,3,3] = normal(1) @stem
const b1: float32[8] = normal(2) @stem
const k2: float32[8,1,1,8] = normal(3) @block
const b2: float32[8] = normal(4) @block
const k3: float32[6,1,1,16] = normal(5) @wide
const b3: float32[6] = normal(6) @wide
const k4: float32[5,3,3,6] = normal(7) @last
const b4: float32[5] = normal(8) @last
stem = CONV_2D(x, k1, b1) @stem
block = CONV_2D(stem, k2, b2) @block
sum = ADD(block, stem) @sum
small = AVERAGE_POOL_2D(sum) {filter_width=2,filter_height=2,stride_w=2,stride_h=2} @pool
peak = MAX_POOL_2D(stem) {filter_width=2,filter_height=2,stride_w=2,stride_h=2} @peak
joined = CONCATENATION(small, peak) {axis=3} @join
wide = CONV_2D(joined, k3, b3) {fused_activation_function=RELU} @wide
last = CONV_2D(wide, k4, b4) {padding=VALID} @last
output last
"""
DATA = np.random.default_rng(9).uniform(-1, 2, (24, 8, 8, 3)).astype(np.float32)


def lifted(graph: Graph, name: str, places: np.ndarray) -> Graph:
    """With other biases."""
    tensor = graph.tensors[name]
    return with_tensors(graph, [replace(tensor, data=tensor.values + places.astype(np.float32))])


def applied(graph: Graph) -> tuple[Conditioned, Trial]:
    plan = make_plan(graph, QuantizeConfig("int8"))
    samples = Samples(DATA[:16], (graph.tensors["x"],))
    trial = Trial.of(graph, plan, MinMax(), tuple(samples), tuple(replace(samples, data=DATA[16:])))
    return condition(graph, plan, samples, [AbsorbBiases()]), trial


def difference(one: Graph, other: Graph, x: np.ndarray) -> float:
    """The largest, as a share of the largest result."""
    wanted, found = (reference.run(each, {"x": x})["last"] for each in (one, other))
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def test_an_offset_is_absorbed_where_nothing_but_linear_layers_without_border_read_it() -> None:
    graph = parse_graph(NETWORK)
    assert absorbed(graph, linear_nodes(graph)) == {"stem", "block", "sum", "small", "peak", "joined", "wide"}
    padded = parse_graph(NETWORK.replace("padding=VALID", "padding=SAME"))
    assert absorbed(padded, linear_nodes(padded)) == {"stem", "block", "sum", "small", "peak", "joined"}
    clipped = parse_graph(
        NETWORK.replace("sum = ADD(block, stem)", "sum = ADD(block, stem) {fused_activation_function=RELU}")
    )
    assert absorbed(clipped, linear_nodes(clipped)) == {"sum", "small", "joined", "wide", "peak"}
    shown = parse_graph(NETWORK.replace("output last", "output last\noutput stem"))
    assert absorbed(shown, linear_nodes(shown)) == {"block", "sum", "small", "peak", "joined", "wide"}


def test_channels_far_apart_are_brought_together_and_no_float_result_changes() -> None:
    # What the layer with a ReLU makes meets zeros beyond a border, and stays.
    healthy = parse_graph(NETWORK.replace("padding=VALID", "padding=SAME"))
    apart = shifted(healthy, linear_nodes(healthy), {"stem": np.linspace(-300, 300, 8)})
    graph = with_tensors(
        healthy, (replace(healthy.tensors[name], data=each.astype(np.float32)) for name, each in apart.items())
    )
    (well, trial), (after, troubled) = applied(healthy), applied(graph)
    before, mended = troubled.sqnr_db(Conditioned(graph)), troubled.sqnr_db(after)
    assert mended > (before + trial.sqnr_db(well)) / 2 > before
    changed = {name for name, each in graph.tensors.items() if after.graph.tensors[name] is not each}
    assert changed <= {"b1", "b2", "b3"}
    # Whatever the input, as no activation is behind the layers. Float32 sums beside offsets of hundreds.
    strange = np.random.default_rng(1).normal(0, 20, (8, 8, 8, 3)).astype(np.float32)
    for x in (DATA[16:], strange):
        assert difference(graph, after.graph, x) < 1e-3


def test_behind_a_relu_only_what_samples_always_passed_is_absorbed() -> None:
    lift = np.array([0, 5000, 5100, 5200, 5300, 5400.0])
    graph = lifted(parse_graph(NETWORK), "b3", lift)
    every = lifted(parse_graph(NETWORK), "b3", lift + 5000)
    for each, stays in ((graph, True), (every, False)):
        after, _ = applied(each)
        least = reference.run(after.graph, {"x": DATA[:16]}, keep=["wide"])["wide"].min(axis=(0, 1, 2))
        assert (least >= -1e-2).all()
        assert (after.graph.tensors["b3"].values == each.tensors["b3"].values).any() == stays
        assert difference(each, after.graph, DATA[:16]) < 1e-3


@pytest.mark.parametrize("data", [DATA, DATA - 0.5], ids=["as it is", "around zero"])
def test_a_network_whose_channels_lie_together_stays(data: np.ndarray) -> None:
    graph = parse_graph(
        """
        input x: float32[1,8,8,3]
        const k1: float32[2,1,1,3] = 1 1 1 -1 -1 -1 @first
        const b1: float32[2] = 0 @first
        const k2: float32[1,1,1,2] = 1 2 @second
        const b2: float32[1] = 0 @second
        first = CONV_2D(x, k1, b1) {fused_activation_function=RELU} @first
        second = CONV_2D(first, k2, b2) @second
        output second
        """
    )
    plan = make_plan(graph, QuantizeConfig("int8"))
    assert condition(graph, plan, Samples(data, (graph.tensors["x"],)), [AbsorbBiases()]).graph is graph
