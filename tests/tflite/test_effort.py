"""Levels of effort: every step is kept where it helps on samples held out, and what was done is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import pytest

import octavo
from keras_networks import convolutional, images
from octavo.condition import Conditioned, Samples, effort, improve
from octavo.condition.effort import RECIPES, Recipe, recipes_up_to
from octavo.config import EFFORTS, QuantizeConfig
from octavo.errors import ConfigError, NonFiniteError
from octavo.evaluate.accuracy import compare_outputs
from octavo.ir.graph import with_tensors
from octavo.numerics.estimators import MinMax
from octavo.plan.make import make_plan
from octavo.plan.remarks import what_helps
from octavo.plan.types import Plan
from octavo.stages import prepare

DATA = images(48)


@dataclass(frozen=True)
class ShiftBiases:
    """A method that does harm, or nothing."""

    by: float
    name: str = "shift_biases"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        biases = [before.graph.tensors[rule.tensor] for rule in plan.biases]
        moved = (replace(bias, data=bias.values + np.float32(self.by)) for bias in biases)
        return Conditioned(with_tensors(before.graph, moved))


def sqnr_db(found: Any, wanted: Any) -> float:
    (accuracy,) = compare_outputs({"": np.asarray(found)}, {"": np.asarray(wanted)})
    assert accuracy.sqnr_db is not None
    return accuracy.sqnr_db


@pytest.fixture(scope="module")
def model() -> Any:
    return convolutional()


def test_every_level_but_the_lowest_has_a_recipe() -> None:
    assert ["fast", *RECIPES] == list(EFFORTS)
    assert [list(recipes_up_to(name, MinMax())) for name in EFFORTS] == [list(RECIPES)[:i] for i in range(len(EFFORTS))]


@pytest.mark.parametrize("scheme", ["int8x4", "int16x8"])
def test_more_effort_is_closer_to_float_on_other_samples(model: Any, scheme: str) -> None:
    x, seen = DATA[36:], DATA[:36]
    wanted = octavo.quantize(model, "float32", verify="off").predict(x)
    made = [octavo.quantize(model, scheme, seen, effort=name, verify="off") for name in ("fast", "default", "good")]
    reached = [sqnr_db(each.predict(x), wanted) for each in made]
    assert reached == sorted(reached)
    assert [len([note for note in each.notes if note.stage == "effort"]) for each in made] == [0, 1, 1]


@pytest.mark.parametrize(("scheme", "estimated"), [("int8", False), ("int8x4", True)])
def test_normalizations_are_estimated_anew_where_weights_have_few_bits(
    model: Any, scheme: str, estimated: bool
) -> None:
    made = octavo.quantize(model, scheme, DATA, effort="default", verify="off")
    assert ("reestimate_norms" in {note.stage for note in made.notes}) == estimated


@pytest.mark.parametrize(("quick", "judges"), [(False, 24), (True, 48)], ids=["slow", "quick"])
def test_a_step_that_does_harm_is_left_out_and_said_so(
    model: Any, monkeypatch: pytest.MonkeyPatch, quick: bool, judges: int
) -> None:
    monkeypatch.setattr(effort, "RECIPES", {"default": Recipe((ShiftBiases(3.0),), 24, quick=quick)})
    graph = prepare(model).graph
    plan = make_plan(graph, QuantizeConfig("int8"))
    samples = Samples(DATA, tuple(graph.tensors[name] for name in graph.inputs))
    after = improve(graph, plan, samples, "default", MinMax())
    assert after.graph is graph
    texts = {note.stage: note.text for note in after.notes}
    assert texts["shift_biases"].startswith("left out, as it does not help")
    assert texts["effort"].startswith("'fast' is best of fast, default")
    # What either half of the samples makes is judged by the other, where that is quick.
    assert texts["effort"].endswith(f"on {judges} samples held out")


def test_a_level_that_is_worse_gives_way_to_the_one_before(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = {"default": RECIPES["default"], "good": Recipe((ShiftBiases(3.0),), 24)}
    plain, best = (octavo.quantize(model, "int8x4", DATA, effort=name, verify="off") for name in ("fast", "default"))
    monkeypatch.setattr(effort, "RECIPES", recipes)
    made = octavo.quantize(model, "int8x4", DATA, effort="good", verify="off")
    assert made.model == best.model != plain.model
    assert "'default' is best of fast, default, good" in next(n.text for n in made.notes if n.stage == "effort")


def test_answers_that_are_all_alike_are_judged_by_what_makes_them() -> None:
    layers = keras.layers
    tiny = keras.initializers.RandomUniform(-1e-7, 1e-7, seed=0)
    network = keras.Sequential([keras.Input((8,)), layers.Dense(5, "softmax", kernel_initializer=tiny)])
    x = np.random.default_rng(0).normal(size=(24, 8)).astype(np.float32)
    (told,) = [n.text for n in octavo.quantize(network, "int8x4", x, verify="off").notes if n.stage == "effort"]
    reached = [float(each) for each in re.findall(r"([\d.]+) dB", told)]
    # Of four bits; before the softmax, behind which all answers are the same.
    assert len(reached) == 2
    assert all(10 < each < 40 for each in reached)


def test_float_weights_and_the_lowest_level_need_no_judge(model: Any) -> None:
    for scheme, name in (("float16", "good"), ("int8", "fast"), ("dynamic", "default")):
        made = octavo.quantize(model, scheme, DATA, effort=name, verify="off")
        assert not [note for note in made.notes if note.stage == "effort"]


def test_small_weights_beside_float_activations_are_improved_too(model: Any) -> None:
    plain, made = (octavo.quantize(model, "dynamic", DATA, effort=name, verify="off") for name in ("fast", "good"))
    assert made.model != plain.model
    assert "SQNR" in next(note.text for note in made.notes if note.stage == "effort")


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (lambda model: octavo.calibrate(model, DATA), "statistics, which hold no samples"),
        (lambda model: (x for x in DATA), "a generator, where the function that makes it would do"),
    ],
    ids=["statistics", "a generator"],
)
def test_without_samples_to_read_again_it_is_said_that_less_is_done(
    model: Any, data: Callable[[Any], Any], got: str
) -> None:
    made = octavo.quantize(model, "int8", data(model), effort="good", verify="off")
    assert made.model == octavo.quantize(model, "int8", DATA, effort="fast", verify="off").model
    (told,) = [note.text for note in made.notes if note.stage == "effort"]
    assert told == f"effort 'good' is done as 'fast', which reads no sample twice: got {got}"


def test_one_sample_serves_and_is_no_sample_held_out(model: Any) -> None:
    made = octavo.quantize(model, "int8x4", DATA[:1], effort="default", verify="off")
    assert "too few to hold any out" in next(note.text for note in made.notes if note.stage == "effort")


@pytest.mark.parametrize("name", ["default", "good"])
def test_the_order_of_samples_makes_no_difference(model: Any, name: str) -> None:
    # More samples than are looked at, so that some are left out.
    many = images(300)
    first, second = (octavo.quantize(model, "int8x4", each, effort=name, verify="off") for each in (many, many[::-1]))
    assert first.model == second.model


def test_what_helps_is_more_effort_then_other_types_then_training(model: Any) -> None:
    graph = prepare(model).graph

    def helps(scheme: str, name: str) -> str:
        config = QuantizeConfig(scheme, effort=name)
        return what_helps(make_plan(graph, config), config)

    assert "effort='good'" in helps("int8x4", "fast")
    assert "`octavo search` finds" in helps("int8x4", "good")
    assert "effort='best'" in helps("int8x4", "good")
    assert "effort=" not in helps("int8x4", "best")
    assert "int8 weights" not in helps("int8", "fast")
    assert helps("float16", "fast") == "`octavo diagnose` to find what loses most, quantization-aware training"


def test_a_sample_that_is_not_finite_is_named_by_its_number(model: Any) -> None:
    spoiled = DATA.copy()
    spoiled[5, 0, 0, 0] = np.nan
    with pytest.raises(NonFiniteError, match="sample 5"):
        octavo.quantize(model, "int8", spoiled, effort="default")


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'good'\?"):
        QuantizeConfig(effort="god")
