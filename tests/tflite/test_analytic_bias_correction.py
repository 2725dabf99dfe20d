"""Biases corrected by what batch normalizations remember, without a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from octavo.condition import AnalyticBiasCorrection, BiasCorrection, Conditioned, Samples, condition
from octavo.condition.normals import Normal, expectation
from octavo.condition.trial import Trial
from octavo.config import QuantizeConfig
from octavo.numerics.estimators import MinMax
from octavo.ops.fused import FusedActivation, clamp_real
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


def convolved(y: Any) -> Any:
    return layers.Conv2D(8, 3, use_bias=False, padding="same")(y)


def normalized(y: Any) -> Any:
    return layers.BatchNormalization(
        momentum=0.0,
        gamma_initializer=keras.initializers.RandomUniform(0.5, 1.5, seed=4),
        beta_initializer=keras.initializers.RandomNormal(0.5, 0.5, seed=5),
    )(y)


def activated(activation: str) -> Callable[[Any], Any]:
    """A block whose activation stands alone, or is made of several operators."""
    return lambda y: layers.Activation(activation)(normalized(convolved(y)))


def preactivated(y: Any) -> Any:
    """Normalized, then convolved, beside what goes on as it is."""
    return layers.Add()([y, convolved(layers.ReLU()(normalized(y)))])


def densely(y: Any) -> Any:
    return layers.Concatenate()([y, convolved(layers.ReLU()(normalized(y)))])


def residual(y: Any) -> Any:
    """What is normalized is added to what is not normal, and clipped."""
    return layers.ReLU()(layers.Add()([y, normalized(convolved(y))]))


# Blocks, three behind each other; and of how many layers, the first and the last included, the biases follow.
STYLES: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "silu": (activated("silu"), "4 of 5"),
    "hard_silu": (activated("hard_silu"), "4 of 5"),
    "leaky_relu": (activated("leaky_relu"), "4 of 5"),
    "preactivated": (preactivated, "4 of 5"),
    "densely connected": (densely, "4 of 5"),
    "residual": (residual, "4 of 5"),
}


EVERY_RUN = ("silu", "preactivated", "residual")


@pytest.mark.parametrize(
    "style", [pytest.param(name, marks=[] if name in EVERY_RUN else [pytest.mark.exhaustive]) for name in STYLES]
)
def test_means_follow_through_activations_and_sums_of_any_style(style: str) -> None:
    keras.utils.set_random_seed(2)
    block, layers_corrected = STYLES[style]
    x = inputs = keras.Input((8, 8, 3))
    y = layers.ReLU()(normalized(convolved(x)))
    for _ in range(3):
        y = block(y)
    y = layers.Dense(5)(layers.GlobalAveragePooling2D()(layers.ReLU()(normalized(y))))
    model = keras.Model(inputs, y)
    for _ in range(5):
        model(X, training=True)
    made = prepare(model)
    plan = make_plan(made.graph, QuantizeConfig("int8x4"))
    samples = Samples(X, tuple(made.graph.tensors[name] for name in made.graph.inputs))
    trial = Trial.of(made.graph, plan, MinMax(), samples.some(16), samples.some(64))
    after = condition(made.graph, plan, replace(samples, data=X[:1] * 0), [AnalyticBiasCorrection(made.normals)])
    best = condition(made.graph, plan, samples, [BiasCorrection(measure=False)])
    plain, found, most = (trial.sqnr_db(each) for each in (Conditioned(made.graph), after, best))
    assert layers_corrected in after.notes[-1].text
    assert found > (plain + most) / 2


@pytest.mark.parametrize("activation", [FusedActivation.NONE, FusedActivation.RELU, FusedActivation.RELU6])
def test_the_mean_of_what_is_clipped_is_that_of_many_draws(activation: FusedActivation) -> None:
    mean, deviation = np.array([-3.0, 0.0, 1.0, 5.0, 9.0]), np.array([1.0, 2.0, 0.0, 3.0, 2.0])
    draws = mean + deviation * np.random.default_rng(0).normal(size=(200_000, 5))
    low, high = {FusedActivation.RELU: (0, np.inf), FusedActivation.RELU6: (0, 6)}.get(activation, (-np.inf, np.inf))
    found = expectation(clamp_real(Normal(mean, deviation).values, activation))
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
