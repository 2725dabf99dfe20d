"""Functions as tables over integers, as the reference kernels hold them.

Source: tensorflow/lite/kernels/internal/common.h (LUTPopulate, LUTLookup, sigmoid_table_uint16).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from octavo.numerics.affine import round_half_away

Function = Callable[[np.ndarray], np.ndarray]
Real = float | np.floating

STEPS = 512
_FAR = np.float32(2.0**31)


def rounded_once(function: Callable[[Any], Any]) -> Function:
    """A function of float32 computed in double and rounded, as C libraries in effect do; numpy's own is less exact."""

    def run(x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return function(x.astype(np.float64)).astype(np.float32)

    return run


def int8_table(function: Function, scale: Real, zero_point: int, out_scale: Real, out_zero_point: int) -> np.ndarray:
    """`function` on each int8, in float32 arithmetic.

    Args:
        function: float32 to float32, element by element.
        scale, zero_point: Parameters of the input.
        out_scale, out_zero_point: Parameters of the result.

    Returns:
        int8, shape (256,): the entry of q is at q + 128.
    """
    values = np.float32(scale) * (np.arange(-128, 128) - zero_point).astype(np.float32)
    steps = round_half_away(_in_steps(function, values, np.float32(1) / np.float32(out_scale)))
    return np.clip(steps + out_zero_point, -128, 127).astype(np.int8)


def look_up_int8(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The entries of an `int8_table`, same shape as `values`."""
    return table[values.astype(np.int64) + 128]


def int16_table(function: Function, low: Real, high: Real, out_scale: Real) -> np.ndarray:
    """`function` on 513 points from `low` to `high`, for interpolation, in float32 arithmetic.

    Each sample is moved by half the error that a straight line makes in the middle of its interval.

    Args:
        function: float32 to float32, element by element.
        low, high: Real values of the smallest and largest int16.
        out_scale: Scale of the result, whose zero point is 0.

    Returns:
        int64, shape (513,).
    """
    low, high = np.float32(low), np.float32(high)
    step = (high - low) / np.float32(STEPS)
    smallest, largest = np.float32(out_scale) * np.float32(-32768), np.float32(out_scale) * np.float32(32767)
    per_unit = np.float32(65536) / (largest - smallest)
    start = low + np.arange(STEPS, dtype=np.float32) * step
    following = low + np.arange(1, STEPS + 1, dtype=np.float32) * step
    sample = round_half_away(_in_steps(function, start, per_unit))
    line = round_half_away((_in_steps(function, following, per_unit) + sample.astype(np.float32)) / np.float32(2))
    error = line - round_half_away(_in_steps(function, start + step / np.float32(2), per_unit))
    table = sample - round_half_away(error.astype(np.float32) / np.float32(2))
    last = round_half_away(_in_steps(function, np.atleast_1d(high), per_unit))
    return np.clip(np.append(table, last), -32768, 32767)


def _in_steps(function: Function, points: np.ndarray, per_unit: np.float32) -> np.ndarray:
    """The function in steps of the result; far outside every integer type it stops growing."""
    with np.errstate(over="ignore"):
        return np.clip(function(points) * per_unit, -_FAR, _FAR)


def look_up_int16(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Interpolate an `int16_table`: the upper 9 bits choose the interval, the lower 7 the place in it.

    A step of more than 32767 from one entry to the next wraps around, as in the kernels.

    Returns:
        int64 holding int16 values, same shape as `values`.
    """
    values = values.astype(np.int64)
    index = 256 + (values >> 7)
    slope = _wrap_int16(table[index + 1] - table[index])
    return _wrap_int16(table[index] + ((slope * (values & 0x7F) + 64) >> 7))


def _wrap_int16(values: np.ndarray) -> np.ndarray:
    return ((values + (1 << 15)) & 0xFFFF) - (1 << 15)


def logistic_of_positions(positions: np.ndarray) -> np.ndarray:
    """The logistic function in 1/32768, interpolated in `sigmoid_table`.

    Args:
        positions: The argument in units of 1/12288, so that 512 of them are an entry of the table.

    Returns:
        int16, same shape.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h.
    """
    upper = _interpolated_sigmoid(positions, bits=9, limit=0x7FFF << 10)
    return (np.where(positions >= 0, upper + 512, (1 << 25) - upper + 511) >> 10).astype(np.int16)


def tanh_of_positions(positions: np.ndarray) -> np.ndarray:
    """`tanh(x) = 2 logistic(2 x) - 1` in 1/32768, interpolated in `sigmoid_table`; arguments as above.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h.
    """
    upper, half = _interpolated_sigmoid(positions, bits=8, limit=0xFFFF << 8), 1 << 23
    return (np.where(positions >= 0, upper - half + 128, half - upper + 127) >> 8).astype(np.int16)


def _interpolated_sigmoid(positions: np.ndarray, bits: int, limit: int) -> np.ndarray:
    """The table at |position|, `bits` of which lie between entries, in 2**-bits of its unit; `limit` past its end."""
    table = sigmoid_table()
    index, fraction = np.abs(positions) >> bits, np.abs(positions) & ((1 << bits) - 1)
    low, high = table[np.minimum(index, 254)], table[np.minimum(index, 254) + 1]
    return np.where(index >= 255, limit, (low << bits) + fraction * (high - low))


@cache
def sigmoid_table() -> np.ndarray:
    """The logistic function at i / 24, i = 0 .. 255, in 1/65536, each moved by half the error of a straight line.

    The last entry, with which the one before is interpolated, is the largest there is.

    Returns:
        int64, shape (256,), read-only.
    """
    points = np.arange(256) / 24
    here, middle, following = (_sigmoid(points + offset) * 65536 for offset in (0, 1 / 48, 1 / 24))
    table = round_half_away(here - ((here + following) / 2 - middle) / 2)
    table[-1] = 65535
    table.flags.writeable = False
    return table


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))
