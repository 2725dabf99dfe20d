"""Where kernels need another scale than training learned, the trained model takes it over with its file."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers
from qat_agreement import assert_deployed_as_trained

import octavo
from octavo import qat

X = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)


def cancelling() -> keras.Model:
    """A sum of nearly opposite terms: its scale would be a millionth of theirs."""
    inputs = keras.Input((6,))
    x = layers.Dense(6)(inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.Add()([x, x * (-1.0 - 1e-6)])))


def normalized() -> keras.Model:
    """A normalization whose inverse deviations reach far beyond what steps of the variance tell apart."""
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(2)(layers.RMSNormalization(epsilon=1e-6)(inputs)))


@pytest.mark.parametrize(("make", "scheme"), [(cancelling, "int8"), (cancelling, "int16x8"), (normalized, "int8")])
def test_a_model_predicts_what_its_file_predicts_at_the_scales_of_kernels(
    make: Callable[[], keras.Model], scheme: str
) -> None:
    keras.utils.set_random_seed(0)
    x = np.concatenate([X, np.zeros_like(X)])
    model = qat.quantize_model(make(), scheme, data=x)
    quantized = octavo.quantize(model, data=x)
    assert_deployed_as_trained(model, quantized, [x])
    assert octavo.quantize(model, data=x).model == quantized.model
