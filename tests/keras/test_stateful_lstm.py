"""An LSTM that keeps its state becomes one operator that does, from run to run."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import octavo
from octavo.run.litert import LiteRT

layers = keras.layers
TIMES, FEATURES = 12, 6
RNG = np.random.default_rng(0)
X = np.sin(RNG.uniform(0, 6, (40, 1, FEATURES)) + RNG.uniform(0.1, 0.6, (40, 1, FEATURES)) * np.arange(TIMES)[:, None])
X = X.astype(np.float32)
# An error of three hundredths of the results; eight bits at both ends alone leave a tenth of that.
FLOOR_DB = 30.0


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
