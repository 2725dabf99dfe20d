"""Diagnosis names the layer, the cause and a mend that works of faults planted on purpose, and is silent without."""

from __future__ import annotations

import json
from dataclasses import replace

import keras
import numpy as np
import planted
import planted_values
import pytest
from planted import FEATURES, samples

import octavo
from keras_networks import convolutional, draw_weights, images
from octavo.condition import BiasCorrection, ScaleChannels
from octavo.config import LayerConfig, QuantizeConfig
from octavo.diagnosis.causes import CAUSES
from octavo.diagnosis.trial import Trial
from octavo.errors import DatasetError, InputError, NonFiniteError
from octavo.stages import prepare

# Faults that may be put down to another layer, to another cause, and left with more than a fifth of the noise.
OTHER_LAYERS, OTHER_CAUSES, NOT_MENDED, REGAINED = 0, 0, 1, 0.8
# Causes that no file made in these tests can have, each with the reason.
NOT_PLANTED = {
    "runtimes": "no runtime is known to compute a proven file otherwise than its arithmetic explains",
    "training": "a trained model's file is made of its own plan",
    "accumulator": "the plan keeps sums within 32 bits",
    "coarse_layer": "stands for a layer of which nothing more special is known",
    "rounding_shifts": "see test_shifted_means_are_told",
    "many_layers": "stands for rounding of which nothing more special is known",
    "little_effort": "stands for numbers of which nothing more special is known",
    "large_bias": "see test_a_bias_that_a_file_cuts_is_told",
}


def planted_faults() -> dict[str, planted.Planted]:
    return planted.planted() | planted_values.planted()


@pytest.fixture(scope="module")
def diagnoses() -> dict[str, octavo.Diagnosis]:
    return {
        name: octavo.diagnose(each.model, each.data, (each.test, None), **each.options)
        for name, each in planted_faults().items()
    }


def test_planted_faults_are_found_and_mended(diagnoses: dict[str, octavo.Diagnosis]) -> None:
    faults = planted_faults()
    first = {name: found.findings[0] for name, found in diagnoses.items() if found.findings}
    layers = [name for name, each in first.items() if not faults[name].layer or each.layer in faults[name].layer]
    causes = [name for name, each in first.items() if each.cause == faults[name].cause]
    mended = [name for name, each in first.items() if each.mend.regained >= REGAINED]
    assert len(faults) >= 30
    assert len({*faults} - {*layers}) <= OTHER_LAYERS, sorted({*faults} - {*layers})
    assert len({*faults} - {*causes}) <= OTHER_CAUSES, sorted({*faults} - {*causes})
    assert len({*faults} - {*mended}) <= NOT_MENDED, sorted({*faults} - {*mended})


def test_every_cause_is_planted_or_says_why_not() -> None:
    names = {cause.name for cause in CAUSES}
    assert names == {fault.cause for fault in planted_faults().values()} | set(NOT_PLANTED)


def test_the_sample_to_blame_is_named_by_its_index(diagnoses: dict[str, octavo.Diagnosis]) -> None:
    assert diagnoses["outlier sample"].findings[0].samples == (11,)


def test_data_that_is_centred_for_a_model_that_was_not_is_told() -> None:
    found = octavo.diagnose(planted.branches(), samples(64, 1) - 0.5, (samples(96, 2), None))
    assert found.findings[0].cause == "mis_scaled_data"
    assert found.findings[0].mend.code == "data=data * 1 + 0.5"
    assert found.findings[0].mend.regained >= REGAINED


def test_what_is_told_is_in_the_json(diagnoses: dict[str, octavo.Diagnosis]) -> None:
    found = diagnoses["concatenated branches"]
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["findings"][0]["cause"] == "shared_scale"
    assert plain["findings"][0]["mend"]["code"] in str(found)
    assert {each["layer"] for each in plain["layers"]} == {each.layer for each in found.layers}
    assert found.ranked[0].effect == max(each.effect for each in found.layers)


@pytest.mark.parametrize(
    ("model", "data", "test"),
    [
        (planted.chain, samples(64, 1), samples(96, 2)),
        (planted.branches, samples(64, 1), samples(96, 2)),
        (planted.residual, samples(64, 3, FEATURES), samples(96, 4, FEATURES)),
        (lambda: planted.residual(5, "softmax"), samples(64, 3, FEATURES), samples(96, 4, FEATURES)),
        (convolutional, images(64), images(96, 5)),
    ],
    ids=["chain", "branches", "residual", "softmax", "convolutional"],
)
def test_a_healthy_network_raises_no_alarm(model: object, data: np.ndarray, test: np.ndarray) -> None:
    found = octavo.diagnose(model(), data, (test, None))  # type: ignore[operator]
    assert found.findings == ()
    assert found.healthy


def test_shifted_means_are_told() -> None:
    found = octavo.diagnose(planted.chain(), samples(64, 1), (samples(96, 2), None), scheme="int8x4", effort="fast")
    (shifted,) = (each for each in found.findings if each.cause == "rounding_shifts")
    assert shifted.mend.regained >= 0.5


def test_mends_by_methods_are_one_call_together_and_make_the_file() -> None:
    found = octavo.diagnose(
        planted.chain(), samples(64, 1), (samples(96, 2), None), scheme="int8x4", effort="fast", apply=True
    )
    assert found.findings[0].mend.code == "methods=[GPTQ()]"
    assert found.findings[0].mend.regained >= REGAINED
    assert [code for code in found.applied if code.startswith("methods=")] == ["methods=[GPTQ()]"]
    assert found.mended is not None
    assert found.mended.scheme.name == "int8x4"
    assert any(note.stage == "gptq" for note in found.mended.notes)


def test_a_bias_that_a_file_cuts_is_told() -> None:
    model, file = planted.cut_bias()
    found = octavo.diagnose(model, samples(64, 3, FEATURES), (samples(96, 4, FEATURES), None), file=file)
    assert (found.findings[0].cause, found.findings[0].layer) == ("large_bias", "wide")
    assert found.findings[0].mend.regained >= REGAINED


def test_the_mended_file_is_proven_and_loses_less() -> None:
    fault = planted.planted()["concatenated branches"]
    found = octavo.diagnose(fault.model, fault.data, (fault.test, None), apply=True)
    assert found.mended is not None
    assert found.mended.verification is not None
    assert found.mended.verification.ok
    floats = octavo.quantize(fault.model, "float32", verify="off").predict(fault.test)
    before = octavo.quantize(fault.model, "int8", fault.data, verify="off").predict(fault.test)
    after = found.mended.predict(fault.test)
    assert np.square(after - floats).mean() < 0.1 * np.square(before - floats).mean()


def test_with_labels_layers_and_mends_are_told_in_the_metric() -> None:
    model, x, t = planted.residual(), samples(64, 3, FEATURES), samples(200, 4, FEATURES)
    labels = octavo.quantize(model, "float32", verify="off").predict(t).argmax(axis=1)
    found = octavo.diagnose(
        model, x, (t, labels), layers=[LayerConfig("inner", weights="int4"), LayerConfig("wide", weights="int4")]
    )
    assert found.metric == "accuracy"
    assert found.float_metric == 1.0
    assert all(each.metric is not None for each in found.layers)
    assert found.findings[0].mend.gain is not None


def test_without_data_and_with_another_models_file_it_is_refused() -> None:
    model, x = planted.residual(), samples(64, 3, FEATURES)
    with pytest.raises(DatasetError, match=r"fix: +pass data=x_train"):
        octavo.diagnose(model, None)
    other = octavo.quantize(planted.chain(), "int8", samples(8, 1), verify="off").model
    with pytest.raises(InputError, match=r"fix: +give the float model that this file was made from"):
        octavo.diagnose(model, x, file=other)


def test_a_file_of_other_operators_and_a_sample_that_overflows_are_told() -> None:
    x = samples(16, 3, (8,))
    entry = keras.Input((8,))
    dense = keras.Model(entry, keras.layers.Dense(8)(entry))
    other = octavo.quantize(keras.Model(entry, keras.ops.tanh(entry)), "int8", x, verify="off").model
    with pytest.raises(InputError, match=r"(?s)operators TANH.*fix: +give the float model"):
        octavo.diagnose(dense, x, file=other)
    x[3] = 1e4
    with pytest.raises(NonFiniteError, match=r"(?s)sample 3 .*fix: +leave sample 3 out"):
        octavo.diagnose(keras.Model(entry, keras.ops.exp(entry)), x)


def test_a_trained_model_is_held_against_its_own_file() -> None:
    from octavo import qat

    x = samples(64, 3, FEATURES)
    aware = qat.quantize_model(planted.residual(), data=x)
    found = octavo.diagnose(aware, x)
    assert found.scheme == "trained int8"
    assert found.healthy


def test_a_trained_model_is_held_against_the_file_that_is_given() -> None:
    from octavo import qat

    x = samples(64, 3, FEATURES)
    aware, other = (
        qat.quantize_model(model, data=x) for model in (planted.residual(), draw_weights(planted.residual(), 9))
    )
    own = octavo.diagnose(aware, x, file=octavo.quantize(aware, verify="off").model)
    assert own.healthy
    found = octavo.diagnose(aware, x, file=octavo.quantize(other, verify="off").model)
    assert found.findings[0].cause == "other_weights"
    assert found.findings[0].mend.regained >= REGAINED


def test_a_trial_of_another_layer_corrects_the_biases_of_all_others_and_is_what_is_made_from_scratch() -> None:
    prepared, x = prepare(planted.chain()), {"image": samples(64, 1)}
    begun = Trial.begun(prepared, QuantizeConfig("int8", effort="default"), x, lambda done, total: None)
    assert begun.basis is not None
    assert begun.basis.corrects
    tried = begun.with_layers(["pointwise"], activations="float32")
    alone = replace(tried, basis=None, methods=(BiasCorrection(measure=False),))
    assert tried.made(prepared)[1] == alone.made(prepared)[1]
    assert (
        tried.made(prepared)[1]
        != replace(alone, methods=(), config=replace(tried.config, effort="fast")).made(prepared)[1]
    )


@pytest.mark.parametrize("scheme", ["float16", "dynamic", "int16x8"])
def test_a_file_of_any_scheme_is_compared_with_its_float_network(scheme: str) -> None:
    model, x = convolutional(), images(24)
    diagnosis = octavo.diagnose(model, x, file=octavo.quantize(model, scheme, x))
    assert diagnosis.healthy
    assert all(layer.weights_db is None or layer.weights_db > 30 for layer in diagnosis.layers)


@pytest.mark.parametrize("own", [True, False])
def test_channels_that_a_file_scales_are_no_error_of_its_weights(own: bool) -> None:
    model, x = convolutional(), images(64)
    norm = model.get_layer("norm")
    uneven = np.geomspace(0.02, 1, 8).astype(np.float32)
    norm.gamma.assign(norm.gamma * uneven)
    norm.beta.assign(norm.beta * uneven)
    file = octavo.quantize(model, "int8", x, effort="fast", methods=[ScaleChannels()])
    diagnosis = octavo.diagnose(model, x, file=file if own else file.model)
    assert max(layer.weights_effect for layer in diagnosis.layers) < 0.01
    assert min(layer.weights_db for layer in diagnosis.layers if layer.weights_db is not None) > 30
    assert not diagnosis.findings


def test_a_logarithm_of_what_rounding_makes_zero_has_finite_figures() -> None:
    inputs = keras.Input(FEATURES, name="features")
    x = keras.layers.Dense(16, activation="relu", name="power")(inputs)
    x = keras.layers.Dense(4, name="out")(keras.ops.log(x + 1e-4))
    model = draw_weights(keras.Model(inputs, x, name="logarithm"), seed=11)
    found = octavo.diagnose(model, samples(48, 3, FEATURES), (samples(48, 4, FEATURES), None), effort="fast")
    figures = [value for each in found.layers for value in each.to_dict().values() if isinstance(value, float)]
    assert np.isfinite(figures).all()
    assert all(0 <= each.effect <= 1 for each in found.layers)


def test_a_network_that_reads_indices_is_diagnosed() -> None:
    words = keras.Input((12,), dtype="int32", name="words")
    x = keras.layers.GlobalAveragePooling1D(name="mean")(keras.layers.Embedding(50, 16, name="table")(words))
    model = draw_weights(keras.Model(words, keras.layers.Dense(3, name="out")(x), name="text"), seed=12)
    data, test = (np.random.default_rng(seed).integers(0, 50, (48, 12), np.int32) for seed in (1, 2))
    found = octavo.diagnose(model, data, (test, None), effort="fast")
    assert found.healthy
    assert {"mean", "out"} <= {each.layer for each in found.layers}
