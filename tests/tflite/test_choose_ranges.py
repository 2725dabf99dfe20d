"""Ranges by the error they cause where they are read: cut where that is less, the extremes where it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import octavo
from keras_networks import convolutional, images
from octavo.condition import ChooseRanges, Conditioned, EstimateBy, Samples
from octavo.condition.effort import RECIPES, recipes_up_to
from octavo.condition.run import merged
from octavo.condition.trial import Trial
from octavo.config import QuantizeConfig
from octavo.errors import ConfigError
from octavo.ir.types import Graph
from octavo.numerics.estimators import Auto, MinMax, Percentile, Shares
from octavo.plan.make import make_plan
from octavo.plan.types import Plan
from octavo.stages import prepare

DATA = images(32)
# A tanh of them tells apart what is near 0, and not what lies beyond.
WIDE = np.random.default_rng(0).normal(0, 8, (32, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(32), keras.layers.Activation("tanh"), keras.layers.Dense(4)]
    return keras.Sequential([keras.Input((16,)), *layers])


@pytest.fixture(scope="module")
def planned(model: Any) -> tuple[Graph, Plan]:
    graph = prepare(model).graph
    return graph, make_plan(graph, QuantizeConfig("int8"))


def chosen(planned: tuple[Graph, Plan], data: np.ndarray) -> tuple[Conditioned, Samples]:
    graph, plan = planned
    samples = Samples(data, tuple(graph.tensors[name] for name in graph.inputs))
    return merged(Conditioned(graph), ChooseRanges().apply(Conditioned(graph), plan, samples)), samples


def test_what_a_reader_does_not_tell_apart_is_cut_and_other_samples_come_closer(planned: tuple[Graph, Plan]) -> None:
    graph, plan = planned
    after, samples = chosen(planned, WIDE[:24])
    trial = Trial.of(
        graph, plan, MinMax(), samples.some(24), [{graph.inputs[0]: each[np.newaxis]} for each in WIDE[24:]]
    )
    assert trial.sqnr_db(after) > trial.sqnr_db(Conditioned(graph))
    assert after.graph is graph
    assert after.notes[0].text == "cut 1 of 2 ranges by what reads them, on 16 samples"


def test_what_is_as_frequent_at_the_ends_is_not_cut() -> None:
    other = prepare(convolutional()).graph
    plan = make_plan(other, QuantizeConfig("int8"))
    after, _ = chosen((other, plan), np.random.default_rng(0).uniform(-1, 1, DATA.shape).astype(np.float32))
    shares = {} if after.estimator is None else after.estimator.shares  # type: ignore[attr-defined]
    assert other.inputs[0] not in shares


def test_outputs_and_fixed_ranges_keep_the_extremes(planned: tuple[Graph, Plan]) -> None:
    graph, plan = planned
    after, _ = chosen(planned, WIDE)
    assert isinstance(after.estimator, Shares)
    kept = {name for group in plan.groups if group.fixed is not None for name in group.tensors} | {*graph.outputs}
    assert kept.isdisjoint(after.estimator.shares)


def test_the_file_is_made_by_the_ranges_that_were_chosen(model: Any) -> None:
    wanted = octavo.quantize(model, "float32", verify="off").predict(WIDE[24:])
    errors = []
    for methods in ((), (ChooseRanges(),)):
        made = octavo.quantize(model, "int8", WIDE[:24], methods=methods, effort="fast")
        errors.append(float(np.square(np.asarray(made.predict(WIDE[24:])) - wanted).sum()))
    assert errors[1] < errors[0]


def test_statistics_show_no_errors_and_give_extremes(model: Any) -> None:
    statistics = octavo.calibrate(model, WIDE, estimator="auto")
    made = octavo.quantize(model, "int8", statistics, estimator="auto", verify="off")
    assert made.ranges == octavo.quantize(model, "int8", WIDE, effort="fast", verify="off").ranges
    assert "statistics, which hold no samples" in next(note.text for note in made.notes if note.stage == "effort")


def test_a_way_that_was_asked_for_is_not_replaced() -> None:
    for estimator, names in ((MinMax(), ["good"]), (Auto(), ["good"]), (Percentile(99.0), [])):
        recipes = recipes_up_to("good", estimator)
        assert [name for name, each in recipes.items() if ChooseRanges() in each.methods] == names
    assert list(recipes_up_to("default", Auto())) == ["default", "auto"]
    assert replace(RECIPES["good"], methods=()) == replace(recipes_up_to("good", MinMax())["good"], methods=())


def test_the_whole_network_may_have_another_estimator(planned: tuple[Graph, Plan]) -> None:
    graph, plan = planned
    samples = Samples(WIDE, tuple(graph.tensors[name] for name in graph.inputs))
    seen, others = samples.some(24), [{graph.inputs[0]: each[np.newaxis]} for each in WIDE[24:]]
    after = EstimateBy(Percentile(90.0)).apply(Conditioned(graph), plan, samples)
    trials = [Trial.of(graph, plan, estimator, seen, others) for estimator in (MinMax(), Percentile(90.0))]
    assert trials[0].sqnr_db(after) == trials[1].sqnr_db(Conditioned(graph)) != trials[0].sqnr_db(Conditioned(graph))
    assert after.graph is graph


def test_it_looks_at_some_samples() -> None:
    with pytest.raises(ConfigError, match=r"fix: +use some tens, for example ChooseRanges\(samples=16\)"):
        ChooseRanges(samples=0)
