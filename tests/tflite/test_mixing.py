"""Networks that int8 throughout answers poorly get int16 for the few operators that lose most, by measurement."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from octavo.config import LayerConfig
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


def sqnr_db(model: keras.Model, made: octavo.QuantizedModel) -> float:
    (found,) = compare_outputs({"": np.asarray(made.predict(X))}, {"": np.asarray(model.predict(X, verbose=0))})
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


def test_the_way_out_that_the_note_names_keeps_int8() -> None:
    model = small_beside_large()
    made = octavo.quantize(model, "int8", X, layers=[LayerConfig("*", activations="int8")], verify="off")
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
