"""What convolutions and dense layers share: centred inputs, and accumulator -> bias -> requantize -> clamp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Tensor
from octavo.numerics.fixed_point import (
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    quantize_multipliers,
)
from octavo.ops.fused import FusedActivation, Output, output_of


@dataclass(frozen=True, slots=True, eq=False)
class Requantization:
    """How an accumulator becomes the output's integers.

    Attributes:
        multiplier_q31, shift_bits: Accumulator steps in output steps, `multiplier_q31 * 2**(shift_bits - 31)`: int64,
            shape (channels,), or (1,) where all channels share a scale.
        wide: Whether accumulators have 64 bits: those of int16 activations, unless an int32 bias says otherwise. They
            are multiplied by the upper 16 bits of the multiplier, and rounded once.
        output: How results are stored.
    """

    multiplier_q31: np.ndarray
    shift_bits: np.ndarray
    wide: bool
    output: Output

    def apply(self, accumulator: np.ndarray, bias: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """The one result of an operator, in the output's numpy type.

        Args:
            accumulator: Whole numbers in float64, output channels last; sum of (data - zero_point) * weight.
            bias: int32 or int64, shape (channels,).

        Source: tensorflow/lite/kernels/internal/reference/integer_ops/conv.h.
        """
        total = accumulator.astype(np.int64)
        if bias is not None:
            total += bias
        multiply = multiply_int64_by_quantized_multiplier if self.wide else multiply_by_quantized_multiplier
        return (self.output.stored(multiply(total, self.multiplier_q31, self.shift_bits)),)


@dataclass(frozen=True, slots=True, eq=False)
class AccumulatorConstants:
    """What every kernel needs that sums products with weights, which are symmetric.

    Attributes:
        input_offset: Added to the integers of the data: minus their zero point.
        requantization: Of the sums.
    """

    input_offset: int
    requantization: Requantization


def requantization(
    data: Tensor, weight: Tensor, bias: Tensor | None, output: Tensor, activation: FusedActivation
) -> Requantization:
    """The requantization of sums of `data * weight`; scales are multiplied in double.

    Source: tensorflow/lite/kernels/kernel_util.cc, PopulateConvolutionQuantizationParams.
    """
    real = data.scale * weight.parameters.scale.astype(np.float64) / output.scale
    wide = data.dtype is DType.INT16 and (bias is None or bias.dtype is DType.INT64)
    return Requantization(*quantize_multipliers(real), wide, output_of(output, activation))


def centred(data: np.ndarray, input_offset: int) -> np.ndarray:
    """`data - zero_point` as float64, in which sums of up to 2**30 products of int16 and int8 are exact."""
    return data.astype(np.float64) + input_offset
