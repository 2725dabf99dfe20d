"""Scales and biases are trained by the float network: what trains is what is deployed, and it comes closer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops

import octavo
from keras_networks import convolutional, images
from octavo.condition import GPTQ, Conditioned, Distill, Samples
from octavo.condition.rounded_network import BATCH, MEMORY_BYTES, batch_of, rounded_network
from octavo.condition.rounded_twin import Twin
from octavo.condition.run import merged
from octavo.condition.trial import Trial
from octavo.config import QuantizeConfig
from octavo.ir.samples import stacked
from octavo.ir.types import Graph
from octavo.numerics.estimators import MinMax
from octavo.ops.text import parse_graph
from octavo.plan.make import make_plan
from octavo.plan.types import Plan
from octavo.quantization.weights import quantize_weight
from octavo.stages import prepare

DATA = images(96)
SHORT = Distill(passes=480)


@pytest.fixture(scope="module")
def planned() -> tuple[Graph, Plan, Samples]:
    graph = prepare(convolutional()).graph
    inputs = tuple(graph.tensors[name] for name in graph.inputs)
    return graph, make_plan(graph, QuantizeConfig("int8x4")), Samples(DATA, inputs)


@pytest.fixture(scope="module")
def rounded(planned: tuple[Graph, Plan, Samples]) -> Conditioned:
    graph, plan, samples = planned
    return merged(Conditioned(graph), GPTQ().apply(Conditioned(graph), plan, samples))


def noise(planned: tuple[Graph, Plan, Samples], state: Conditioned) -> float:
    graph, plan, samples = planned
    taken = samples.some(len(DATA))
    trial = replace(Trial.of(graph, plan, MinMax(), taken, taken), classes=frozenset())
    return trial.noise_of(state)


@pytest.mark.every_backend
def test_what_trains_is_what_is_deployed(planned: tuple[Graph, Plan, Samples], rounded: Conditioned) -> None:
    graph, plan, samples = planned
    taken = stacked(samples.some(len(DATA)), graph.inputs)
    network = rounded_network(rounded, plan, taken, MinMax())
    results = Twin(network)([ops.convert_to_tensor(taken[name]) for name in network.graph.inputs])
    exact, found = (ops.convert_to_numpy(each) for each in results[-2:])
    share = float(np.square(found - exact).sum() / np.square(exact).sum())
    # Steps on either side of a tie are all that the kernels and float32 may differ by.
    assert share == pytest.approx(noise(planned, rounded), rel=0.02)


@pytest.mark.every_backend
def test_trained_scales_and_biases_are_closer_to_float(planned: tuple[Graph, Plan, Samples]) -> None:
    graph, plan, samples = planned
    nearest = Conditioned(graph)
    change = SHORT.apply(nearest, plan, samples)
    assert noise(planned, merged(nearest, change)) < noise(planned, nearest)
    assert "trained scales and biases of 3 of 3 layers on 96 samples" in change.notes[0].text


def test_integers_stay_and_the_same_seed_makes_the_same(
    planned: tuple[Graph, Plan, Samples], rounded: Conditioned
) -> None:
    _, plan, samples = planned
    first, second = (SHORT.apply(rounded, plan, samples) for _ in range(2))
    assert all(np.array_equal(first.deployed[name], each) for name, each in second.deployed.items())
    for rule in plan.weights:
        before, after = (
            quantize_weight(each.deployed[rule.tensor], each.limits[rule.tensor], rule.dtype, rule.granularity)[0]
            for each in (rounded, first)
        )
        assert np.array_equal(before, after)


def test_training_that_was_interrupted_goes_on(
    planned: tuple[Graph, Plan, Samples], rounded: Conditioned, tmp_path: Path
) -> None:
    _, plan, samples = planned

    def ends(stage: str, done: int, total: int | None) -> None:
        if done == 8:
            raise KeyboardInterrupt

    method = replace(SHORT, resume=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        method.apply(rounded, plan, replace(samples, progress=ends))
    steps: list[int] = []
    resumed = method.apply(rounded, plan, replace(samples, progress=lambda stage, done, total: steps.append(done)))
    whole = SHORT.apply(rounded, plan, samples)
    assert len(steps) < 15
    assert all(np.array_equal(resumed.deployed[name], each) for name, each in whole.deployed.items())


def test_time_that_is_over_ends_it(planned: tuple[Graph, Plan, Samples], rounded: Conditioned) -> None:
    _, plan, samples = planned
    steps: list[int] = []
    told = replace(samples, progress=lambda stage, done, total: steps.append(done))
    replace(SHORT, minutes=0.0).apply(rounded, plan, told)
    assert steps == [1]


def test_a_network_of_large_activations_gets_small_batches() -> None:
    text = """
        graph large
        input image: float32[1,{0},{0},1]
        relu = RELU(image)
        output relu
    """
    sizes = [batch_of(parse_graph(text.format(size)), 1000) for size in (8, 4096, 20000)]
    assert sizes == [BATCH, MEMORY_BYTES // (16 * 4096**2), 1]


def test_what_has_no_gradient_is_left_and_told(planned: tuple[Graph, Plan, Samples]) -> None:
    graph, _, samples = planned
    change = SHORT.apply(Conditioned(graph), make_plan(graph, QuantizeConfig("dynamic")), samples)
    assert change.graph is graph
    assert not change.deployed
    assert change.notes[0].text.startswith("nothing was trained: no integer weight")


def test_the_best_level_tells_what_it_brought() -> None:
    model: Any = convolutional()
    good, best = (octavo.quantize(model, "int8x4", DATA[:24], effort=name, verify="off") for name in ("good", "best"))
    told = {note.stage: note.text for note in best.notes}
    assert "of fast, default, good, best" in told["effort"]
    kept = any("left out" not in told[name] for name in ("reconstruct", "distill"))
    assert kept or best.model == good.model
