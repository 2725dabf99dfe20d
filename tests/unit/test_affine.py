"""Affine quantization: properties over all finite ranges."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from octavo.dtypes import DType
from octavo.ir.types import PerAxis, Quantization
from octavo.numerics.affine import (
    along_axis,
    asymmetric,
    dequantize,
    quantize,
    representable,
    round_half_away,
    symmetric,
)

reals = st.floats(-(2.0**60), 2.0**60, width=32)
ordinary = st.floats(-1000.0, 1000.0, width=32)
ranges = st.tuples(reals, reals).map(sorted)
EPS = float(np.finfo(np.float32).eps)


@given(ranges, st.sampled_from([DType.INT8, DType.UINT8]))
def test_zero_is_exact_in_every_asymmetric_range(bounds: list[float], dtype: DType) -> None:
    parameters = asymmetric(*bounds, dtype)
    zero = quantize(np.zeros(1, np.float32), parameters, dtype)
    assert zero[0] == parameters.zero_point[0]
    assert dequantize(zero, parameters)[0] == 0.0


@given(ranges, st.sampled_from([DType.INT8, DType.UINT8]))
def test_an_asymmetric_range_reaches_both_ends_within_half_a_step(bounds: list[float], dtype: DType) -> None:
    parameters = asymmetric(*bounds, dtype)
    low, high = representable(parameters, dtype)
    # Half a step for the rounded zero point, and float32 rounding of the scale over 255 steps.
    slack = float(parameters.scale[0]) * (0.5 + 256 * EPS)
    assert low <= min(bounds[0], 0.0) + slack
    assert high >= max(bounds[1], 0.0) - slack


@given(ordinary, ordinary, arrays(np.float32, 20, elements=ordinary))
def test_a_round_trip_inside_the_range_errs_by_at_most_half_a_step(a: float, b: float, values: np.ndarray) -> None:
    parameters = asymmetric(min(a, b), max(a, b), DType.INT8)
    inside = np.clip(values, *representable(parameters, DType.INT8)).astype(np.float32)
    back = dequantize(quantize(inside, parameters, DType.INT8), parameters)
    # The division by the scale and the final product round in float32.
    bound = 0.5 * float(parameters.scale[0]) + 2 * EPS * np.abs(inside)
    assert np.all(np.abs(back.astype(np.float64) - inside) <= bound)


@given(st.floats(2.0**-100, 2.0**60, width=32), st.sampled_from([DType.INT16, DType.INT8, DType.INT4]))
def test_a_symmetric_limit_maps_to_the_largest_integer(limit: float, dtype: DType) -> None:
    parameters = symmetric(limit, dtype)
    largest = dtype.integer_range[1]
    ends = quantize(np.array([-limit, 0.0, limit], np.float32), parameters, dtype, narrow=True)
    assert ends.tolist() == [-largest, 0, largest]
    assert parameters.zero_point[0] == 0


@given(ranges, arrays(np.float32, 30, elements=st.floats(width=32, allow_nan=False)))
def test_quantization_is_monotone_and_saturates(bounds: list[float], values: np.ndarray) -> None:
    parameters = asymmetric(*bounds, DType.INT8)
    steps = quantize(np.sort(values), parameters, DType.INT8)
    assert np.all(np.diff(steps.astype(int)) >= 0)
    ends = quantize(np.array([-np.inf, np.inf], np.float32), parameters, DType.INT8)
    assert ends.tolist() == [-128, 127]


@given(ranges, st.sampled_from([DType.INT8, DType.UINT8]))
def test_every_integer_survives_the_way_to_real_and_back(bounds: list[float], dtype: DType) -> None:
    parameters = asymmetric(*bounds, dtype)
    smallest, largest = dtype.integer_range
    integers = np.arange(smallest, largest + 1).astype(dtype.numpy)
    assert np.array_equal(quantize(dequantize(integers, parameters), parameters, dtype), integers)


@given(st.floats(-(2.0**22), 2.0**22, width=32))
def test_rounding_takes_halves_away_from_zero(value: float) -> None:
    exact = Decimal(value).to_integral_value(rounding=ROUND_HALF_UP)
    assert int(round_half_away(np.float32(value))) == int(exact)


@pytest.mark.parametrize("value", [0.49999997, 0.5, 1.5, 2.5, 8388609.0, 0.0])
def test_rounding_is_right_where_adding_a_half_is_not(value: float) -> None:
    exact = int(Decimal(float(np.float32(value))).to_integral_value(rounding=ROUND_HALF_UP))
    assert round_half_away(np.array([value, -value], np.float32)).tolist() == [exact, -exact]


@pytest.mark.parametrize("bounds", [(0.0, 0.0), (0.0, 1e-45), (-1e-40, 0.0)])
def test_vanishing_ranges_have_a_scale_that_can_be_divided_by(bounds: tuple[float, float]) -> None:
    for parameters in (asymmetric(*bounds, DType.INT8), symmetric(max(map(abs, bounds)), DType.INT16)):
        assert parameters.scale[0] >= np.finfo(np.float32).tiny


def test_nothing_but_zeros_has_scale_one_alone_or_as_one_channel_of_several() -> None:
    assert asymmetric(0.0, 0.0, DType.INT8) == Quantization(1.0, 0)
    assert symmetric(0.0, DType.INT16) == Quantization(1.0, 0)
    assert symmetric(np.array([0.0, 127.0 * 4]), DType.INT8, PerAxis(0)).scale.tolist() == [1.0, 4.0]


def test_each_channel_has_its_own_scale() -> None:
    weights = np.array([[1.0, -2.0, 4.0], [10.0, 5.0, -2.5]], np.float32)
    parameters = symmetric(np.abs(weights).max(axis=1), DType.INT8, PerAxis(0))
    integers = quantize(weights, parameters, DType.INT8, narrow=True)
    assert np.abs(integers).max(axis=1).tolist() == [127, 127]
    assert np.abs(dequantize(integers, parameters) - weights).max() <= 0.5 * parameters.scale.max()


def test_parameters_broadcast_along_their_axis() -> None:
    parameters = Quantization(np.array([0.5, 0.25, 2.0]), np.zeros(3), PerAxis(1))
    scale, zero_point = along_axis(parameters, 4)
    assert scale.shape == zero_point.shape == (1, 3, 1, 1)
    scale, zero_point = along_axis(Quantization(0.5, 3), 4)
    assert scale.shape == zero_point.shape == ()
