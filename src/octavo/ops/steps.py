"""Integers as steps from their zero point, and steps as integers again: what element-by-element kernels share."""

from __future__ import annotations

import numpy as np

from octavo.ir.types import Tensor
from octavo.numerics.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from octavo.ops.fused import FusedActivation, saturate
from octavo.ops.spec import Operand


def steps_of(x: Operand) -> np.ndarray:
    """`x - zero_point` in int64."""
    return x.values.astype(np.int64) - x.zero_point


def scale_of(output: Tensor) -> np.float32:
    """The per-tensor scale of a quantized result."""
    assert output.quantization is not None
    return np.float32(output.quantization.scale[0])


def stored(steps: np.ndarray, output: Tensor, activation: FusedActivation = FusedActivation.NONE) -> np.ndarray:
    """Steps of `output` as its integers: the zero point added, clamped to what the type and the activation allow."""
    assert output.quantization is not None
    return saturate(steps + output.quantization.zero_point[0], output, activation)


def multiplied(steps: np.ndarray, real: float) -> np.ndarray:
    """`steps * real` in the fixed point of the kernels; `real` may be negative."""
    scaled = multiply_by_quantized_multiplier(steps, *quantize_multiplier(abs(real)))
    return -scaled if real < 0 else scaled


def rescaled(steps: np.ndarray, x: Operand, output: Tensor, factor: float = 1.0) -> np.ndarray:
    """Steps of x, times `factor`, as steps of `output`; the ratio is computed in float32, as most kernels do."""
    return multiplied(steps, float(np.float32(x.scale[0]) * np.float32(factor) / scale_of(output)))
