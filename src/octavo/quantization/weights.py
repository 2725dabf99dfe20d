"""Weights as integers: symmetric, zero point 0, per output channel or per tensor.

Source: LiteRT 8-bit quantization specification, "Symmetric vs asymmetric" and "Per-axis vs per-tensor".
"""

from __future__ import annotations

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Granularity, PerAxis, Quantization
from octavo.numerics.affine import quantize, symmetric
from octavo.ops.limits import LARGEST_SUM, SPAN

# An int32 bias may use this share of its range; the rest is left to the accumulator.
LARGEST_BIAS_STEPS = 2.0**30
# Of an input's step and a weight's: it is the scale of the bias, a float32.
SMALLEST_PRODUCT = 2.0**-120


def largest_magnitude(values: np.ndarray, granularity: Granularity) -> np.ndarray:
    """max |values|, shape (1,) per tensor or (channels,) per axis, float32."""
    if not isinstance(granularity, PerAxis):
        return np.abs(values).max(initial=0.0).reshape(1)
    others = tuple(axis for axis in range(values.ndim) if axis != granularity.axis)
    return np.abs(values).max(axis=others, initial=0.0)


def limit_for_bias(limit: np.ndarray, bias: np.ndarray, input_scale: float, dtype: DType) -> np.ndarray:
    """Raise weight limits so that the bias fits an int32 at scale `input_scale * weight_scale`.

    A channel of tiny weights and a large bias would overflow otherwise. Shapes as `largest_magnitude`.
    """
    needed = np.abs(bias) * dtype.integer_range[1] / (input_scale * LARGEST_BIAS_STEPS)
    return np.maximum(limit, needed if len(limit) > 1 else needed.max(initial=0.0))


def limit_for_sums(
    limit: np.ndarray,
    values: np.ndarray,
    input_scale: float,
    activations: DType,
    dtype: DType,
    granularity: Granularity,
) -> np.ndarray:
    """Raise weight limits so that no sum of products, a bias aside, leaves the accumulator.

    Weights so many that no scale is coarse enough keep their limits; their operator's row tells that it cannot be.

    Args:
        limit: To raise; shape as `largest_magnitude`.
        values: float32 weights.
        input_scale: Of the activations.
        activations: Their type.
        dtype: That of the weights.
        granularity: What the limit is per.
    """
    axis = granularity.axis if isinstance(granularity, PerAxis) else None
    others = tuple(other for other in range(values.ndim) if other != axis)
    sums = np.abs(values).sum(axis=others, dtype=np.float64)
    terms, span = values.size / max(1, np.size(sums)), SPAN[activations]
    # Rounding adds up to half a step a term; a bias has half of an int32 to itself.
    room = LARGEST_SUM[activations] - LARGEST_BIAS_STEPS - span * terms / 2
    finest = SMALLEST_PRODUCT / input_scale
    needed = np.maximum(np.atleast_1d(sums) * span / room if room > 0 else 0.0, finest)
    return np.maximum(limit, needed * dtype.integer_range[1]).astype(limit.dtype)


def quantize_weight(
    values: np.ndarray, limit: np.ndarray, dtype: DType, granularity: Granularity
) -> tuple[np.ndarray, Quantization]:
    """Integers in [-largest, largest] of `dtype`, and their parameters.

    Args:
        values: float32 weights.
        limit: Real magnitude that maps to the largest integer; shape as `largest_magnitude`.
        dtype: INT8 or INT4.
        granularity: What `limit` is per.
    """
    parameters = symmetric(limit, dtype, granularity)
    return quantize(values, parameters, dtype, narrow=True), parameters
