"""Activations that kernels apply to their own output, and the clamp that stands for them on integers."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Options, Tensor
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


def activation_of(options: Options) -> FusedActivation:
    """The activation that a kernel applies to its own output; NONE for a field of that name that means another."""
    activation = getattr(options, "fused_activation_function", None)
    return activation if isinstance(activation, FusedActivation) else FusedActivation.NONE


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
    scale, zero_point = np.float32(output.scale), output.zero_point
    smallest, largest = output.dtype.integer_range
    low, high = REAL_BOUNDS[activation]

    def steps(real: float) -> int:
        return zero_point + int(round_half_away(np.array(real, np.float32) / scale))

    return (
        smallest if np.isinf(low) else max(smallest, steps(low)),
        largest if np.isinf(high) else min(largest, steps(high)),
    )


@dataclass(frozen=True, slots=True)
class Clamp:
    """What an output holds under a fused activation.

    Attributes:
        low, high: Smallest and largest integer, zero point included.
        dtype: Of the output.
    """

    low: int
    high: int
    dtype: DType

    def clamped(self, values: np.ndarray) -> np.ndarray:
        """The int64 `values` within the bounds, in the output's numpy type."""
        return np.clip(values, self.low, self.high).astype(self.dtype.numpy)


@dataclass(frozen=True, slots=True)
class Output(Clamp):
    """How a kernel stores its results, which it computes in steps of the output's scale.

    Attributes:
        output_zero_point: Added before the clamp.
    """

    output_zero_point: int

    def stored(self, steps: np.ndarray) -> np.ndarray:
        """`clamp(steps + output_zero_point)` in the output's numpy type."""
        return self.clamped(steps + self.output_zero_point)


def output_of(tensor: Tensor, activation: FusedActivation = FusedActivation.NONE) -> Output:
    """How a quantized tensor is stored under a fused activation."""
    return Output(*integer_bounds(activation, tensor), tensor.dtype, tensor.zero_point)
