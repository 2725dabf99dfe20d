"""The fixed-point arithmetic of the reference kernels, on numpy arrays.

Source: tensorflow/lite/kernels/internal/common.cc (MultiplyByQuantizedMultiplier), quantization_util.cc
(QuantizeMultiplier) and gemmlowp/fixedpoint.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Write a positive real as `multiplier * 2**(shift - 31)`, multiplier an int32 in [2**30, 2**31).

    Returns:
        (multiplier_q31, shift_bits); (0, 0) for 0 and for values too small to matter.
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def quantize_multipliers(reals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`quantize_multiplier` of each element: two int64 arrays of the same shape."""
    pairs = [quantize_multiplier(float(real)) for real in np.ravel(reals)]
    multipliers, shifts = zip(*pairs, strict=True)
    return np.array(multipliers, np.int64).reshape(np.shape(reals)), np.array(shifts, np.int64).reshape(np.shape(reals))


def multiply_by_quantized_multiplier(
    values: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """`values * multiplier * 2**(shift - 31)` with the double rounding of the reference kernels.

    A saturating rounding doubling high multiplication, then a rounding right shift.

    Args:
        values: int32 range, any integer dtype, any shape.
        multiplier: Q31, broadcast against `values`.
        shift: Positive shifts left before the multiplication, negative right after it.

    Returns:
        int64 array holding int32 values.
    """
    shift = np.asarray(shift, np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    shifted = wrap_int32(values.astype(np.int64) << left)
    return rounding_divide_by_power_of_two(
        saturating_rounding_doubling_high_mul(shifted, np.asarray(multiplier, np.int64)), right
    )


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A real factor in fixed point: `multiplier_q31 * 2**(shift_bits - 31)`.

    Attributes:
        multiplier_q31: int32; below 0 for a negative factor.
        shift_bits: Above 0 to the left, before the multiplication; below 0 to the right, after it.
    """

    multiplier_q31: int
    shift_bits: int

    @classmethod
    def of(cls, real: float) -> Multiplier:
        """The fixed-point form of a real, see `quantize_multiplier`."""
        multiplier, shift = quantize_multiplier(abs(real))
        return cls(-multiplier if real < 0 else multiplier, shift)

    def times(self, values: np.ndarray) -> np.ndarray:
        """`values * factor` with the rounding of `multiply_by_quantized_multiplier`; a negative factor negates it."""
        product = multiply_by_quantized_multiplier(values, abs(self.multiplier_q31), self.shift_bits)
        return -product if self.multiplier_q31 < 0 else product


def multiply_int64_by_quantized_multiplier(
    values: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """The variant for int64 accumulators (16x8): a 16-bit multiplier and one rounding.

    Args:
        values: int64 with magnitude below 2**47.
        multiplier: Q31; reduced to Q15 as the kernel does.
        shift: As in `multiply_by_quantized_multiplier`.
    """
    total_shift = 15 - np.asarray(shift, np.int64)
    return (
        values.astype(np.int64) * reduced_multiplier(multiplier) + (np.int64(1) << (total_shift - 1))
    ) >> total_shift


def reduced_multiplier(multiplier: np.ndarray | int) -> np.ndarray:
    """A Q31 multiplier in Q15, rounded."""
    multiplier = np.asarray(multiplier, np.int64)
    return np.where(multiplier < 0x7FFF0000, (multiplier + (1 << 15)) >> 16, 0x7FFF)


def saturating_rounding_doubling_high_mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`round(a * b / 2**31)`, halves away from zero for negatives as gemmlowp does; saturates at int32 min squared.

    Source: gemmlowp fixedpoint.h, SaturatingRoundingDoublingHighMul.
    """
    product = a.astype(np.int64) * b
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    # C divides toward zero where an arithmetic shift would floor.
    quotient = np.where(nudged >= 0, nudged >> 31, -((-nudged) >> 31))
    return np.minimum(quotient, (1 << 31) - 1)


def rounding_divide_by_power_of_two(values: np.ndarray, exponent: np.ndarray | int) -> np.ndarray:
    """`round(values / 2**exponent)`, halves away from zero.

    Source: gemmlowp fixedpoint.h, RoundingDivideByPOT.
    """
    exponent = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    remainder = values & mask
    threshold = (mask >> 1) + (values < 0)
    return (values >> exponent) + (remainder > threshold)


def wrap_int32(values: np.ndarray) -> np.ndarray:
    """The low 32 bits as a signed value, in int64."""
    return ((values + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
