"""The output stage that convolutions and dense layers share: accumulator -> bias -> requantize -> clamp."""

from __future__ import annotations

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Tensor
from octavo.numerics.fixed_point import (
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    quantize_multipliers,
)
from octavo.ops.fused import FusedActivation, saturate
from octavo.ops.spec import Operand


def centred(data: Operand) -> np.ndarray:
    """`data - zero_point` as float64, in which sums of up to 2**30 products of int16 and int8 are exact."""
    return data.values.astype(np.float64) - data.zero_point


def requantize(
    accumulator: np.ndarray,
    data: Operand,
    weight: Operand,
    bias: Operand | None,
    output: Tensor,
    activation: FusedActivation,
) -> tuple[np.ndarray, ...]:
    """Turn an accumulator into the output's integers.

    Accumulators of int16 activations are 64 bits wide, unless an int32 bias says otherwise.

    Args:
        accumulator: Whole numbers in float64, output channels last; sum of (data - zero_point) * weight.
        data: The activation input.
        weight: Per-tensor or per-axis scaled; symmetric.
        bias: int32 or int64, shape (channels,).
        output: Says type, parameters.
        activation: Fused activation.

    Returns:
        The one result of the operator, in the output's numpy type.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/conv.h; multipliers from
    kernel_util.cc, PopulateConvolutionQuantizationParams (scales multiplied in double).
    """
    assert output.quantization is not None
    total = accumulator.astype(np.int64)
    if bias is not None:
        total += bias.values
    real = float(data.scale[0]) * weight.scale.astype(np.float64) / float(output.quantization.scale[0])
    multiplier, shift = quantize_multipliers(real)
    wide = data.tensor.dtype is DType.INT16 and (bias is None or bias.tensor.dtype is DType.INT64)
    multiply = multiply_int64_by_quantized_multiplier if wide else multiply_by_quantized_multiplier
    steps = multiply(total, multiplier, shift) + output.quantization.zero_point[0]
    return (saturate(steps, output, activation),)
