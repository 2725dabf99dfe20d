"""Layers that keep a state: it runs on from one run of a file to the next, as it does from call to call in Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import octavo
from octavo import export, qat
from octavo.errors import UnsupportedLayerError
from octavo.evaluate.predict import decode, encode
from octavo.ir.types import Graph
from octavo.load import load
from octavo.run import reference
from octavo.run.litert import LiteRT
from octavo.run.micro import Micro
from octavo.run.runtime import Runtime

layers, ops = keras.layers, keras.ops
TIMES, FEATURES = 12, 6
RNG = np.random.default_rng(0)
X = np.sin(RNG.uniform(0, 6, (40, 1, FEATURES)) + RNG.uniform(0.1, 0.6, (40, 1, FEATURES)) * np.arange(TIMES)[:, None])
X = X.astype(np.float32)
# One sequence in many calls, of two steps each.
STEPS = X.reshape(-1, 2, FEATURES)[:60]
# An error of three hundredths of the results; eight bits at both ends alone leave a tenth of that.
FLOOR_DB = 30.0


class Difference(keras.layers.Layer):
    """By how much samples differ from those of the call before: what is kept does not depend on what was."""

    def build(self, shape: Any) -> None:
        self.last = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="last")

    def call(self, x: Any) -> Any:
        change = x - self.last
        self.last.assign(x)
        return change


class Level(keras.layers.Layer):
    """A mean that follows from ones, and is read again when it has moved; and how much it has seen."""

    def build(self, shape: Any) -> None:
        self.level = self.add_weight(shape=(1, shape[-1]), initializer="ones", trainable=False, name="level")
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    def call(self, x: Any) -> Any:
        self.level.assign(self.level * 0.5)
        self.level.assign_add(ops.mean(x, axis=1) * 0.5)
        self.seen.assign(self.seen * 0.5 + 0.5)
        return self.level * self.seen


def stacked() -> Any:
    return layers.RNN([layers.GRUCell(6), layers.LSTMCell(5)], stateful=True)


def images() -> Any:
    return keras.Sequential([layers.Reshape((2, FEATURES, 1)), layers.ConvLSTM1D(3, 3, stateful=True)])


KEEPING: dict[str, Callable[[], Any]] = {
    "GRU": lambda: layers.GRU(6, stateful=True, return_sequences=True),
    "a bidirectional SimpleRNN": lambda: layers.Bidirectional(
        layers.SimpleRNN(5, stateful=True, return_sequences=True)
    ),
    "stacked cells": stacked,
    "an LSTM of one step at a time": lambda: layers.LSTM(6, stateful=True),
    "an LSTM that no operator computes": lambda: layers.LSTM(6, stateful=True, activation="softsign"),
    "ConvLSTM1D": images,
    "a layer of one's own that keeps its input": Difference,
    "a layer of one's own that keeps a mean": Level,
}
TOLD = {"GRU", "stacked cells", "a layer of one's own that keeps its input"}
SOME = [name if name in TOLD else pytest.param(name, marks=pytest.mark.exhaustive) for name in KEEPING]


def keeping(name: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input(batch_shape=(1, *STEPS.shape[1:]))
    return keras.Model(x, layers.Dense(3)(KEEPING[name]()(x)))


def in_keras(model: keras.Model) -> np.ndarray:
    """What Keras makes of the steps, from what the model holds at first."""
    return np.stack([ops.convert_to_numpy(model(step[None])) for step in STEPS])


def in_a_file(runtime: Runtime) -> np.ndarray:
    (given,), (made,) = runtime.inputs, runtime.outputs
    return np.stack([runtime.run({given.name: encode(step[None], given)})[made.name] for step in STEPS])


def in_the_reference(graph: Graph, runtime: Runtime) -> np.ndarray:
    state, found = reference.reset_state(graph), []
    for step in STEPS:
        (given,) = runtime.inputs
        left = reference.run(graph, {given.name: encode(step[None], given)}, [*graph.outputs, *state], state)
        state = {name: left[name] for name in state}
        found.append(left[graph.outputs[0]])
    return np.stack(found)


@pytest.mark.parametrize("name", SOME)
def test_what_a_layer_keeps_is_carried_from_run_to_run(name: str) -> None:
    pytest.importorskip("tflite_micro")
    model = keeping(name)
    floats = octavo.quantize(model, "float32", verify="off")
    made = octavo.quantize(model, "int8", STEPS, effort="fast")
    wanted = in_keras(model)
    np.testing.assert_allclose(in_a_file(LiteRT(floats.model)), wanted, atol=1e-5)
    assert made.islands == ()
    assert made.verification is not None
    assert all(check.ok and not check.reason for check in made.verification.runtimes)
    assert any("reset_all_variables" in note.text for note in made.notes)
    runtime, micro = LiteRT(made.model), Micro(made.model)
    found = in_a_file(runtime)
    error = decode(found, runtime.outputs[0]) - wanted
    assert 10 * np.log10(np.square(wanted).sum() / np.square(error).sum()) > FLOOR_DB
    runtime.reset()
    assert (in_a_file(runtime) == found).all()
    assert (in_a_file(micro) == in_the_reference(made.graph, micro)).all()


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("scheme", "name"), [("int16x8", "a bidirectional SimpleRNN"), ("dynamic", "GRU"), ("float16", "GRU")]
)
def test_every_scheme_keeps_states(scheme: str, name: str) -> None:
    model = keeping(name)
    made = octavo.quantize(model, scheme, STEPS if scheme == "int16x8" else None, effort="fast")
    assert made.verification is not None
    assert scheme != "int16x8" or all(check.ok and not check.reason for check in made.verification.runtimes)
    wanted, runtime = in_keras(model), LiteRT(made.model)
    error = decode(in_a_file(runtime), runtime.outputs[0]) - wanted
    assert 10 * np.log10(np.square(wanted).sum() / np.square(error).sum()) > FLOOR_DB


def test_a_float_file_that_keeps_states_is_read_and_quantized(tmp_path: Path) -> None:
    path, model = tmp_path / "float.tflite", keeping("a layer of one's own that keeps its input")
    octavo.quantize(model, "float32", verify="off").save(path)
    graph = load(path).graph
    (variable,) = (tensor.name for tensor in graph.tensors.values() if tensor.is_variable)
    assert [node.op for node in graph.nodes if variable in (*node.inputs, *node.outputs)] == ["UNPACK", "PACK"]
    made = octavo.quantize(path, "int8", STEPS, effort="fast")
    wanted, runtime = in_keras(model), LiteRT(made.model)
    error = decode(in_a_file(runtime), runtime.outputs[0]) - wanted
    assert 10 * np.log10(np.square(wanted).sum() / np.square(error).sum()) > FLOOR_DB


def test_a_layer_that_is_called_twice_goes_on_with_what_its_first_call_left() -> None:
    x = keras.Input(batch_shape=(1, *STEPS.shape[1:]))
    memory = layers.GRU(4, stateful=True)
    model = keras.Model(x, layers.Add()([memory(x), memory(x * 0.5)]))
    made = octavo.quantize(model, "float32", verify="off")
    np.testing.assert_allclose(in_a_file(LiteRT(made.model)), in_keras(model), atol=1e-5)


def test_what_keeps_a_state_is_neither_trained_nor_written_as_c(tmp_path: Path) -> None:
    model = keeping("a layer of one's own that keeps its input")
    with pytest.raises(UnsupportedLayerError, match=r"fix: +quantize it after training"):
        qat.quantize_model(model)
    path = tmp_path / "model.tflite"
    octavo.quantize(model, "int8", STEPS, effort="fast").save(path)
    with pytest.raises(UnsupportedLayerError, match=r"fix: +export it with to='tflm'"):
        export.export(path, tmp_path / "c")
    assert export.export(path, tmp_path / "tflm", "tflm")


def network(*, sequences: bool) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input(batch_shape=(1, TIMES, FEATURES))
    hidden = layers.LSTM(16, stateful=True, return_sequences=sequences, name="memory")(x)
    return keras.Model(x, layers.Dense(3)(hidden))


@pytest.mark.parametrize("sequences", [True, pytest.param(False, marks=pytest.mark.exhaustive)])
def test_it_is_one_operator_that_tensorflow_lite_micro_computes_too(sequences: bool) -> None:
    pytest.importorskip("tflite_micro")
    model = network(sequences=sequences)
    made = octavo.quantize(model, "int8", X, effort="fast")
    assert made.graph.nodes[0].op == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    assert made.islands == ()
    assert made.verification is not None
    assert all(check.ok and not check.reason for check in made.verification.runtimes)
    assert any("reset_all_variables" in note.text for note in made.notes)
    wanted = []
    for sample in X:
        model.get_layer("memory").reset_state()
        wanted.append(keras.ops.convert_to_numpy(model(sample[None]))[0])
    error = made.predict(X) - np.stack(wanted)
    assert 10 * np.log10(np.square(wanted).sum() / np.square(error).sum()) > FLOOR_DB


def test_the_state_runs_on_from_one_run_to_the_next_as_in_keras() -> None:
    model = network(sequences=True)
    runtime = LiteRT(octavo.quantize(model, "float32", verify="off").model)
    model.get_layer("memory").reset_state()
    for sample in X[:3]:
        found = runtime.run({runtime.inputs[0].name: sample[None]})
        np.testing.assert_allclose(
            found[runtime.outputs[0].name], keras.ops.convert_to_numpy(model(sample[None])), atol=1e-5
        )


def test_reading_a_model_leaves_its_state_as_it_is() -> None:
    model = network(sequences=True)
    state = model.get_layer("memory").states[0]
    state.assign(np.full((1, 16), 0.5))
    octavo.quantize(model, "int8", X, effort="fast")
    assert (np.asarray(state) == 0.5).all()
