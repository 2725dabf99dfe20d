"""The kernels' fixed-point arithmetic against the same formulas on Python's unbounded integers and fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.numerics.fixed_point import (
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    quantize_multiplier,
    quantize_multipliers,
    rounding_divide_by_power_of_two,
    saturating_rounding_doubling_high_mul,
    wrap_int32,
)

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
int32 = st.integers(INT32_MIN, INT32_MAX)
multipliers = st.one_of(st.integers(2**30, INT32_MAX), st.just(0))


def slow_round(value: Fraction) -> int:
    """Nearest integer, halves away from zero."""
    magnitude = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return magnitude if value >= 0 else -magnitude


def slow_high_mul(a: int, b: int) -> int:
    """gemmlowp adds 2**30, or 1 - 2**30 below zero, and divides towards zero."""
    product = a * b
    quotient = Fraction(product + (2**30 if product >= 0 else 1 - 2**30), 2**31)
    return min(int(quotient), INT32_MAX)


def slow_multiply(value: int, multiplier: int, shift: int) -> int:
    """Saturating doubling high product, then a rounding right shift."""
    shifted = (value * 2 ** max(shift, 0) + 2**31) % 2**32 - 2**31
    return slow_round(Fraction(slow_high_mul(shifted, multiplier), 2 ** max(-shift, 0)))


@given(st.floats(2.0**-31, 2.0**30))
def test_a_multiplier_is_within_half_a_unit_of_its_31_bits(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier <= INT32_MAX
    stands_for = Fraction(multiplier, 2**31) * Fraction(2) ** shift
    assert abs(stands_for - Fraction(real)) <= Fraction(real) * Fraction(1, 2**31)


@pytest.mark.parametrize("real", [0.0, 2.0**-33, 1e-300])
def test_multipliers_too_small_to_matter_are_zero(real: float) -> None:
    assert quantize_multiplier(real) == (0, 0)


def test_a_multiplier_that_rounds_up_to_a_power_of_two_is_normalized() -> None:
    assert quantize_multiplier(1.0 - 2.0**-40) == (2**30, 1)


def test_multipliers_of_an_array_keep_its_shape() -> None:
    reals = np.array([[0.1, 0.5], [2.0, 0.0]])
    multiplier, shift = quantize_multipliers(reals)
    assert multiplier.shape == shift.shape == (2, 2)
    assert (int(multiplier[1, 0]), int(shift[1, 0])) == quantize_multiplier(2.0)


@given(int32, int32)
def test_the_high_product_equals_its_definition(a: int, b: int) -> None:
    got = saturating_rounding_doubling_high_mul(np.array([a]), np.array([b]))
    assert got.tolist() == [slow_high_mul(a, b)]


def test_the_high_product_saturates_at_the_one_overflow() -> None:
    smallest = np.array([INT32_MIN])
    assert saturating_rounding_doubling_high_mul(smallest, smallest).tolist() == [INT32_MAX]


@given(int32, st.integers(0, 31))
def test_the_rounding_shift_equals_exact_rounding(value: int, exponent: int) -> None:
    got = rounding_divide_by_power_of_two(np.array([value], np.int64), exponent)
    assert got.tolist() == [slow_round(Fraction(value, 2**exponent))]


@given(int32, multipliers, st.integers(-31, 30))
def test_double_rounding_equals_a_slow_model(value: int, multiplier: int, shift: int) -> None:
    got = multiply_by_quantized_multiplier(np.array([value]), multiplier, shift)
    assert got.tolist() == [slow_multiply(value, multiplier, shift)]


@given(st.integers(-(2**20), 2**20), st.floats(2.0**-20, 1.0))
def test_a_product_is_within_a_unit_of_the_real_one(value: int, real: float) -> None:
    got = int(multiply_by_quantized_multiplier(np.array([value]), *quantize_multiplier(real))[0])
    # Half a unit each for the two roundings, the first reduced by the shift that follows where there is one.
    assert abs(got - value * real) <= 1.0 + abs(value) * real * 2.0**-31


@given(st.integers(-(2**46), 2**46), multipliers, st.integers(-31, 7))
def test_wide_accumulators_are_scaled_with_fifteen_bits_and_one_rounding(
    value: int, multiplier: int, shift: int
) -> None:
    reduced = (multiplier + 2**15) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
    expected = (value * reduced + 2 ** (14 - shift)) >> (15 - shift)
    got = multiply_int64_by_quantized_multiplier(np.array([value]), multiplier, shift)
    assert got.tolist() == [expected]


@given(st.lists(st.tuples(int32, st.integers(2**30, INT32_MAX), st.integers(-31, 8)), min_size=1))
def test_arrays_give_what_their_elements_give(rows: list[tuple[int, int, int]]) -> None:
    values, multiplier, shift = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    got = multiply_by_quantized_multiplier(values, multiplier, shift)
    assert got.tolist() == [slow_multiply(*row) for row in rows]


@given(st.integers(-(2**62), 2**62))
def test_wrapping_keeps_the_low_32_bits(value: int) -> None:
    (wrapped,) = wrap_int32(np.array([value], np.int64)).tolist()
    assert INT32_MIN <= wrapped <= INT32_MAX
    assert (wrapped - value) % 2**32 == 0
