"""Training of a conditioned model starts from what the methods made, and is deployed as it was trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest
from keras import layers
from qat_agreement import assert_deployed_as_trained

import octavo
from combinations import combined
from keras_agreement import spread_weights
from octavo import qat
from octavo.condition import (
    AbsorbBiases,
    AnalyticBiasCorrection,
    BiasCorrection,
    Conditioned,
    Method,
    Reconstruct,
    ReestimateNorms,
    Samples,
)
from octavo.errors import ConfigError
from octavo.ir.graph import consumers, producers, with_tensors
from octavo.ops.fused import FusedActivation
from octavo.plan.types import Plan

X = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype(np.float32)


@dataclass(frozen=True)
class Equalize:
    """Cross-layer equalization, CONV -> CONV with RELU or nothing between: `w1 / s, b1 / s, w2 * s` a channel."""

    name: str = "equalize"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        graph = before.graph
        made_by, readers = producers(graph), consumers(graph)
        for node in graph.nodes:
            first = made_by.get(str(node.inputs[0]))
            if node.op != "CONV_2D" or first is None or first.op != "CONV_2D" or len(readers[first.outputs[0]]) > 1:
                continue
            if first.options.fused_activation_function not in (FusedActivation.NONE, FusedActivation.RELU):  # type: ignore[attr-defined]
                continue
            names = str(first.inputs[1]), str(first.inputs[2]), str(node.inputs[1])
            w1, b1, w2 = (graph.tensors[name] for name in names)
            assert w1.data is not None
            assert b1.data is not None
            assert w2.data is not None
            reach = np.sqrt(np.abs(w1.data).max(axis=(1, 2, 3)) / np.abs(w2.data).max(axis=(0, 1, 2)))
            scaled = (w1.data / reach[:, None, None, None], b1.data / reach, w2.data * reach)
            graph = with_tensors(
                graph, [replace(t, data=d.astype(np.float32)) for t, d in zip((w1, b1, w2), scaled, strict=True)]
            )
        return Conditioned(graph)


def network(*, norm: bool, bias: bool = True, center: bool = True) -> keras.Model:
    """Three convolutions whose channels differ in size by a thousand, and a dense layer."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((8, 8, 3))
    for i in range(3):
        x = layers.Conv2D(8, 3, padding="same", use_bias=bias, name=f"c{i}")(x)
        x = layers.BatchNormalization(center=center, name=f"n{i}")(x) if norm else x
        x = layers.ReLU(name=f"r{i}")(x)
    model = keras.Model(inputs, layers.Dense(5, name="fc")(layers.Flatten()(x)))
    spread_weights(model)
    for i in range(2):
        layer = model.get_layer(f"n{i}" if norm else f"c{i}")
        first, *rest = layer.get_weights()
        layer.set_weights([first * np.logspace(-2, 1, 8), *rest])
    return model


METHODS: dict[str, tuple[Method, ...]] = {
    "bias correction": (BiasCorrection(),),
    "equalization": (Equalize(),),
    "both": (Equalize(), BiasCorrection()),
    "absorbed and estimated anew": (AbsorbBiases(), ReestimateNorms()),
    "without samples": (AnalyticBiasCorrection(),),
    "reconstructed": (Reconstruct(passes=512, variations=0),),
}
MODELS: dict[str, Callable[[], keras.Model]] = {
    "bias": lambda: network(norm=False),
    "batch norm": lambda: network(norm=True),
    "batch norm, no bias": lambda: network(norm=True, bias=False),
}


@pytest.mark.parametrize(("build", "methods", "scheme"), combined(MODELS, METHODS, ["int8", "int8x4"]))
def test_a_conditioned_model_is_deployed_as_trained(
    build: Callable[[], keras.Model], methods: tuple[Method, ...], scheme: str
) -> None:
    model = build()
    trained = qat.quantize_model(model, scheme, data=X, methods=methods)
    trained.compile(keras.optimizers.SGD(1e-3), "mse")
    trained.fit(X, np.zeros((64, 5)), epochs=1, verbose=0)
    quantized = octavo.quantize(trained)
    result = octavo.parity(trained, quantized, X)
    assert result.argmax_mismatches == result.ties
    assert_deployed_as_trained(trained, quantized, [X[:16]])


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_an_equalized_model_computes_what_it_did(build: Callable[[], keras.Model]) -> None:
    model = build()
    before = [variable.numpy().copy() for variable in model.weights]
    equalized = qat.quantize_model(model, data=X, methods=[Equalize()])
    assert [note for note in equalized.notes if note.stage != "data"] == []
    wanted = model.predict(X, verbose=0)
    assert np.abs(qat.strip(equalized).predict(X, verbose=0) - wanted).max() <= 1e-4 * np.abs(wanted).max()
    assert any(not np.array_equal(a, b) for a, b in zip(qat.strip(equalized).get_weights(), before, strict=True))
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.weights, strict=True))


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_training_starts_from_the_biases_that_quantization_alone_would_write(build: Callable[[], keras.Model]) -> None:
    model = build()
    alone = octavo.quantize(model, "int8x4", X, methods=[BiasCorrection()], verify="off")
    trained = qat.quantize_model(model, "int8x4", data=X, methods=[BiasCorrection()])
    wanted, found = alone.predict(X), octavo.quantize(trained, verify="off").predict(X)
    plain = octavo.quantize(model, "int8x4", X, verify="off", effort="fast").predict(X)
    assert isinstance(wanted, np.ndarray)
    assert np.abs(found - wanted).mean() < 0.2 * np.abs(plain - wanted).mean()
    assert [note.stage for note in trained.notes] == ["bias_correction"] * 2


def test_the_notes_of_conditioning_come_with_the_file(tmp_path: pytest.TempPathFactory) -> None:
    trained = qat.quantize_model(network(norm=False), data=X, methods=[BiasCorrection()])
    trained.save(tmp_path / "trained.keras")
    loaded = keras.models.load_model(tmp_path / "trained.keras")
    assert loaded.notes == trained.notes
    assert set(trained.notes) <= set(octavo.quantize(loaded).notes)


def test_a_layer_that_holds_no_bias_is_told_and_trained_without() -> None:
    model = network(norm=True, bias=False, center=False)
    trained = qat.quantize_model(model, "int8x4", data=X, methods=[BiasCorrection()])
    told = [note for note in trained.notes if note.stage == "condition"]
    assert [note.subject for note in told] == ["c0", "c1", "c2"]
    assert all("training starts without" in note.text for note in told)
    assert_deployed_as_trained(trained, octavo.quantize(trained), [X[:8]])


def test_limits_are_left_to_the_observer_of_training() -> None:
    @dataclass(frozen=True)
    class Halve:
        name: str = "halve"

        def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
            return Conditioned(before.graph, {"c0/kernel": np.full(8, 0.1, np.float32)})

    notes = qat.quantize_model(network(norm=False), data=X, methods=[Halve()]).notes
    assert [note.subject for note in notes] == ["c0"]
    assert "limits" in notes[0].text


def test_a_trained_model_is_not_conditioned_again() -> None:
    trained = qat.quantize_model(network(norm=False), data=X)
    with pytest.raises(ConfigError, match=r"fix: +condition before training"):
        octavo.quantize(trained, data=X, methods=[BiasCorrection()])
