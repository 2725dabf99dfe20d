"""exp, tanh, the logistic function, the logarithm and reciprocals in the 32-bit fixed point of the reference kernels.

A value is an integer `raw` in int64 arrays that holds an int32: with m integer bits it stands for `raw / 2**(31 - m)`.
Below, `q0` in a name says 0 integer bits, so that the value lies in [-1, 1).

Source: gemmlowp fixedpoint/fixedpoint.h and tensorflow/lite/kernels/internal/common.h.
"""

from __future__ import annotations

import math

import numpy as np

from octavo.numerics.fixed_point import (
    multiply_by_quantized_multiplier,
    rounding_divide_by_power_of_two,
    saturating_rounding_doubling_high_mul,
)

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


def constant(real: float, integer_bits: int = 0) -> np.ndarray:
    """The fixed-point form of a real, rounded to nearest."""
    return np.asarray(round(real * 2.0 ** (31 - integer_bits)), np.int64)


_ONE_Q0 = np.asarray(INT32_MAX, np.int64)
# exp(-2**k) for the bits of a number's whole quarters, from 2**-2 upwards.
_EXP_OF_BITS_Q0 = {k: constant(math.exp(-(2.0**k))) for k in range(-2, 5)}


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product; its integer bits are the sum of the factors'."""
    return saturating_rounding_doubling_high_mul(a, b)


def rescale(raw: np.ndarray, exponent: int | np.ndarray) -> np.ndarray:
    """`raw * 2**exponent`: saturates where it grows, rounds where it shrinks.

    Args:
        raw: Any shape.
        exponent: Integer bits before, less those after.
    """
    exponent = np.asarray(exponent, np.int64)
    grown = np.clip(raw << np.maximum(exponent, 0), INT32_MIN, INT32_MAX)
    return np.where(exponent < 0, rounding_divide_by_power_of_two(raw, np.maximum(-exponent, 0)), grown)


def exp_on_negative_values(raw: np.ndarray, integer_bits: int) -> np.ndarray:
    """exp(x) for x <= 0, by a polynomial on (-1/4, 0] and one factor for each bit of the quarters left over.

    Args:
        raw: x with `integer_bits` integer bits, at most 5.
        integer_bits: Of x.

    Returns:
        0 integer bits, same shape.
    """
    fractional_bits = 31 - integer_bits
    quarter = np.int64(1) << (fractional_bits - 2)
    within_quarter = (raw & (quarter - 1)) - quarter
    result = _exp_within_quarter(rescale(within_quarter, integer_bits))
    left_over = within_quarter - raw
    for exponent, factor in _EXP_OF_BITS_Q0.items():
        if exponent < integer_bits:
            result = np.where(left_over & (1 << (fractional_bits + exponent)), multiply(result, factor), result)
    return np.where(raw == 0, _ONE_Q0, result)


def _exp_within_quarter(raw_q0: np.ndarray) -> np.ndarray:
    """exp(x) for x in [-1/4, 0): the Taylor series of degree 4 around -1/8."""
    x = raw_q0 + (1 << 28)
    x2 = multiply(x, x)
    x3, x4 = multiply(x2, x), multiply(x2, x2)
    tail = rescale(multiply(rescale(x4, -2) + x3, constant(1 / 3)) + x2, -1)
    centre = constant(math.exp(-1 / 8))
    return centre + multiply(centre, x + tail)


def _reciprocal_of_half_of_one_plus(raw_q0: np.ndarray) -> np.ndarray:
    """2 / (1 + x) for x in [0, 1], with 2 integer bits, by three steps of Newton and Raphson."""
    half_denominator = (raw_q0 + _ONE_Q0 + 1) >> 1
    x = constant(48 / 17, 2) + multiply(half_denominator, constant(-32 / 17, 2))
    for _ in range(3):
        error = (1 << 29) - multiply(half_denominator, x)
        x = x + rescale(multiply(x, error), 2)
    return x


def one_over_one_plus_x(raw_q0: np.ndarray) -> np.ndarray:
    """1 / (1 + x) for x in [0, 1], with 0 integer bits."""
    return rescale(_reciprocal_of_half_of_one_plus(raw_q0), 1)


def logistic(raw: np.ndarray, integer_bits: int) -> np.ndarray:
    """1 / (1 + exp(-x)).

    Args:
        raw: x with `integer_bits` integer bits, at most 5.
        integer_bits: Of x.

    Returns:
        0 integer bits, same shape.
    """
    of_magnitude = one_over_one_plus_x(exp_on_negative_values(-np.abs(raw), integer_bits))
    result = np.where(raw > 0, of_magnitude, _ONE_Q0 - of_magnitude)
    return np.where(raw == 0, 1 << 30, result)


def tanh(raw: np.ndarray, integer_bits: int) -> np.ndarray:
    """tanh(x) = (1 - e) / (1 + e) with e = exp(-2 x).

    Args:
        raw: x with `integer_bits` integer bits, at most 4.
        integer_bits: Of x.

    Returns:
        0 integer bits, same shape.
    """
    # One more integer bit on the same raw value doubles x.
    exponential = exp_on_negative_values(-np.abs(raw), integer_bits + 1)
    of_magnitude = rescale(_reciprocal_of_half_of_one_plus(exponential) - (1 << 29), 2)
    return np.sign(raw) * of_magnitude


def reciprocal(raw: np.ndarray, integer_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """1 / x as `q0 * 2**-bits`.

    Args:
        raw: x > 0 with `integer_bits` integer bits.
        integer_bits: Of x.

    Returns:
        (q0, bits): 0 integer bits, in [1/2, 1]; and the number of bits of x left of its binary point.
    """
    headroom = leading_zeros(raw)
    return one_over_one_plus_x((raw << headroom) - (1 << 31)), integer_bits - headroom


def log_of_at_least_one(raw: np.ndarray, integer_bits: int, result_bits: int) -> np.ndarray:
    """log(x) for x >= 1: of x = `r * 2**n` with r around 2**(-1/4), where log(r) is a fraction of polynomials.

    Args:
        raw: x with `integer_bits` integer bits.
        integer_bits: Of x.
        result_bits: Integer bits of the result, enough for the largest logarithm.

    Returns:
        `result_bits` integer bits, same shape.
    """
    accumulator_bits = result_bits + 1
    quarter = constant(0.25, accumulator_bits)
    centre = constant(math.sqrt(math.sqrt(0.5)))
    root_half = constant(math.sqrt(0.5))
    headroom = leading_zeros(raw)
    near, near_power = rescale(multiply(rescale(raw, headroom - 1), root_half), 1), integer_bits - headroom
    headroom = leading_zeros(multiply(raw, root_half)) - 1
    far, far_power = rescale(raw, headroom), integer_bits - headroom
    power = np.maximum(
        rescale(near_power, 31 - accumulator_bits) + quarter, rescale(far_power, 31 - accumulator_bits) - quarter
    )
    ratio = _log_near_centre(np.minimum(near, far), centre, accumulator_bits)
    return rescale(multiply(power, constant(math.log(2))) + ratio, accumulator_bits - result_bits)


def _log_near_centre(r: np.ndarray, centre: np.ndarray, result_bits: int) -> np.ndarray:
    """log(r / centre), as a fraction of polynomials in r - centre."""
    root = math.sqrt(math.sqrt(2))
    half_sum = (r + centre + 1) >> 1
    q = 2 * (r - centre)
    square = multiply(q, q)
    numerator = multiply(q, r) + multiply(multiply(q, square), constant(11 / 240 * root))
    slope = constant(2 / root - root) + q + multiply(constant(root / 20), square)
    denominator_minus_one = multiply(half_sum, slope) + multiply(constant(root / 4), q)
    return multiply(rescale(numerator, -result_bits), one_over_one_plus_x(denominator_minus_one))


def leading_zeros(raw: np.ndarray) -> np.ndarray:
    """Zero bits in front of the highest bit set of a uint32; 32 for 0."""
    return 32 - np.frexp(np.asarray(raw, np.float64))[1].astype(np.int64)


def inverse_square_root(values: np.ndarray, extra_bits: int) -> np.ndarray:
    """`2**extra_bits / sqrt(value)`, rounded, by five steps of Newton and Raphson.

    Args:
        values: 1 <= value < 2**29.
        extra_bits: At most 30.

    Returns:
        int64, same shape.

    Source: tensorflow/lite/kernels/internal/common.h, GetInvSqrtQuantizedMultiplierExp.
    """
    pairs = (leading_zeros(values) - 1) // 2 - 1
    scaled = values << (2 * pairs)
    half_input, three_halves = rescale(scaled >> 1, -1), constant(1.5, 3)
    x = np.full_like(scaled, 1 << 28)
    for _ in range(5):
        cube = rescale(multiply(multiply(x, x), x), 6)
        x = rescale(multiply(three_halves, x) - multiply(half_input, cube), 3)
    inverse = np.where(values == 1, INT32_MAX, multiply(x, constant(math.sqrt(0.5))))
    shift = np.where(values == 1, 0, pairs - 11)
    return multiply_by_quantized_multiplier(np.ones_like(scaled), inverse, shift + extra_bits)
