"""Weights as integers: symmetric, zero point 0, per output channel or per tensor.

Source: LiteRT 8-bit quantization specification, "Symmetric vs asymmetric" and "Per-axis vs per-tensor".
"""

from __future__ import annotations

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Granularity, PerAxis, Quantization
from octavo.numerics.affine import quantize, symmetric
from octavo.ops.limits import SPAN, largest_sum
from octavo.plan.types import WeightRule

# A bias may have this share of the accumulator; the rest is left to the products.
BIAS_SHARE = 0.5
# Of an input's step and a weight's: it is the scale of the bias, a float32.
SMALLEST_PRODUCT = 2.0**-120


def largest_magnitude(values: np.ndarray, granularity: Granularity) -> np.ndarray:
    """max |values|, shape (1,) per tensor or (channels,) per axis, float32."""
    if not isinstance(granularity, PerAxis):
        return np.abs(values).max(initial=0.0).reshape(1)
    others = tuple(axis for axis in range(values.ndim) if axis != granularity.axis)
    return np.abs(values).max(axis=others, initial=0.0)


def largest_bias(weights: DType) -> float:
    """Steps that an int32 bias beside weights of this type has at most; an int64 one has no more."""
    return BIAS_SHARE * largest_sum(DType.INT8, weights)


def limit_for_bias(limit: np.ndarray, bias: np.ndarray, input_scale: float, dtype: DType) -> np.ndarray:
    """Raise weight limits so that the bias fits an int32 at scale `input_scale * weight_scale`.

    A channel of tiny weights and a large bias would overflow otherwise. Shapes as `largest_magnitude`.
    """
    needed = np.abs(bias) * dtype.integer_range[1] / (input_scale * largest_bias(dtype))
    return np.maximum(limit, needed if len(limit) > 1 else needed.max(initial=0.0))


def limit_for_sums(
    limit: np.ndarray, values: np.ndarray, bias: np.ndarray, input_scale: float, activations: DType, rule: WeightRule
) -> np.ndarray:
    """Raise weight limits so that no sum of products leaves the accumulator.

    Weights so many that no scale is coarse enough keep their limits; their operator's row tells that it cannot be.

    Args:
        limit: To raise; shape as `largest_magnitude`.
        values: float32 weights.
        bias: float32, shape (channels,), or (1,) where there is none.
        input_scale: Of the activations.
        activations: Their type.
        rule: Type and granularity of the weights.
    """
    axis = rule.granularity.axis if isinstance(rule.granularity, PerAxis) else None
    others = tuple(other for other in range(values.ndim) if other != axis)
    magnitudes = np.atleast_1d(np.abs(values).sum(axis=others, dtype=np.float64))
    offsets = np.abs(bias) if axis is not None else np.abs(bias).max(initial=0.0)
    terms, span = values.size / max(1, len(magnitudes)), SPAN[activations]
    # Rounding adds up to half a step a term.
    room = largest_sum(activations, rule.dtype) - span * terms / 2
    steps = (magnitudes * span + offsets / input_scale) / room if room > 0 else 0.0
    needed = np.maximum(steps, SMALLEST_PRODUCT / input_scale) * rule.dtype.integer_range[1]
    return np.maximum(limit, needed).astype(limit.dtype)


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
