"""Networks that int8 throughout answers poorly get int16 for the few operators that lose most, by measurement."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from octavo.dtypes import DType
from octavo.evaluate.accuracy import compare_outputs
from octavo.mixing import AIM, NEAR, Part, fewest

X = np.random.default_rng(0).uniform(-1, 1, (40, 8)).astype(np.float32)


def small_beside_large() -> keras.Model:
    """What is left when a large number is taken away again from the sum of a small one and it: 50 times as small."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8,))
    large = layers.Dense(8, kernel_initializer=keras.initializers.RandomUniform(-20, 20), name="large")(inputs)
    small = layers.Dense(8, activation="tanh", name="small")(inputs)
    left = layers.Subtract(name="left")([layers.Add(name="sum")([large, small]), large])
    return keras.Model(inputs, layers.Dense(4, name="answer")(left))


def one_large_channel(likely: float | None = None) -> keras.Model:
    """Convolutions alone, whose values between are small beside those of a channel that hardly counts.

    Args:
        likely: If given, results are a class each, the first of which lies so far above the others.
    """
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 1))
    uneven, answer = layers.Conv2D(8, 3, name="uneven"), layers.Conv2D(4, 1, name="answer")
    scores = answer(uneven(inputs))
    if likely is not None:
        scores = layers.GlobalAveragePooling2D()(scores)
    model = keras.Model(inputs, scores)
    sizes = np.array([100] + [1] * 7, np.float32)
    uneven.kernel.assign(np.asarray(uneven.kernel) * sizes)
    answer.kernel.assign(np.asarray(answer.kernel) / (100 * sizes**2)[:, np.newaxis] * 100)
    answer.bias.assign([likely or 0.0, 0.0, 0.0, 0.0])
    return model


def small_shares() -> keras.Model:
    """A softmax of 300 nearly even shares, none of which is larger than a step or two of 1/256."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8,))
    return keras.Model(inputs, layers.Dense(300, activation="softmax", name="shares")(inputs))


def sqnr_db(model: keras.Model, made: octavo.QuantizedModel, x: np.ndarray = X) -> float:
    (found,) = compare_outputs({"": np.asarray(made.predict(x))}, {"": np.asarray(model.predict(x, verbose=0))})
    assert found.sqnr_db is not None
    return found.sqnr_db


def types_of(made: octavo.QuantizedModel) -> set[DType]:
    return {made.graph.tensors[name].dtype for node in made.graph.nodes for name in node.outputs}


def test_what_loses_most_is_int16_and_the_model_is_called_as_ever() -> None:
    pytest.importorskip("tflite_micro")
    model = small_beside_large()
    made = octavo.quantize(model, "int8", X)
    assert sqnr_db(model, made) > 20
    assert made.verification is not None
    assert made.verification.ok
    assert types_of(made) == {DType.INT8, DType.INT16}
    assert {made.graph.tensors[name].dtype for name in (*made.graph.inputs, *made.graph.outputs)} == {DType.INT8}
    assert any("operators are int16, as int8 throughout answers" in note.text for note in made.notes)


def test_convolutions_are_int16_where_nothing_else_mends_it() -> None:
    model, x = one_large_channel(), np.random.default_rng(0).normal(size=(40, 6, 6, 1)).astype(np.float32)
    made = octavo.quantize(model, "int8", x)
    assert sqnr_db(model, octavo.quantize(model, "int8", x, mix=False, verify="off"), x) < 15
    assert sqnr_db(model, made, x) > 20
    assert [made.graph.tensors[node.outputs[0]].dtype for node in made.graph.nodes if node.layer == "uneven"][-1] is (
        DType.INT16
    )


@pytest.mark.parametrize(("likely", "types"), [(0.0, {DType.INT8, DType.INT16}), (0.8, {DType.INT8})])
def test_convolutions_are_int16_only_where_classes_are_missed(likely: float, types: set[DType]) -> None:
    model, x = one_large_channel(likely), np.random.default_rng(0).normal(size=(40, 6, 6, 1)).astype(np.float32)
    assert sqnr_db(model, octavo.quantize(model, "int8", x, mix=False, verify="off"), x) < 20
    assert types_of(octavo.quantize(model, "int8", x)) == types


def test_an_output_made_in_int16_is_handed_over_in_steps_of_what_it_takes() -> None:
    model = small_shares()
    made = octavo.quantize(model, "int8", X)
    (name,) = made.graph.outputs
    shown = made.graph.tensors[name]
    largest = np.asarray(model.predict(X, verbose=0)).max()
    assert shown.dtype is DType.INT8
    assert shown.parameters.scale[0] == pytest.approx(largest / 255, rel=1e-3)
    assert sqnr_db(model, made) > 20 > sqnr_db(model, octavo.quantize(model, "int8", X, mix=False, verify="off"))


def test_the_way_out_that_the_note_names_keeps_int8() -> None:
    model = small_beside_large()
    made = octavo.quantize(model, "int8", X, mix=False, verify="off")
    assert types_of(made) == {DType.INT8}
    assert sqnr_db(model, made) < 20


def test_the_fewest_values_are_int16_that_reach_the_aim() -> None:
    noises = {"a": 1.0, "b": AIM / 4, "c": 1.0, "d": AIM / 4}
    parts = [Part(frozenset({name}), 10 if name == "d" else 1) for name in noises]

    def noise(inside: frozenset[str]) -> float:
        return AIM / 4 + sum(noises[name] for name in noises.keys() - inside)

    assert fewest(parts, noise, noise(frozenset())) == {"a", "c"}


def test_what_int16_does_not_help_stays_int8() -> None:
    parts = [Part(frozenset({name}), 1) for name in "ab"]
    assert fewest(parts, lambda inside: 1.0 - 0.1 * len(inside), 1.0) is None


def test_what_adds_more_together_than_alone_is_measured() -> None:
    parts = [Part(frozenset({name}), 1) for name in "abcd"]

    def noise(inside: frozenset[str]) -> float:
        return {4: 0.0, 3: AIM / 8, 2: 2 * AIM * NEAR}.get(len(inside), 1.0)

    assert fewest(parts, noise, 1.0) == set("bcd")
