"""Blocks train until they are closer to float on samples held out, and otherwise keep what they had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import octavo
from keras_networks import convolutional
from octavo.condition import GPTQ, Conditioned, Reconstruct, Samples, rounded_network
from octavo.condition.blocks import blocks
from octavo.condition.run import applied
from octavo.condition.trial import Trial
from octavo.config import QuantizeConfig
from octavo.ir.types import Graph
from octavo.numerics.estimators import MinMax
from octavo.ops.text import parse_graph
from octavo.plan.make import make_plan
from octavo.plan.types import Plan
from octavo.stages import prepare

Planned = tuple[Graph, Plan, Samples]


def patches(count: int, seed: int) -> np.ndarray:
    """Images of four patches each, and a little noise: neighbours tell of each other, as rounding by products needs."""
    random = np.random.default_rng(seed)
    large = random.normal(size=(count, 2, 2, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return (large + 0.1 * random.normal(size=large.shape)).astype(np.float32)


DATA = patches(96, 1)
SHORT = Reconstruct(passes=1600, variations=0, rate=0.05)


@pytest.fixture(scope="module")
def planned() -> Planned:
    graph = prepare(convolutional()).graph
    inputs = tuple(graph.tensors[name] for name in graph.inputs)
    return graph, make_plan(graph, QuantizeConfig("int8x4")), Samples(DATA, inputs)


def noise(planned: Planned, state: Conditioned) -> float:
    graph, plan, samples = planned
    others = replace(samples, data=patches(64, 2)).some(64)
    return replace(Trial.of(graph, plan, MinMax(), samples.some(96), others), classes=frozenset()).noise_of(state)


@pytest.mark.every_backend
def test_other_integers_than_the_nearest_bring_a_network_much_closer_to_float(planned: Planned) -> None:
    graph, plan, samples = planned
    nearest = Conditioned(graph)
    after = applied(nearest, plan, samples, [SHORT])
    assert noise(planned, after) < 0.7 * noise(planned, nearest)
    assert "trained 2 blocks on 72 samples, of which 2 are closer to float on 24 others" in after.notes[-1].text


def test_blocks_that_end_further_from_float_keep_what_they_had(planned: Planned) -> None:
    graph, plan, samples = planned
    before = applied(Conditioned(graph), plan, samples, [GPTQ()])
    change = replace(SHORT, passes=1, rate=1.0).apply(before, plan, samples)
    assert not change.deployed
    assert not change.limits
    assert "of which 0 are closer to float" in change.notes[-1].text
    assert "100% there of what it was" in change.notes[-1].text


def test_training_that_was_interrupted_goes_on_behind_the_blocks_that_were_finished(
    planned: Planned, tmp_path: Path
) -> None:
    graph, plan, samples = planned
    start, steps = Conditioned(graph), list[int]()

    def ends(stage: str, done: int, total: int | None) -> None:
        assert (stage, total) == ("reconstruct", 100)
        if done == 60:
            raise KeyboardInterrupt

    method = replace(SHORT, resume=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        method.apply(start, plan, replace(samples, progress=ends))
    resumed = method.apply(start, plan, replace(samples, progress=lambda stage, done, total: steps.append(done)))
    whole = SHORT.apply(start, plan, samples)
    assert steps == list(range(51, 101))
    assert resumed.deployed
    for found, wanted in ((resumed.deployed, whole.deployed), (resumed.limits, whole.limits)):
        assert found.keys() == wanted.keys()
        assert all(np.array_equal(found[name], each) for name, each in wanted.items())


def test_time_that_is_over_ends_it(planned: Planned) -> None:
    graph, plan, samples = planned
    steps = list[int]()
    told = replace(samples, progress=lambda stage, done, total: steps.append(done))
    change = replace(SHORT, minutes=0.0).apply(Conditioned(graph), plan, told)
    assert len(steps) <= 1
    assert not change.deployed
    assert "give more minutes, or resume='folder' to go on" in change.notes[0].text


def test_a_block_beyond_the_memory_is_left_and_named(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, plan, samples = planned
    monkeypatch.setattr(rounded_network, "MEMORY_BYTES", 1 << 15)
    change = replace(SHORT, passes=1).apply(Conditioned(graph), plan, samples)
    assert [note.subject for note in change.notes[:-1]] == ["scores"]
    assert "methods=[GPTQ()] rounds its layers one by one" in change.notes[0].text
    assert "trained 2 blocks" in change.notes[-1].text


def test_a_residual_unit_is_one_block_and_so_are_two_layers_of_a_chain() -> None:
    names = "abcdef"
    layers = "\n".join(f"const {name}: float32[4,4] = normal({i})" for i, name in enumerate(names))
    graph = parse_graph(
        f"""
        graph mixed
        input x: float32[1,4]
        {layers}
        p = FULLY_CONNECTED(x, a)
        q = FULLY_CONNECTED(p, b)
        r = FULLY_CONNECTED(q, c)
        s = FULLY_CONNECTED(r, d)
        t = FULLY_CONNECTED(s, e)
        u = ADD(r, t)
        v = FULLY_CONNECTED(u, f)
        output u
        output v
        """
    )
    cuts = blocks(graph, set("pqrstv"), lambda cut: True)
    assert [(cut.inputs, cut.outputs) for cut in cuts] == [(("x",), ("q",)), (("q",), ("u",)), (("u",), ("v",))]
    small = blocks(graph, set("pqrstv"), lambda cut: cut.stop - cut.start < 2)
    assert [cut.outputs[-1] for cut in small] == ["p", "q", "r", "u", "v"]


def test_it_is_a_method_as_others_are() -> None:
    model: Any = convolutional()
    made = octavo.quantize(model, "int8x4", DATA[:24], methods=[replace(SHORT, passes=320)])
    assert any(note.stage == "reconstruct" and note.text.startswith("trained 2 blocks") for note in made.notes)
    few = octavo.quantize(model, "int8x4", DATA[:3], methods=[SHORT], verify="off")
    assert any("of 3 samples none can be held out, give 4 or more" in note.text for note in few.notes)


def test_results_that_are_not_one_a_sample_are_left_and_told() -> None:
    graph = parse_graph(
        """
        graph folded
        input x: float32[1,4]
        const k: float32[4,4] = normal(1)
        const shape: int32[2] = 2 2
        y = FULLY_CONNECTED(x, k)
        z = RESHAPE(y, shape)
        output z
        """
    )
    samples = Samples(np.eye(4, dtype=np.float32), (graph.tensors["x"],))
    change = SHORT.apply(Conditioned(graph), make_plan(graph, QuantizeConfig("int8x4")), samples)
    assert change.notes[-1].text == "nothing was trained: 'z' has no dimension of samples, [2, 2]"
