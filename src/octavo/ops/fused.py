"""Activations that kernels apply to their own output, and the clamp that stands for them on integers."""

from __future__ import annotations

import enum

import numpy as np

from octavo.ir.types import Tensor
from octavo.numerics.affine import round_half_away


class FusedActivation(enum.IntEnum):
    """Values of the schema's `ActivationFunctionType` that kernels apply."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3


REAL_BOUNDS: dict[FusedActivation, tuple[float, float]] = {
    FusedActivation.NONE: (-np.inf, np.inf),
    FusedActivation.RELU: (0.0, np.inf),
    FusedActivation.RELU_N1_TO_1: (-1.0, 1.0),
    FusedActivation.RELU6: (0.0, 6.0),
}


def smallest_output_scale(activation: FusedActivation) -> float:
    """The scale below which a kernel cannot express the bounds in steps: it holds them in int32.

    Source: tensorflow/lite/kernels/kernel_util.cc, no_integer_overflow_from_quantization.
    """
    return max(abs(bound) for bound in (0.0, *REAL_BOUNDS[activation]) if np.isfinite(bound)) / 2.0**30


def clamp_real(values: np.ndarray, activation: FusedActivation) -> np.ndarray:
    """Apply a fused activation to float values, same shape and dtype."""
    low, high = REAL_BOUNDS[activation]
    if activation is FusedActivation.NONE:
        return values
    return np.clip(values, values.dtype.type(low), values.dtype.type(high))


def integer_bounds(activation: FusedActivation, output: Tensor) -> tuple[int, int]:
    """The integers a fused activation clamps a quantized output to.

    Source: tensorflow/lite/kernels/kernel_util.cc, CalculateActivationRangeQuantized (divides in float32).
    """
    assert output.quantization is not None
    scale, zero_point = np.float32(output.quantization.scale[0]), int(output.quantization.zero_point[0])
    smallest, largest = output.dtype.integer_range
    low, high = REAL_BOUNDS[activation]

    def steps(real: float) -> int:
        return zero_point + int(round_half_away(np.array(real, np.float32) / scale))

    return (
        smallest if np.isinf(low) else max(smallest, steps(low)),
        largest if np.isinf(high) else min(largest, steps(high)),
    )


def saturate(values: np.ndarray, output: Tensor, activation: FusedActivation = FusedActivation.NONE) -> np.ndarray:
    """Clamp int64 `values` to what `output` holds under a fused activation, in the output's numpy type."""
    low, high = integer_bounds(activation, output)
    return np.clip(values, low, high).astype(output.dtype.numpy)
