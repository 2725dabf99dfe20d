"""Weights that are a part of a variable, or computed of several: trained for, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_array_equal

import octavo
from octavo import qat
from octavo.errors import UnsupportedLayerError
from octavo.ops.dense import FullyConnectedOptions

X = np.random.default_rng(0).uniform(-1, 1, (32, 8)).astype(np.float32)


@keras.saving.register_keras_serializable(package="computed_weights")
class Parts(layers.Layer):
    """Products with a slice, an element of a stack, and a sum of halves."""

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 12), name="kernel")
        self.stack = self.add_weight(shape=(2, shape[-1], 6), name="stack")

    def call(self, x: Any) -> Any:
        first, second = self.kernel[:, :6], self.kernel[:, 6:]
        y = ops.matmul(x, first) + ops.matmul(x, self.stack[0])
        return ops.matmul(ops.relu(y), self.stack[1, :6] + first[:6, :] * 0.5 + second[:6, :])


class Halved(layers.Layer):
    """A layer whose lowering makes the weight of half a variable, where no call shows it."""

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 8), name="kernel")

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.kernel[:, :4])


@octavo.lowering(Halved)
def lower_halved(b: Any, call: Any) -> Any:
    weight = b.constant(np.ascontiguousarray(call.weight("kernel")[:, :4].T), "weight")
    return b.emit("FULLY_CONNECTED", [call.inputs[0], weight], FullyConnectedOptions())


def model_of(layer: layers.Layer) -> keras.Model:
    inputs = keras.Input((8,))
    return keras.Model(inputs, layers.Dense(2)(layer(inputs)))


@pytest.mark.every_backend
def test_weights_computed_of_variables_are_trained_as_they_are_deployed(tmp_path: Path) -> None:
    """In int4, where a weight that training did not round is off by many steps; in a file and out of it."""
    model = model_of(Parts())
    model.layers[1].set_weights([np.random.default_rng(i).normal(size=s) for i, s in enumerate([(8, 12), (2, 8, 6)])])
    trained = qat.quantize_model(model, "int8x4", data=X)
    trained.compile(keras.optimizers.SGD(0.01), "mse")
    before = [keras.ops.convert_to_numpy(variable.value) for variable in trained.trainable_variables]
    trained.fit(X, model.predict(X, verbose=0) / 2, epochs=1, verbose=0)
    for variable, value in zip(trained.trainable_variables, before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(variable.value) - value).max() > 0, variable.path
    trained.save(tmp_path / "trained.keras")
    loaded = keras.models.load_model(tmp_path / "trained.keras")
    assert_array_equal(loaded.predict(X, verbose=0), trained.predict(X, verbose=0))
    deployed = octavo.quantize(loaded)
    scale = deployed.graph.tensors[deployed.graph.outputs[0]].scale
    assert np.abs(deployed.predict(X) - loaded.predict(X, verbose=0)).max() < 1.5 * scale
    assert not [layer for layer in qat.strip(trained).layers if "quantized_weight" in layer.name]


def test_a_weight_that_is_computed_inside_a_call_is_refused_by_name() -> None:
    model = model_of(Halved(name="half"))
    with pytest.raises(UnsupportedLayerError, match="weight 'half/weight', computed from what trains"):
        qat.quantize_model(model, "int8", data=X)
    assert octavo.quantize(qat.quantize_model(model, "int8", data=X, skip=["half"])).verification
    assert octavo.quantize(model, "int8", X).verification
