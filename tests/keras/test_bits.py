"""Operations on the bits of whole numbers are exact, whatever the numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import octavo
from octavo.errors import UnsupportedLayerError

FEW = np.array([0, 1, 7, 31], np.int32)
USES: dict[str, Callable[[Any], Any]] = {
    "xor": lambda x: ops.bitwise_xor(x, FEW),
    "xor of both": lambda x: ops.bitwise_xor(x[:, :2], x[:, 1:]),
    "not": ops.bitwise_not,
    "invert": ops.bitwise_invert,
    "right shift": lambda x: ops.right_shift(x, FEW),
    "shift, then not": lambda x: ops.bitwise_not(ops.bitwise_right_shift(x, FEW)),
    # Keras inverts no truth values on TensorFlow.
    **({} if keras.backend.backend() == "tensorflow" else {"not of truth": lambda x: ops.bitwise_not(x > 3)}),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_bits_are_those_of_keras(use: Callable[[Any], Any]) -> None:
    inputs = keras.Input((3, 4), dtype="int32")
    model = keras.Model(inputs, use(inputs))
    limits = np.iinfo(np.int32)
    x = np.random.default_rng(0).integers(limits.min, limits.max, (16, 3, 4), np.int32, endpoint=True)
    quantized = octavo.quantize(model, data=x)
    assert not quantized.islands
    assert np.array_equal(quantized.predict(x), ops.convert_to_numpy(model(x)))


def test_inverted_bits_of_numbers_without_a_sign_are_refused() -> None:
    inputs = keras.Input((4,), dtype="uint8")
    with pytest.raises(UnsupportedLayerError, match=r"uint8(.*\n)+ +fix: +cast them before"):
        octavo.quantize(keras.Model(inputs, ops.bitwise_not(inputs)), data=np.zeros((4, 4), np.uint8))
