"""Samples made of a model alone give its batch normalizations what they remember, and serve for calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from octavo.dataless import SAMPLES, STEPS
from octavo.errors import DatasetError, InputError
from octavo.qat.synthesize import OFFSETS, SCALES, TEMPERATURES, unlike


def trained_on(x: np.ndarray) -> Any:
    """A small network whose batch normalizations have seen these samples."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3), name="image")
    y = layers.Conv2D(6, 3, padding="same", name="conv")(inputs)
    y = layers.BatchNormalization(momentum=0.0, name="norm")(y)
    y = layers.Conv2D(8, 3, strides=2, activation="relu", name="second")(y)
    y = layers.BatchNormalization(momentum=0.0, name="last")(y)
    y = layers.Dense(4, activation="softmax", name="scores")(layers.GlobalAveragePooling2D()(y))
    model = keras.Model(inputs, y)
    for _ in range(3):
        model(x, training=True)
    return model


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (64, 8, 8, 3)).astype(np.float32)


def misfit(model: Any, x: np.ndarray) -> float:
    """How far what enters the last normalization is from what it remembers, in deviations."""
    norm = model.get_layer("last")
    entering = keras.Model(model.inputs, norm.input).predict(x, verbose=0)
    mean, variance = (keras.ops.convert_to_numpy(each) for each in (norm.moving_mean, norm.moving_variance))
    return float(np.abs(entering.mean(axis=(0, 1, 2)) - mean).max() / np.sqrt(variance.max()))


@pytest.mark.every_backend
def test_samples_have_the_statistics_that_normalizations_remember(pixels: np.ndarray, tmp_path: Path) -> None:
    model = trained_on(pixels)
    before = [np.array(each) for each in model.get_weights()]
    samples = octavo.synthesize(model, 32, steps=30)
    (name,) = samples
    assert (name, samples[name].shape, samples[name].dtype) == ("image", (32, 8, 8, 3), np.float32)
    noise = np.random.default_rng(0).normal(size=(32, 8, 8, 3)).astype(np.float32)
    assert misfit(model, samples[name]) < misfit(model, noise) / 4
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    again = octavo.synthesize(tmp_path / "model.keras", 32, steps=30)
    assert np.array_equal(again[name], samples[name])


def test_a_file_made_of_no_sample_answers_as_the_model_does(pixels: np.ndarray) -> None:
    model = trained_on(pixels)
    made = octavo.quantize(model, "int8", octavo.synthesize(model, 64, steps=30))
    wanted, found = model.predict(pixels, verbose=0), np.asarray(made.predict(pixels))
    from_noise = octavo.quantize(model, "int8", np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype(np.float32))
    worse = np.asarray(from_noise.predict(pixels))
    assert np.abs(found - wanted).mean() < np.abs(worse - wanted).mean()


@pytest.mark.parametrize("as_probabilities", [False, True])
def test_what_is_sure_by_its_logits_is_not_by_divided_ones(as_probabilities: bool) -> None:
    # Of the first class, nine above the others: the chance of these, one in 2,700, is one in four by a quarter of that.
    logits = np.array([[9.0, 0.0, 0.0, 0.0]], np.float32)
    given = keras.ops.softmax(logits) if as_probabilities else logits
    for temperature in TEMPERATURES:
        loss = unlike(given, np.array([4]), np.array([temperature], np.float32))
        wanted = np.log(1 + 3 * np.exp(-9.0 / temperature))
        assert float(keras.ops.convert_to_numpy(loss)) == pytest.approx(wanted, rel=1e-3)


def test_progress_is_told_of_every_start_and_every_step(pixels: np.ndarray) -> None:
    told: list[tuple[str, int, int | None]] = []
    octavo.synthesize(trained_on(pixels), 8, steps=3, progress=lambda *each: told.append(each))
    starts = len(SCALES) * len(OFFSETS)
    assert told == [
        *(("fit noise", i + 1, starts) for i in range(starts)),
        *(("synthesize", i + 1, 3) for i in range(3)),
    ]


def test_an_interrupt_is_heard_before_the_next_start_is_tried(pixels: np.ndarray) -> None:
    told: list[int] = []

    def interrupted(stage: str, done: int, total: int | None) -> None:
        told.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        octavo.synthesize(trained_on(pixels), 8, steps=3, progress=interrupted)
    assert told == [1]


def test_a_model_without_normalization_remembers_nothing() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    with pytest.raises(InputError, match=r"fix: +give samples: data=x_train\[:500\]; or choose scheme='dynamic'"):
        octavo.synthesize(model)


def test_where_no_data_are_given_samples_are_made_and_it_is_said(pixels: np.ndarray, tmp_path: Path) -> None:
    model = trained_on(pixels)
    made = octavo.quantize(model, "int8", effort="fast")
    assert "no data was given" in next(note.text for note in made.notes if note.stage == "data")
    by_hand = octavo.quantize(model, "int8", octavo.synthesize(model, SAMPLES, steps=STEPS), effort="fast")
    assert by_hand.model == made.model
    model.save(tmp_path / "model.keras")
    assert octavo.quantize(tmp_path / "model.keras", effort="fast").model == made.model
    assert not [note for note in octavo.quantize(model, "dynamic").notes if note.stage == "data"]


@pytest.mark.parametrize(("scheme", "corrected"), [("int8", True), ("int8x4", False)])
def test_biases_of_eight_bit_weights_are_corrected_by_what_normalizations_remember(
    scheme: str, corrected: bool, pixels: np.ndarray
) -> None:
    model = trained_on(pixels)
    stages = {note.stage for note in octavo.quantize(model, scheme, verify="off").notes}
    assert ("analytic_bias_correction" in stages) == corrected
    # Samples that were given tell more.
    given = {note.stage for note in octavo.quantize(model, scheme, pixels, verify="off").notes}
    assert "analytic_bias_correction" not in given


@pytest.mark.parametrize("form", ["a model without statistics", "a float file"])
def test_where_nothing_tells_what_samples_are_like_some_are_asked_for(
    form: str, pixels: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "float.tflite"
    octavo.quantize(trained_on(pixels), "float32", verify="off").save(path)
    model = path if form == "a float file" else keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    with pytest.raises(DatasetError, match=r"fix: +pass data=x_train\[:500\], or choose scheme='dynamic'"):
        octavo.quantize(model, "int8")
