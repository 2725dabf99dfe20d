"""Affine quantization: `real = (q - zero_point) * scale`.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", section 2.1, and the LiteRT 8-bit quantization specification.
"""

from __future__ import annotations

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Granularity, PerAxis, PerTensor, Quantization

Range = tuple[float, float]
"""Real (low, high) of a tensor."""

_PER_TENSOR = PerTensor()
# The range that stands for one of nothing but zeros: of the size of its neighbours', so that the ratios of scales which
# kernels multiply by stay within what they hold.
RANGE_OF_ZEROS = (0.0, 1.0)
# Steps beyond every integer type that parameters are made for, and safe to add a zero point to.
_FAR = np.float32(2.0**32)


def asymmetric(low: float, high: float, dtype: DType) -> Quantization:
    """Parameters that map the range [low, high], widened to contain 0, onto all integers of `dtype`.

    The zero point is the rounded one, so that 0.0 is exact; a range of width 0 gets scale 1.

    Args:
        low: Smallest real value, finite.
        high: Largest real value, finite.
        dtype: INT8 or UINT8.
    """
    smallest, largest = dtype.integer_range
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    if low == high:
        return Quantization(np.array([1.0], np.float32), np.array([0]))
    scale = np.maximum(np.float32((high - low) / (largest - smallest)), np.finfo(np.float32).tiny)
    zero_point = int(np.clip(np.round(smallest - low / float(scale)), smallest, largest))
    return Quantization(np.array([scale]), np.array([zero_point]))


def symmetric(limit: float | np.ndarray, dtype: DType, granularity: Granularity = _PER_TENSOR) -> Quantization:
    """Parameters with zero point 0 that map [-limit, limit] onto [-largest, largest] of `dtype`.

    Args:
        limit: Largest absolute value; a scalar per tensor, shape (channels,) per axis. Zeros get scale 1.
        dtype: INT16 for activations, INT8 or INT4 for weights.
        granularity: Of the tensor the parameters are for.
    """
    largest = dtype.integer_range[1]
    limit = np.atleast_1d(np.asarray(limit, np.float64))
    scale = np.where(limit > 0, limit / largest, 1.0).astype(np.float32)
    return Quantization(np.maximum(scale, np.finfo(np.float32).tiny), np.zeros(len(scale), np.int64), granularity)


def quantize(values: np.ndarray, parameters: Quantization, dtype: DType, *, narrow: bool = False) -> np.ndarray:
    """`clip(round(values / scale) + zero_point)`, halves away from zero, in float32 as the QUANTIZE kernel does.

    Args:
        values: float, any shape; infinities saturate, NaN is not accepted.
        parameters: Per tensor or per axis of `values`.
        dtype: Integer type of the result.
        narrow: Leave the smallest integer out, as weights do ([-127, 127]).

    Returns:
        Integers of `dtype.numpy`, same shape; values outside the range saturate.

    Source: tensorflow/lite/kernels/internal/reference/quantize.h, AffineQuantize.
    """
    smallest, largest = dtype.integer_range
    scale, zero_point = along_axis(parameters, values.ndim)
    with np.errstate(over="ignore"):
        ratio = np.asarray(values, np.float32) / scale
    # float32 holds what has up to 16 bits exactly, and takes less time than int64.
    steps = _whole_half_away(ratio) if dtype.bits <= DType.INT16.bits else round_half_away(np.clip(ratio, -_FAR, _FAR))
    steps += zero_point.astype(steps.dtype)
    return np.clip(steps, smallest + narrow, largest, out=steps).astype(dtype.numpy)


def dequantize(values: np.ndarray, parameters: Quantization) -> np.ndarray:
    """`(values - zero_point) * scale` as float32, same shape."""
    scale, zero_point = along_axis(parameters, values.ndim)
    # What has up to 16 bits makes products that round once in float32, too.
    kind = np.float32 if values.dtype.itemsize <= DType.INT16.numpy.itemsize else np.float64
    return ((values.astype(kind) - zero_point.astype(kind)) * scale.astype(kind)).astype(np.float32, copy=False)


def representable(parameters: Quantization, dtype: DType) -> tuple[float, float]:
    """The smallest and largest real value of per-tensor parameters."""
    smallest, largest = dtype.integer_range
    scale, zero_point = float(parameters.scale[0]), int(parameters.zero_point[0])
    return (smallest - zero_point) * scale, (largest - zero_point) * scale


def along_axis(parameters: Quantization, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale (float32) and zero point (int64), shaped to broadcast against a tensor of `rank`."""
    if not isinstance(parameters.granularity, PerAxis):
        return parameters.scale.reshape(()), parameters.zero_point.reshape(())
    shape = [1] * rank
    shape[parameters.granularity.axis] = -1
    return parameters.scale.reshape(shape), parameters.zero_point.reshape(shape)


def round_half_away(values: np.ndarray) -> np.ndarray:
    """Round to nearest, halves away from zero, as C's `round`; numpy's own rounds halves to even.

    Returns:
        int64, same shape; non-finite values are not accepted.
    """
    return _whole_half_away(values).astype(np.int64)


def _whole_half_away(values: np.ndarray) -> np.ndarray:
    """The same as whole numbers of the values' type; infinities stay."""
    almost_half = np.nextafter(values.dtype.type(0.5), values.dtype.type(0))
    # In one array, as large ones cost more to make than to fill.
    moved = np.atleast_1d(np.copysign(almost_half, values))
    moved += values
    return np.trunc(moved, out=moved).reshape(values.shape)
