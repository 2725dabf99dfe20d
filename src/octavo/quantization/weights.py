"""Weights as integers: symmetric, zero point 0, per output channel or per tensor.

Source: LiteRT 8-bit quantization specification, "Symmetric vs asymmetric" and "Per-axis vs per-tensor".
"""

from __future__ import annotations

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Granularity, PerAxis, Quantization
from octavo.numerics.affine import quantize, symmetric

# An int32 bias may use this share of its range; the rest is left to the accumulator.
LARGEST_BIAS_STEPS = 2.0**30


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
