"""Data that is not what a model was trained on is told with the evidence, and data that is raises no alarm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import octavo
from keras_networks import draw_weights, settled
from octavo import qat
from octavo.result import QuantizedModel

LAYERS = keras.layers
IMAGES = np.random.default_rng(0).random((64, 8, 8, 3)).astype(np.float32)
TABLE = np.random.default_rng(1).normal(size=(200, 12)).astype(np.float32) + 1


def doubts(q: QuantizedModel) -> list[str]:
    return [f"{note.subject}: {note.text}" for note in q.notes if note.stage == "data"]


def convolutional() -> Any:
    inputs = LAYERS.Input((8, 8, 3), name="image")
    x = LAYERS.BatchNormalization(name="norm")(LAYERS.Conv2D(8, 3, use_bias=False, name="conv")(inputs))
    x = LAYERS.BatchNormalization(name="later")(LAYERS.Conv2D(8, 3, activation="relu")(x))
    return settled(draw_weights(keras.Model(inputs, LAYERS.Dense(4, name="scores")(LAYERS.Flatten()(x)))), IMAGES)


def dense() -> Any:
    inputs = LAYERS.Input((12,), name="table")
    x = LAYERS.BatchNormalization(name="norm")(LAYERS.Dense(32, name="dense")(inputs))
    return settled(draw_weights(keras.Model(inputs, LAYERS.Dense(4, name="scores")(x))), TABLE)


def normalizing() -> Any:
    inputs = LAYERS.Input((12,), name="table")
    layer = LAYERS.Normalization(name="norm", mean=TABLE.mean(0), variance=TABLE.var(0))
    return draw_weights(keras.Model(inputs, LAYERS.Dense(4, name="scores")(layer(inputs))))


KINDS: dict[str, tuple[Callable[[], Any], np.ndarray]] = {
    "convolution": (convolutional, IMAGES),
    "dense": (dense, TABLE),
    "statistics of the input": (normalizing, TABLE),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "spoil",
    [lambda x: x * 255, lambda x: x / 255, lambda x: x / 2 - 7, lambda x: x * 16],
    ids=["times 255", "by 255", "moved", "times 16"],
)
def test_data_in_another_scale_than_the_trained_one_is_told(kind: str, spoil: Callable[[Any], Any]) -> None:
    make, x = KINDS[kind]
    model = make()
    assert doubts(octavo.quantize(model, data=x)) == []
    (told,) = doubts(octavo.quantize(model, data=spoil(x)))
    assert told.startswith("norm: ")
    assert "what it was trained on" in told
    assert "integer_divisor=" in told


def test_training_from_doubtful_data_says_so() -> None:
    model = convolutional()
    assert doubts(octavo.quantize(qat.quantize_model(model, data=IMAGES))) == []
    (told,) = doubts(octavo.quantize(qat.quantize_model(model, data=IMAGES * 255)))
    assert told.startswith("norm: ")


@pytest.mark.parametrize("steps", [1, 10, 100, 300])
def test_statistics_that_have_not_settled_are_no_evidence(steps: int) -> None:
    model = dense()
    layer, left = model.get_layer("norm"), 0.99**steps
    layer.moving_mean.assign((1 - left) * layer.moving_mean)
    layer.moving_variance.assign(left + (1 - left) * layer.moving_variance)
    assert doubts(octavo.quantize(model, data=TABLE)) == []
    assert doubts(octavo.quantize(model, data=TABLE * 255)) != []


def test_a_normalization_that_was_never_trained_is_no_evidence() -> None:
    inputs = LAYERS.Input((12,))
    model = draw_weights(keras.Model(inputs, LAYERS.BatchNormalization(name="norm")(LAYERS.Dense(8)(inputs))))
    model.get_layer("norm").moving_mean.assign(np.zeros(8))
    model.get_layer("norm").moving_variance.assign(np.ones(8))
    assert doubts(octavo.quantize(model, data=TABLE * 50)) == []


@pytest.mark.parametrize("scheme", ["int8", "dynamic"])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (np.zeros_like(IMAGES[:40]), "nothing but 0 is in the 40 samples"),
        (np.full_like(IMAGES, 0.5), "nothing but 0.5 is in"),
        (np.repeat(IMAGES[:1], 40, 0), "are all the same one"),
    ],
    ids=["zeros", "constant", "equal"],
)
def test_samples_that_hold_nothing_new_are_told(scheme: str, data: np.ndarray, told: str) -> None:
    (found,) = doubts(octavo.quantize(convolutional(), scheme, data))
    assert told in found


def two_inputs(normalized: bool) -> tuple[Any, dict[str, np.ndarray]]:
    """Inputs of one shape, of different scales."""
    a, b = LAYERS.Input((12,), name="a"), LAYERS.Input((12,), name="b")
    branches = [LAYERS.Dense(16, name=f"dense_{x.name}")(x) for x in (a, b)]
    if normalized:
        branches = [LAYERS.BatchNormalization()(x) for x in branches]
    x = {"a": TABLE, "b": TABLE[::-1] * 40 - 3}
    model = draw_weights(keras.Model([a, b], LAYERS.Dense(3, name="scores")(LAYERS.Add()(branches))))
    return settled(model, x["a"], x["b"]), x


def test_swapped_inputs_are_told_by_what_the_model_was_trained_on() -> None:
    model, x = two_inputs(normalized=True)
    assert doubts(octavo.quantize(model, data=x)) == []
    (told,) = doubts(octavo.quantize(model, data={"a": x["b"], "b": x["a"]}))
    assert told.startswith("a: looks swapped with input 'b'")


def test_swapped_inputs_are_told_by_the_test_data() -> None:
    model, x = two_inputs(normalized=False)
    q = octavo.quantize(model, data={"a": x["b"], "b": x["a"]})
    assert any("'a' and 'b' look swapped" in note for note in q.evaluate(x, time_it=False).notes)
    assert octavo.quantize(model, data=x).evaluate(x, time_it=False).notes == ()


def test_an_input_that_is_constant_is_told_and_the_rest_looked_at() -> None:
    model, x = two_inputs(normalized=False)
    (told,) = doubts(octavo.quantize(model, data={"a": x["a"], "b": np.ones_like(x["b"])}))
    assert told.startswith("b: nothing but 1")


def saturating(activation: Any, units: int = 5) -> Any:
    inputs = LAYERS.Input((12,), name="table")
    return draw_weights(keras.Model(inputs, LAYERS.Dense(units, activation=activation, name="head")(inputs)))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softmax", "relu6"])
def test_activations_driven_flat_are_told(activation: str) -> None:
    model = saturating(activation)
    assert doubts(octavo.quantize(model, data=TABLE)) == []
    if activation == "relu6":  # which clips at one side alone
        model.get_layer("head").bias.assign(np.full(5, 500.0))
    (told,) = doubts(octavo.quantize(model, data=TABLE * 255))
    assert told.startswith("head: ")


def test_a_softmax_that_finds_everything_alike_is_told() -> None:
    model = saturating("softmax")
    model.get_layer("head").bias.assign(np.zeros(5))
    (told,) = doubts(octavo.quantize(model, data=TABLE / 255))
    assert "almost equally likely" in told


@pytest.mark.parametrize("spoil", [lambda x: x * 255, lambda x: x / 255, lambda x: x - 9])
def test_test_data_beside_the_calibrated_range_is_told(spoil: Callable[[Any], Any]) -> None:
    q = octavo.quantize(saturating(None), data=TABLE)
    assert q.evaluate(TABLE[::-1], time_it=False).notes == ()
    (told,) = q.evaluate(spoil(TABLE), time_it=False).notes
    assert told.startswith("input 'table': samples from ")


def labelled() -> tuple[Any, np.ndarray]:
    """A model that is right on what it was made for."""
    model = saturating(None)
    return model, np.asarray(model.predict(TABLE, verbose=0)).argmax(1)


def test_a_comparison_says_what_is_doubtful_before_it_recommends() -> None:
    model, y = labelled()
    schemes = ("float32", "int8")
    sound = octavo.compare(model, TABLE, (TABLE, y), schemes=schemes, time_it=False)
    assert sound.doubts == ()
    spoilt = octavo.compare(model, TABLE * 255, (TABLE, y), schemes=schemes, time_it=False)
    texts = " ".join(doubt.text for doubt in spoilt.doubts)
    assert "was calibrated for" in texts
    assert "collapses" in texts
    assert "But doubt the data: " in spoilt.best(None, None).reason
    assert "What to doubt" in [table.title for table in spoilt.tables]


def test_answers_no_better_than_a_guess_are_told() -> None:
    model, y = labelled()
    table = octavo.compare(model, TABLE, (TABLE, (y + 1) % 5), schemes=("float32", "int8"), time_it=False)
    (doubt,) = table.doubts
    assert doubt.name == "all"
    assert "by always answering the commonest label" in doubt.text


def test_few_samples_are_looked_at_whatever_the_form() -> None:
    model = convolutional()
    (told,) = doubts(octavo.quantize(model, data=lambda: iter(IMAGES * 255)))
    assert "trained on" in told
    assert doubts(octavo.quantize(model, data=octavo.calibrate(model, IMAGES * 255))) == []


LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def fast(model: Any, data: np.ndarray) -> QuantizedModel:
    return octavo.quantize(model, data=data, effort="fast", verify="off")


@pytest.mark.parametrize("stored", [False, True], ids=["in memory", "in a file"])
def test_logits_are_judged_by_what_the_loss_makes_of_them(stored: bool, tmp_path: Path) -> None:
    model = saturating(None)
    model.get_layer("head").bias.assign(np.zeros(5))
    model.compile(loss=LOGITS)
    if stored:
        model.save(tmp_path / "model.keras")
        model = tmp_path / "model.keras"
    assert doubts(fast(model, TABLE)) == []
    assert "head: SOFTMAX gives all to one value" in doubts(fast(model, TABLE * 255))[0]
    assert "finds all values almost equally likely" in doubts(fast(model, TABLE / 255))[0]


def test_training_judges_logits_too() -> None:
    model = saturating(None)
    model.compile(loss=LOGITS)
    assert doubts(octavo.quantize(qat.quantize_model(model, data=TABLE))) == []
    assert "SOFTMAX gives all" in doubts(octavo.quantize(qat.quantize_model(model, data=TABLE * 255)))[0]


def test_samples_that_a_model_divides_once_more_are_told() -> None:
    inputs = LAYERS.Input((8, 8, 3), name="image")
    x = LAYERS.Conv2D(4, 3)(LAYERS.Rescaling(1 / 127.5, -1)(inputs))
    model = draw_weights(keras.Model(inputs, LAYERS.Dense(4)(LAYERS.Flatten()(x))))
    assert doubts(fast(model, IMAGES * 255)) == []
    assert doubts(fast(model, (IMAGES * 255).astype(np.uint8))) == []
    (told,) = doubts(fast(model, IMAGES))
    assert told.startswith("image: the samples reach no farther than 1, and the model itself divides them by 127.5")


def test_products_lost_beside_their_biases_are_told() -> None:
    """As where a normalization of training is folded into the first layer: in most .tflite files."""
    model = saturating(None)
    model.get_layer("head").bias.assign(np.full(5, -3.0))
    assert doubts(fast(model, TABLE)) == []
    (told,) = doubts(fast(model, TABLE / 255))
    assert told.startswith("head: its biases are ")


def test_an_output_that_hardly_moves_is_told() -> None:
    inputs = LAYERS.Input((12,), name="table")
    model = draw_weights(keras.Model(inputs, LAYERS.Dense(1, name="year")(LAYERS.Dense(8, use_bias=False)(inputs))))
    model.get_layer("year").bias.assign(np.array([2000.0]))
    (told,) = doubts(fast(model, TABLE))
    assert "less than a step of 8 bits" in told
    model.get_layer("year").bias.assign(np.array([20.0]))
    assert doubts(fast(model, TABLE)) == []


@pytest.mark.parametrize("factor", [255, 1 / 255])
def test_regression_beside_its_labels_and_in_its_own_scale(factor: float) -> None:
    inputs = LAYERS.Input((8, 8, 3), name="image")
    x = LAYERS.Dense(6, activation="relu", use_bias=False)(LAYERS.Flatten()(inputs))
    model = draw_weights(keras.Model(inputs, LAYERS.Dense(1, use_bias=False, name="value")(x)))
    own = IMAGES * np.float32(1 if factor > 1 else 255)
    y = np.asarray(model.predict(own, verbose=0))
    table = octavo.compare(model, own, (own, y), schemes=("float32", "int8"), time_it=False, effort="fast")
    assert table.doubts == ()
    other = own * np.float32(factor)
    spoilt = octavo.compare(model, other, (other, y), schemes=("int8",), time_it=False, effort="fast")
    told = [doubt.text for doubt in spoilt.doubts]
    assert "no less than by always answering the mean of the labels" in told[0]
    assert "MAE of the float model" in told[1]
    assert f"once they are {'0..1' if factor > 1 else '0..255'}" in told[1]
