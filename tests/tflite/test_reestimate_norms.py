"""Normalizations estimated anew: channels that rounding shrinks or lifts get back what they had in float."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octavo.condition import GPTQ, Conditioned, ReestimateNorms, Samples, condition
from octavo.condition.rounding import with_rounded_weights
from octavo.condition.trial import Trial
from octavo.config import LayerConfig, QuantizeConfig
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph
from octavo.numerics.estimators import MinMax
from octavo.ops.text import parse_graph
from octavo.plan.make import make_plan
from octavo.run import reference

NETWORK = """
input x: float32[1,8,8,3]
const k1: float32[8,3,3,3] = normal(1) @first
const b1: float32[8] = normal(2) @first
const k2: float32[1,3,3,8] = normal(3) @depthwise
const b2: float32[8] = normal(4) @depthwise
const k3: float32[6,1,1,8] = normal(5) @last
const b3: float32[6] = normal(6) @last
first = CONV_2D(x, k1, b1) {fused_activation_function=RELU} @first
depthwise = DEPTHWISE_CONV_2D(first, k2, b2) {fused_activation_function=RELU} @depthwise
last = CONV_2D(depthwise, k3, b3) @last
output last
"""
DATA = np.random.default_rng(9).uniform(-1, 2, (32, 8, 8, 3)).astype(np.float32)


def shrinking() -> Graph:
    """Weights of the first layer that round towards zero by nearly half a step, but for each channel's largest."""
    graph = parse_graph(NETWORK)
    kernel = graph.tensors["k1"]
    signs = np.where(np.random.default_rng(0).normal(size=kernel.shape) > 0, 1.0, -1.0)
    values = 2.45 / 7 * signs
    values[:, 0, 0, 0] = 1.0
    return with_tensors(graph, [replace(kernel, data=values.astype(np.float32))])


def statistics(graph: Graph) -> list[tuple[np.ndarray, np.ndarray]]:
    names = ["first", "depthwise", "last"]
    values = reference.run(graph, {"x": DATA}, keep=names)
    return [(values[name].mean(axis=(0, 1, 2)), values[name].std(axis=(0, 1, 2))) for name in names]


@pytest.mark.parametrize("per_axis", [True, False])
def test_each_channel_has_the_mean_and_where_it_has_a_scale_the_deviation_of_float(per_axis: bool) -> None:
    graph = shrinking()
    plan = make_plan(graph, QuantizeConfig("int8", layers=(LayerConfig("*", weights="int4"),), per_axis=per_axis))
    samples = Samples(DATA, (graph.tensors["x"],))
    after = condition(graph, plan, samples, [ReestimateNorms()])
    wanted, plain, found = (
        statistics(each)
        for each in (
            graph,
            with_rounded_weights(Conditioned(graph), plan),
            with_rounded_weights(after, plan),
        )
    )
    # The last layer has no activation, which moments behind would depend on.
    assert np.allclose(found[-1][0], wanted[-1][0], atol=1e-4 * wanted[-1][1].max())
    assert not np.allclose(plain[-1][0], wanted[-1][0], atol=1e-2 * wanted[-1][1].max())
    if per_axis:
        assert np.allclose(found[-1][1], wanted[-1][1], rtol=1e-3)
    assert bool(after.limits) == per_axis


@pytest.mark.parametrize("others", [(), (GPTQ(),)], ids=["rounded to nearest", "rounded by GPTQ"])
def test_integers_stay_and_the_file_comes_closer(others: tuple[GPTQ, ...]) -> None:
    graph = shrinking()
    plan = make_plan(graph, QuantizeConfig("int8x4"))
    samples = Samples(DATA[:20], (graph.tensors["x"],))
    trial = Trial.of(graph, plan, MinMax(), tuple(samples), tuple(replace(samples, data=DATA[20:])))
    before, after = (condition(graph, plan, samples, each) for each in (others, (*others, ReestimateNorms())))
    if not others:
        assert trial.sqnr_db(after) > trial.sqnr_db(before)
    files = [trial.quantized(each) for each in (before, after)]
    for name in ("k1", "k2", "k3"):
        one, other = (each.tensors[name] for each in files)
        assert np.array_equal(one.values, other.values)
