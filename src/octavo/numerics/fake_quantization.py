"""Quantize and dequantize real tensors, differentiably.

Gradients pass the rounding unchanged (straight through) and stop where values are clipped; where the range
or step is trained, it receives the gradient of learned step size quantization.

Source: Jacob et al. 2018, section 3; Esser et al. 2020, "Learned Step Size Quantization"; Bhalgat et al. 2020, "LSQ+".
"""

from __future__ import annotations

from typing import Any

from keras import ops

from octavo.dtypes import DType

# float32 holds 255 steps to about 2**-16 of a step.
TIE_RESOLUTION = 2.0**14


def round_straight_through(x: Any) -> Any:
    """Round to nearest; the gradient is that of the identity. Any shape, float."""
    return x + ops.stop_gradient(ops.round(x) - x)


def affine_range(low: Any, high: Any, dtype: DType) -> tuple[Any, Any]:
    """Scale and zero point of an asymmetric activation range, widened to contain 0.

    The same mapping as `octavo.numerics.affine.asymmetric`, in float32 tensors.

    Args:
        low, high: Scalars.
        dtype: INT8.

    Returns:
        (scale, zero_point), scalars; a range of width 0 gets scale 1, one of NaN has no scale, and so no loss.
    """
    smallest, largest = dtype.integer_range
    low, high = ops.minimum(low, 0.0), ops.maximum(high, 0.0)
    width = high - low
    scale = ops.where(width == 0, 1.0, width / (largest - smallest))
    zero_point = ops.clip(round_straight_through(smallest - low / scale), smallest, largest)
    return scale, zero_point


def symmetric_range(low: Any, high: Any, dtype: DType) -> tuple[Any, Any]:
    """Scale and zero point 0 of a symmetric activation range; as `octavo.numerics.affine.symmetric`."""
    limit = ops.maximum(ops.abs(low), ops.abs(high))
    return ops.where(limit == 0, 1.0, limit / dtype.integer_range[1]), ops.zeros_like(limit)


def fake_quantize(x: Any, scale: Any, zero_point: Any, dtype: DType, *, narrow: bool = False) -> Any:
    """`(clip(round(x / scale + zero_point)) - zero_point) * scale`, gradients straight through.

    Args:
        x: Float, any shape.
        scale, zero_point: Broadcast against `x`.
        dtype: Integer type stood for.
        narrow: Leave the smallest integer out, as weights do.

    Returns:
        Float of `x`'s shape and dtype, on the grid of the integers.
    """
    smallest, largest = dtype.integer_range
    steps = ops.clip(x / scale + zero_point, smallest + narrow, largest)
    return (round_straight_through(steps) - zero_point) * scale


def quantize_with_ties(x: Any, scale: Any, zero_point: Any, dtype: DType) -> Any:
    """Fake quantization of averages of integers: ties go away from the integer 0, as in the kernels.

    Averages of integers often end in exactly one half, which float32 misses by a little; a value that close to a tie
    is one.

    Args:
        x, scale, zero_point, dtype: As for `fake_quantize`; no gradient.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h, AveragePool.
    """
    smallest, largest = dtype.integer_range
    steps = ops.round(x / scale * TIE_RESOLUTION) / TIE_RESOLUTION + zero_point
    integers = ops.sign(steps) * ops.floor(ops.abs(steps) + 0.5)
    return (ops.clip(integers, smallest, largest) - zero_point) * scale


def fake_quantize_weight(weight: Any, limit: Any, dtype: DType) -> Any:
    """Symmetric fake quantization of weights: `limit`, broadcast against `weight`, maps to the largest integer."""
    scale = ops.where(limit > 0, limit / dtype.integer_range[1], 1.0)
    return fake_quantize(weight, scale, 0.0, dtype, narrow=True)


def scale_gradient(x: Any, factor: float) -> Any:
    """`x`, whose gradient is multiplied by `factor`."""
    return x * factor + ops.stop_gradient(x * (1.0 - factor))
