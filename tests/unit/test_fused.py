"""The integers that a fused activation clamps a result to."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.dtypes import DType
from octavo.ir.types import Quantization, Tensor
from octavo.ops.fused import FusedActivation, integer_bounds, output_of

BOUNDS = {
    FusedActivation.NONE: (-128, 127),
    FusedActivation.RELU: (-20, 127),
    FusedActivation.RELU6: (-20, 40),
    FusedActivation.RELU_N1_TO_1: (-30, -10),
}


def result(scale: float, zero_point: int, dtype: DType = DType.INT8) -> Tensor:
    return Tensor("y", (1, 256), dtype, quantization=Quantization(np.array(scale), np.array(zero_point)))


@pytest.mark.parametrize("activation", FusedActivation)
def test_both_bounds_hold_where_the_type_reaches_beyond_them(activation: FusedActivation) -> None:
    output = result(0.1, -20)
    assert integer_bounds(activation, output) == BOUNDS[activation]
    clamped = output_of(output, activation).clamped(np.arange(-300, 300))
    assert (clamped.min(), clamped.max()) == BOUNDS[activation]


@pytest.mark.parametrize("activation", FusedActivation)
def test_the_type_bounds_what_the_activation_would_let_through(activation: FusedActivation) -> None:
    assert integer_bounds(activation, result(0.001, 100))[1] == 127
    assert integer_bounds(FusedActivation.RELU_N1_TO_1, result(0.001, -100))[0] == -128


def test_int16_bounds_are_those_of_its_steps() -> None:
    assert integer_bounds(FusedActivation.RELU6, result(0.001, 0, DType.INT16)) == (0, 6000)
