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


def exact_matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`a @ b` of integers, exact, as int64.

    Runs on float64 BLAS: products of int16 and int8 summed over fewer than 2**30 terms stay below 2**53.
    """
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def requantize(
    accumulator: np.ndarray, data: Operand, weight: Operand, bias: Operand | None, output: Tensor, activation: FusedActivation
) -> np.ndarray:
    """Turn an accumulator into the output's integers.

    Args:
        accumulator: int64, output channels last; sum of (data - zero_point) * weight.
        data: The activation input.
        weight: Per-tensor or per-axis scaled; symmetric.
        bias: int32 or int64, shape (channels,).
        output: Says type, parameters.
        activation: Fused activation.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/conv.h; multipliers from
    kernel_util.cc, PopulateConvolutionQuantizationParams (scales multiplied in double).
    """
    assert output.quantization is not None
    if bias is not None:
        accumulator = accumulator + bias.values.astype(np.int64)
    real = float(data.scale[0]) * weight.scale.astype(np.float64) / float(output.quantization.scale[0])
    multiplier, shift = quantize_multipliers(real)
    wide = bias is not None and bias.tensor.dtype is DType.INT64
    multiply = multiply_int64_by_quantized_multiplier if wide else multiply_by_quantized_multiplier
    return saturate(multiply(accumulator, multiplier, shift) + output.quantization.zero_point[0], output, activation)
