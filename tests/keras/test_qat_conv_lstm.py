"""Convolutional recurrent layers train for quantization as all others do, on every backend."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from qat_agreement import assert_deployed_as_trained

import octavo
from octavo import qat

pytestmark = pytest.mark.every_backend

KINDS = {
    "ConvLSTM1D": (layers.ConvLSTM1D, (2, 5, 2)),
    "ConvLSTM2D": (layers.ConvLSTM2D, (2, 3, 4, 2)),
    "ConvLSTM3D": (layers.ConvLSTM3D, (2, 3, 2, 3, 2)),
}


def some() -> list[Any]:
    """The smallest on PyTorch; the others, and on backends that compile a network for seconds, where asked for."""
    first = keras.backend.backend() == "torch"
    return [
        pytest.param(kind, marks=[] if first and kind == "ConvLSTM1D" else [pytest.mark.exhaustive]) for kind in KINDS
    ]


@pytest.mark.parametrize("kind", some())
def test_it_trains_and_is_deployed_as_it_trained(kind: str) -> None:
    keras.utils.set_random_seed(0)
    layer, shape = KINDS[kind]
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(2, 3, padding="same")(inputs))
    x = np.random.default_rng(0).normal(size=(8, *shape)).astype(np.float32)
    trained = qat.quantize_model(model, data=x)
    own = [each for each in trained.trainable_variables if each.path.endswith("/variable")]
    before = [keras.ops.convert_to_numpy(each) for each in own]
    trained.compile("sgd", "mse")
    trained.fit(x, np.zeros((8, *model.output_shape[1:]), np.float32), batch_size=4, verbose=0)
    assert len(own) == 3  # kernel, recurrent kernel and bias
    assert all(np.any(was != keras.ops.convert_to_numpy(each)) for was, each in zip(before, own, strict=True))
    made = octavo.quantize(trained)
    assert not made.islands
    assert_deployed_as_trained(trained, made, [x])
