"""Operands that meet larger ones under one scale: told by name, with mends that work, and mended by the best."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import octavo
from command_line import runner
from keras_networks import branching, convolutional, draw_weights, images
from octavo import qat
from octavo.errors import ConfigError, DatasetError
from octavo.quantization.coarse import FEW_OF_SUM, FEW_STEPS

DATA = images(24)


def detector(activation: str | None = None, joined: Callable[[Any], Any] = lambda x: x, factor: float = 200.0) -> Any:
    """Boxes of large values and scores of small ones, joined last but for what `joined` makes of them."""
    layers = keras.layers
    inputs = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, activation="relu", name="features")(inputs)
    boxes = layers.Reshape((-1, 4), name="boxes")(layers.Conv2D(4, 1, name="places")(x))
    scores = layers.Conv2D(4, 1, activation=activation, name="scores")(x)
    joint = layers.Concatenate(axis=1, name="join")([boxes, layers.Reshape((-1, 4), name="flat_scores")(scores)])
    model = draw_weights(keras.Model(inputs, joined(joint), name="detector"))
    kernel, bias = model.get_layer("places").get_weights()
    model.get_layer("places").set_weights([kernel * factor, bias * factor])
    return model


KINDS: dict[str, Any] = {
    "any values": {},
    "scores of a sigmoid": {"activation": "sigmoid"},
    "scores of a softmax": {"activation": "softmax"},
    "reshaped behind": {"joined": lambda x: keras.layers.Reshape((8, -1), name="moved")(x)},
    "read by a layer": {"joined": lambda x: keras.layers.Dense(3, name="head")(x)},
    "joined once more": {"joined": lambda x: keras.layers.Concatenate(axis=1, name="twice")([x, x])},
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_operand_of_few_steps_is_told_and_every_mend_told_helps(kind: str) -> None:
    model = detector(**KINDS[kind])
    q = octavo.quantize(model, data=DATA)
    (found,) = {each.tensor: each for each in q.coarse}.values()
    (note,) = [note for note in q.notes if note.stage == "quantize"]
    assert (found.operand, found.layer, found.op) == ("flat_scores", "join", "CONCATENATION")
    assert 0 < found.steps < FEW_STEPS
    assert note.subject == "join"
    for named in ("'flat_scores'", f"skip={list(found.layers)}", "activations='int16'", "mend=True"):
        assert named in note.text
    assert ("output of its own" in note.text) == found.is_output == (kind != "read by a layer")
    wide = [octavo.LayerConfig(layer, activations="int16") for layer in found.layers]
    assert octavo.quantize(model, data=DATA, skip=found.layers).coarse == ()
    assert octavo.quantize(model, data=DATA, layers=wide).coarse == ()


@pytest.mark.parametrize("kind", KINDS)
def test_mending_leaves_the_operand_its_own_resolution(kind: str) -> None:
    model = detector(**KINDS[kind])
    plain, mended = (octavo.quantize(model, data=DATA, mend=mend) for mend in (False, True))
    assert mended.coarse == ()
    (note,) = [note for note in mended.notes if note.stage == "mend"]
    assert note.subject == "flat_scores"
    if kind == "any values":
        wanted = model.predict(DATA, verbose=0)[:, 36:]
        lost, kept = (np.abs(np.asarray(q.predict(DATA))[:, 36:] - wanted).max() for q in (plain, mended))
        # A scale of 255 steps for the scores alone, of int16 for both, and some steps of the layers before.
        assert kept < np.ptp(wanted) / 50 < lost


def test_an_output_of_its_own_needs_no_mend() -> None:
    model = detector()
    apart = keras.Model(model.input, [model.get_layer("boxes").output, model.get_layer("flat_scores").output])
    assert octavo.quantize(apart, data=DATA).coarse == ()


@pytest.mark.parametrize("model", [convolutional, branching, lambda: detector(factor=1.0)])
def test_networks_whose_operands_fit_are_left_alone(model: Callable[[], Any]) -> None:
    built = model()
    data = {x.name: np.random.default_rng(1).normal(size=(16, *x.shape[1:])).astype(np.float32) for x in built.inputs}
    plain, mended = (octavo.quantize(built, data=data, mend=mend) for mend in (False, True))
    assert plain.coarse == ()
    assert mended.model == plain.model


def chosen(of: Callable[[Any], Any]) -> keras.Model:
    x = keras.Input((6,))
    return draw_weights(keras.Model(x, of(keras.layers.Dense(6, name="places")(x))))


def test_an_operand_that_is_chosen_and_has_no_step_left_is_told_and_mended() -> None:
    data = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
    model = chosen(lambda y: keras.ops.where(y > 1e3, y * 300.0, keras.ops.sigmoid(y)))
    told = octavo.quantize(model, data=data, effort="fast")
    (found,) = told.coarse
    assert (found.op, found.steps < 1) == ("SELECT_V2", True)
    mended = octavo.quantize(model, data=data, effort="fast", mend=True)
    assert mended.coarse == ()
    truth = model.predict(data, verbose=0)
    assert np.abs(mended.predict(data) - truth).max() < 0.1 * np.abs(told.predict(data) - truth).max()
    leaky = chosen(lambda y: keras.ops.where(y > 0, y, 0.01 * y))
    assert octavo.quantize(leaky, data=data, effort="fast", verify="off").coarse == ()


def test_what_is_lost_beside_a_constant_is_told_and_mended() -> None:
    data = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
    model = chosen(lambda y: keras.ops.relu(y) + 3000.0)
    (found,) = octavo.quantize(model, data=data, effort="fast").coarse
    assert (found.op, found.steps < FEW_OF_SUM) == ("ADD", True)
    mended = octavo.quantize(model, data=data, effort="fast", mend=True)
    assert mended.coarse == ()
    assert [note.subject for note in mended.notes if note.stage == "mend"] == [found.operand]


def test_what_is_lost_beside_a_larger_activation_is_told_with_the_type_that_keeps_it() -> None:
    data = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
    model = chosen(lambda y: y * 300.0 - keras.ops.sigmoid(y))
    told = octavo.quantize(model, data=data, effort="fast", verify="off", mend=True)
    (found,) = told.coarse
    assert found.op == "SUB"
    assert any("scheme='int16x8', which leaves it " in note.text for note in told.notes)
    assert octavo.quantize(model, "int16x8", data, effort="fast", verify="off").coarse == ()


def test_a_dead_operand_loses_nothing() -> None:
    model = detector()
    model.get_layer("scores").set_weights([np.zeros((1, 1, 8, 4)), np.zeros(4)])
    assert octavo.quantize(model, data=DATA).coarse == ()


def test_a_trained_model_tells_its_operands_too() -> None:
    aware = qat.quantize_model(detector(), data=DATA)
    (found,) = octavo.quantize(aware, data=DATA).coarse
    assert found.operand == "flat_scores"
    with pytest.raises(ConfigError, match=r"fix: +mend before: .*strip\(model\)"):
        octavo.quantize(aware, data=DATA, mend=True)


@pytest.mark.parametrize("data", [iter([DATA]), "statistics"])
def test_mending_needs_samples_that_can_be_read_again(data: Any) -> None:
    model = detector()
    given = octavo.calibrate(model, DATA) if isinstance(data, str) else data
    with pytest.raises(DatasetError, match=r"fix: +pass data=x_train\[:500\], or a function"):
        octavo.quantize(model, data=given, mend=True)


def test_the_command_line_mends_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = runner(capsys)
    detector().save(tmp_path / "detector.keras")
    np.savez(tmp_path / "data.npz", x=DATA)
    arguments = (tmp_path / "detector.keras", "--data", tmp_path / "data.npz", "--out", tmp_path / "d.tflite", "--json")
    plain, mended = run("quantize", *arguments).json, run("quantize", *arguments, "--mend", "--force").json
    assert "quantize" in {note["stage"] for note in plain["notes"]}
    assert "mend" in {note["stage"] for note in mended["notes"]}
