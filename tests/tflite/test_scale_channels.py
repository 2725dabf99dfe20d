"""Scaling of channels: exact in float, mends channels of unequal size, and leaves everything else alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octavo.condition import Samples, ScaleChannels, condition
from octavo.condition.method import Conditioned
from octavo.condition.scaling import scalable
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
const k2: float32[1,3,3,8] = normal(3) @depthwise
const b2: float32[8] = normal(4) @depthwise
const k3: float32[8,1,1,8] = normal(5) @block
const b3: float32[8] = normal(6) @block
const k4: float32[6,3,3,4] = normal(7) @groups
const b4: float32[6] = normal(8) @groups
const shape: int32[2] = -1 96
const k5: float32[5,96] = normal(9) @dense
const b5: float32[5] = normal(10) @dense
const k6: float32[4,5] = normal(11) @scores
const b6: float32[4] = normal(12) @scores
stem = CONV_2D(x, k1, b1) {fused_activation_function=RELU} @stem
depthwise = DEPTHWISE_CONV_2D(stem, k2, b2) {fused_activation_function=RELU} @depthwise
block = CONV_2D(depthwise, k3, b3) @block
sum = ADD(block, depthwise) @sum
small = MAX_POOL_2D(sum) {filter_width=2,filter_height=2,stride_w=2,stride_h=2} @pool
groups = CONV_2D(small, k4, b4) {fused_activation_function=RELU} @groups
flat = RESHAPE(groups, shape) @flat
dense = FULLY_CONNECTED(flat, k5, b5) {fused_activation_function=RELU} @dense
scores = FULLY_CONNECTED(dense, k6, b6) @scores
answer = SOFTMAX(scores) {beta=1.0} @answer
output answer
"""
DATA = np.random.default_rng(9).uniform(-1, 2, (24, 8, 8, 3)).astype(np.float32)


def changed(graph: Graph, name: str, factors: np.ndarray, axis: int) -> Graph:
    tensor = graph.tensors[name]
    shape = [1] * len(tensor.shape)
    shape[axis] = -1
    return with_tensors(graph, [replace(tensor, data=tensor.values * factors.reshape(shape).astype(np.float32))])


def troubled(graph: Graph, factor: float) -> Graph:
    """The same function, with one channel behind the stem that is `factor` times the others, and a dead one."""
    factors = np.array([factor, *[1.0] * 7])
    dead = np.array([*[1.0] * 7, 0.0])
    for name, axis in (("k1", 0), ("b1", 0)):
        graph = changed(graph, name, factors * dead, axis)
    return changed(graph, "k2", 1 / factors, 3)


def scaled(graph: Graph, scheme: str = "int8") -> tuple[Conditioned, Trial]:
    plan = make_plan(graph, QuantizeConfig(scheme))
    samples = Samples(DATA[:16], (graph.tensors["x"],))
    held_out = tuple(replace(samples, data=DATA[16:]))
    trial = Trial.of(graph, plan, MinMax(), tuple(samples), held_out)
    return condition(graph, plan, samples, [ScaleChannels()]), trial


def test_what_can_be_scaled_is_what_linear_layers_make_and_read() -> None:
    found = [set(each.tensors) for each in scalable(parse_graph(NETWORK))]
    assert found == [{"stem"}, {"depthwise", "block", "sum", "small"}, {"groups", "flat"}, {"dense"}]


# Branches that a concatenation lays beside the input, whose channels stay.
JOINED = """
input x: float32[1,8,8,3]
const k1: float32[4,3,3,3] = normal(1) @left
const b1: float32[4] = normal(2) @left
const k2: float32[5,1,1,3] = normal(3) @right
const b2: float32[5] = normal(4) @right
const k3: float32[6,3,3,12] = normal(5) @last
const b3: float32[6] = normal(6) @last
left = CONV_2D(x, k1, b1) {fused_activation_function=RELU} @left
right = CONV_2D(x, k2, b2) @right
joined = CONCATENATION(left, x, right) {axis=3} @join
small = AVERAGE_POOL_2D(joined) {filter_width=2,filter_height=2,stride_w=2,stride_h=2} @pool
last = CONV_2D(small, k3, b3) @last
output last
"""


def test_channels_are_scaled_beside_others_that_stay() -> None:
    graph = parse_graph(JOINED)
    (found,) = scalable(graph)
    assert {*found.tensors} == {"left", "right", "joined", "small"}
    assert found.places["joined"].tolist() == [0, 1, 2, 3, -1, -1, -1, 4, 5, 6, 7, 8]
    assert found.places["small"].tolist() == found.places["joined"].tolist()


def test_a_branch_a_thousandth_of_what_it_is_joined_with_is_mended() -> None:
    healthy = parse_graph(JOINED)
    graph = changed(changed(healthy, "k2", np.full(5, 1e-3), 0), "b2", np.full(5, 1e-3), 0)
    graph = changed(graph, "k3", np.repeat([1.0, 1e3], [7, 5]), 3)
    well, trial = scaled(healthy)
    best = trial.sqnr_db(well)
    after, trial = scaled(graph)
    before, mended = trial.sqnr_db(Conditioned(graph)), trial.sqnr_db(after)
    assert mended > (before + best) / 2 > before
    for sample in DATA[16:]:
        wanted, found = (reference.run(each, {"x": sample[None]})["last"] for each in (graph, after.graph))
        # Float32 sums of some hundred products.
        assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ("output answer", "output answer\noutput depthwise", {"depthwise", "block", "sum", "small"}),
        ("small = MAX_POOL_2D", "other = LOGISTIC(stem) @other\nsmall = MAX_POOL_2D", {"stem"}),
    ],
    ids=["an output", "read by what squashes"],
)
def test_what_somebody_else_reads_stays(before: str, after: str, lost: set[str]) -> None:
    graph = parse_graph(NETWORK.replace(before, after))
    if "other" in after:
        graph = replace(graph, outputs=(*graph.outputs, "other"))
    found = set().union(*(each.tensors for each in scalable(graph)))
    assert not found & lost
    assert found


@pytest.mark.parametrize("scheme", ["int8", "int16x8", "int8x4", "dynamic"])
def test_scaling_changes_nothing_in_float(scheme: str) -> None:
    graph = troubled(parse_graph(NETWORK), 1000.0)
    after, _ = scaled(graph, scheme)
    for sample in DATA[16:]:
        wanted, found = (
            reference.run(each, {"x": sample[None]}, keep=["scores"])["scores"] for each in (graph, after.graph)
        )
        # Float32 sums of up to a hundred products, in layers of one another.
        assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_a_channel_a_thousand_times_the_others_is_mended() -> None:
    healthy, trial = scaled(parse_graph(NETWORK))
    best = trial.sqnr_db(healthy)
    graph = troubled(parse_graph(NETWORK), 1000.0)
    after, trial = scaled(graph)
    before, mended = trial.sqnr_db(Conditioned(graph)), trial.sqnr_db(after)
    # Most of what the channel takes of the others' steps is won back.
    assert before < mended
    assert mended > (before + best) / 2
    assert after.notes[0].text.startswith("scaled the channels of ")


def test_channels_of_one_size_stay_as_they_are() -> None:
    graph = parse_graph(
        """
        input x: float32[1,4,4,1]
        const k1: float32[2,1,1,1] = 1 1 @first
        const b1: float32[2] = 0 @first
        const k2: float32[1,1,1,2] = 1 2 @second
        const b2: float32[1] = 0 @second
        first = CONV_2D(x, k1, b1) {fused_activation_function=RELU} @first
        second = CONV_2D(first, k2, b2) @second
        output second
        """
    )
    samples = Samples(DATA[:4, :4, :4, :1], (graph.tensors["x"],))
    after = condition(graph, make_plan(graph, QuantizeConfig("int8")), samples, [ScaleChannels()])
    assert after.graph is graph


def test_what_clips_keeps_every_value_that_samples_showed() -> None:
    graph = parse_graph(NETWORK.replace("fused_activation_function=RELU}", "fused_activation_function=RELU6}"))
    quiet = with_tensors(
        graph, [replace(graph.tensors[n], data=graph.tensors[n].values * np.float32(0.02)) for n in ("k1", "b1")]
    )
    after, _ = scaled(quiet)
    assert after.graph is not quiet
    for sample in DATA[:16]:
        wanted, found = (
            reference.run(each, {"x": sample[None]}, keep=["scores"])["scores"] for each in (quiet, after.graph)
        )
        assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()
