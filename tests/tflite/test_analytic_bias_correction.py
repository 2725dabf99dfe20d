"""Biases corrected by what batch normalizations remember, without a sample."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from octavo.condition import AnalyticBiasCorrection, BiasCorrection, Conditioned, Samples, condition
from octavo.condition.normals import Normal
from octavo.condition.trial import Trial
from octavo.config import QuantizeConfig
from octavo.numerics.estimators import MinMax
from octavo.ops.fused import FusedActivation
from octavo.plan.make import make_plan
from octavo.stages import Prepared, prepare

X = np.random.default_rng(3).normal(size=(96, 8, 8, 3)).astype(np.float32)


def network() -> keras.Model:
    """Two branches behind a stem, joined by a sum, a concatenation and an average; statistics are those of `X`."""
    keras.utils.set_random_seed(2)

    def block(y: object, name: str, kernel: int = 1) -> object:
        y = layers.Conv2D(16, kernel, use_bias=False, name=name)(y)
        y = layers.BatchNormalization(momentum=0.0, beta_initializer="ones", name=f"{name}_norm")(y)
        return layers.ReLU(6.0)(y)

    x = inputs = keras.Input((8, 8, 3))
    stem = block(x, "stem", 3)
    both = layers.Concatenate()([layers.Add()([block(stem, "left"), stem]), block(stem, "right")])
    y = layers.Dense(5, name="scores")(layers.GlobalAveragePooling2D()(block(both, "wide")))
    model = keras.Model(inputs, y)
    for _ in range(5):
        model(X, training=True)
    return model


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(network())


@pytest.mark.parametrize("activation", [FusedActivation.NONE, FusedActivation.RELU, FusedActivation.RELU6])
def test_the_mean_of_what_is_clipped_is_that_of_many_draws(activation: FusedActivation) -> None:
    mean, deviation = np.array([-3.0, 0.0, 1.0, 5.0, 9.0]), np.array([1.0, 2.0, 0.0, 3.0, 2.0])
    draws = mean + deviation * np.random.default_rng(0).normal(size=(200_000, 5))
    low, high = {FusedActivation.RELU: (0, np.inf), FusedActivation.RELU6: (0, 6)}.get(activation, (-np.inf, np.inf))
    found = Normal(mean, deviation).clipped_mean(activation)
    # Four deviations of a mean of so many draws.
    assert np.abs(found - np.clip(draws, low, high).mean(axis=0)).max() < 4 * 3 / np.sqrt(200_000)


def test_every_normalized_layer_is_known_by_its_mean_and_deviation(prepared: Prepared) -> None:
    known = [node for node in prepared.graph.nodes if node.outputs[0] in prepared.normals]
    assert {node.layer for node in known if node.op == "CONV_2D"} == {"stem", "left", "right", "wide"}
    for node in known:
        normal = prepared.normals[node.outputs[0]]
        assert np.allclose(normal.mean, 1.0, atol=1e-4)
        assert np.allclose(normal.deviation, 1.0, atol=1e-2)


def test_without_a_sample_it_wins_most_of_what_correction_on_samples_wins(prepared: Prepared) -> None:
    graph = prepared.graph
    plan = make_plan(graph, QuantizeConfig("int8x4"))
    samples = Samples(X, tuple(graph.tensors[name] for name in graph.inputs))
    nothing = replace(samples, data=np.zeros_like(X[:1]))
    trial = Trial.of(graph, plan, MinMax(), samples.some(16), samples.some(64))
    analytic = condition(graph, plan, nothing, [AnalyticBiasCorrection(prepared.normals)])
    empirical = condition(graph, plan, samples, [BiasCorrection(measure=False)])
    plain, found, best = (trial.sqnr_db(each) for each in (Conditioned(graph), analytic, empirical))
    assert found > (plain + best) / 2
    assert analytic.notes[-1].text == "corrected the biases of 4 of 5 layers by what normalizations remember"


def test_a_model_that_remembers_nothing_keeps_its_biases() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(2)])
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    plain, made = (
        octavo.quantize(model, "int8", x, effort="fast", methods=methods, verify="off")
        for methods in ((), (AnalyticBiasCorrection(),))
    )
    assert made.model == plain.model


def test_asked_for_by_name_it_knows_what_the_model_remembers(prepared: Prepared) -> None:
    made = octavo.quantize(network(), "int8x4", X, methods=[AnalyticBiasCorrection()], verify="off")
    assert "4 of 5 layers" in next(note.text for note in made.notes if note.stage == "analytic_bias_correction")
