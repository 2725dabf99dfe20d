"""The fixed-point functions against the real ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.numerics import transcendental as fixed

INT32_MAX = 2**31 - 1
# The Taylor series of exp around -1/8 stops after degree 4: on an interval of half-width 1/8 it errs by x**5 / 5!.
EXP_ERROR = (1 / 8) ** 5 / 120 + 8 * 2.0**-31
# Reciprocals are refined with 2 integer bits: a few roundings of 2**-29 each.
RECIPROCAL_ERROR = 8 * 2.0**-29


def raw_of(values: np.ndarray, integer_bits: int) -> np.ndarray:
    return np.round(values * 2.0 ** (31 - integer_bits)).astype(np.int64)


def real_of(raw: np.ndarray, integer_bits: int = 0) -> np.ndarray:
    return raw / 2.0 ** (31 - integer_bits)


def points(limit: float) -> np.ndarray:
    return np.linspace(-limit, limit, 20001)


@pytest.mark.parametrize("integer_bits", [1, 4, 5])
def test_exp_of_what_is_not_positive(integer_bits: int) -> None:
    x = -np.abs(points(2.0**integer_bits - 2.0**-20))
    result = real_of(fixed.exp_on_negative_values(raw_of(x, integer_bits), integer_bits))
    assert np.abs(result - np.exp(x)).max() <= EXP_ERROR


def test_exp_of_zero_is_the_largest_number_below_one() -> None:
    assert fixed.exp_on_negative_values(np.array([0]), 5).tolist() == [INT32_MAX]


def test_logistic() -> None:
    x = points(15.9)
    assert np.abs(real_of(fixed.logistic(raw_of(x, 4), 4)) - 1 / (1 + np.exp(-x))).max() <= EXP_ERROR + RECIPROCAL_ERROR


@given(st.integers(-INT32_MAX, INT32_MAX))
def test_logistic_of_the_opposite_is_what_is_missing_to_one(raw: int) -> None:
    here, there = fixed.logistic(np.array([raw, -raw]), 4)
    assert here + there in (INT32_MAX, INT32_MAX + 1)


def test_tanh() -> None:
    x = points(15.9)
    # Its slope in exp(-2x) is at most 2.
    assert np.abs(real_of(fixed.tanh(raw_of(x, 4), 4)) - np.tanh(x)).max() <= 2 * (EXP_ERROR + RECIPROCAL_ERROR)


@given(st.integers(-INT32_MAX, INT32_MAX))
def test_tanh_is_odd(raw: int) -> None:
    here, there = fixed.tanh(np.array([raw, -raw]), 4)
    assert here == -there


@given(st.integers(1, INT32_MAX))
def test_a_reciprocal_times_its_number_is_one(raw: int) -> None:
    inverse, bits = fixed.reciprocal(np.array([raw]), 12)
    product = real_of(inverse)[0] * 2.0 ** -bits[0] * real_of(np.array([raw]), 12)[0]
    assert abs(product - 1) <= 2 * RECIPROCAL_ERROR


def test_the_logarithm_is_a_thousand_times_finer_than_the_step_of_log_softmax() -> None:
    x = np.exp(np.linspace(0, np.log(4095), 20001))
    result = real_of(fixed.log_of_at_least_one(raw_of(x, 12), 12, 5), 5)
    assert np.abs(result - np.log(x)).max() <= 1 / 16 / 1000


@given(st.integers(1, 2**29 - 1))
def test_an_inverse_square_root_is_rounded(value: int) -> None:
    result = fixed.inverse_square_root(np.array([value]), extra_bits=20)[0]
    exact = 2.0**20 / np.sqrt(value)
    # A rounding, and what five steps of Newton's method, e -> 1.5 e**2 - e**3 / 2, leave of the largest e = 1/2.
    assert abs(result - exact) <= 0.5 + exact * 1.3e-6


@pytest.mark.parametrize(("value", "zeros"), [(0, 32), (1, 31), (255, 24), (2**31 - 1, 1), (2**31, 0)])
def test_leading_zeros(value: int, zeros: int) -> None:
    assert fixed.leading_zeros(np.array([value])).tolist() == [zeros]


@pytest.mark.parametrize(("raw", "exponent", "expected"), [(3, -1, 2), (-3, -1, -2), (2**30, 1, INT32_MAX), (5, 0, 5)])
def test_rescaling_rounds_and_saturates(raw: int, exponent: int, expected: int) -> None:
    assert fixed.rescale(np.array([raw]), exponent).tolist() == [expected]
