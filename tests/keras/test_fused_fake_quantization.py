"""The backends' own fake-quantization kernels compute the formula, and its straight-through gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from octavo.dtypes import DType
from octavo.numerics.fake_quantization import fake_quantize
from octavo.qat.maths.backend_kernels import fake_quantize_fused

pytestmark = pytest.mark.every_backend

FakeQuantization = Callable[[Any, Any, Any, DType], Any]
PARAMETERS = [(DType.INT8, 0.05, 3), (DType.INT8, 1 / 256, -128), (DType.INT8, 0.3, 127), (DType.INT16, 2e-4, 0)]
EPSILON = float(np.finfo(np.float32).eps)
X = np.random.default_rng(0).normal(0, 4, 4096).astype(np.float32)


class Rounded(keras.layers.Layer):
    """Weights, fake-quantized, times the input."""

    def __init__(self, function: FakeQuantization, dtype: DType, scale: float, zero_point: int) -> None:
        super().__init__()
        self.function, self.parameters = function, (scale, zero_point, dtype)

    def build(self, input_shape: Any) -> None:
        self.x = self.add_weight(shape=X.shape, initializer="zeros")
        self.x.assign(X)

    def call(self, inputs: Any) -> Any:
        return self.function(ops.convert_to_tensor(self.x), *self.parameters) * inputs


def gradient(function: FakeQuantization, *parameters: Any) -> np.ndarray:
    """Of the sum of the fake-quantized weights, times 3, 2, 1, 3, ..., to the weights."""
    factors = np.resize([3.0, 2.0, 1.0], X.shape).astype(np.float32)[np.newaxis]
    layer = Rounded(function, *parameters)
    model = keras.Sequential([keras.Input(X.shape), layer])
    model.compile(keras.optimizers.SGD(1.0), lambda true, predicted: ops.sum(predicted))
    model.train_on_batch(factors, np.zeros((1, 1), np.float32))
    return X - ops.convert_to_numpy(layer.x)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_values_are_the_formulas_but_next_to_ties(parameters: tuple[DType, float, int]) -> None:
    dtype, scale, zero_point = parameters
    fused, formula = (
        np.asarray(ops.convert_to_numpy(function(ops.convert_to_tensor(X), scale, zero_point, dtype)), np.float64)
        for function in (fake_quantize_fused, fake_quantize)
    )
    exact = X / np.float64(np.float32(scale))
    # A kernel may count steps from the smallest integer: four roundings of float32, which may decide at a tie.
    rounding = 4 * EPSILON * (dtype.integer_range[1] - dtype.integer_range[0])
    near_a_tie = np.abs(exact - np.floor(exact) - 0.5) < rounding
    steps = np.abs(fused - formula) / scale
    assert steps[~near_a_tie].max() < rounding
    assert steps.max() < 1 + rounding


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_gradients_pass_inside_the_range_and_stop_outside(parameters: tuple[DType, float, int]) -> None:
    dtype, scale, zero_point = parameters
    fused, formula = (gradient(function, *parameters) for function in (fake_quantize_fused, fake_quantize))
    smallest, largest = ((integer - zero_point) * scale for integer in dtype.integer_range)
    inside = (smallest < X) & (largest > X)
    assert 0 < inside.sum() < X.size
    # The kernels differ in whether the gradient passes within half a step outside the range.
    decided = inside | (smallest - scale > X) | (largest + scale < X)
    np.testing.assert_allclose(fused[decided], formula[decided], rtol=4 * EPSILON)
