"""What element-by-element kernels share: numpy functions as float kernels, integers as steps from their zero point."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from octavo.ir.types import Options, Tensor
from octavo.numerics.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from octavo.ops.fused import FusedActivation, saturate
from octavo.ops.spec import FloatKernel, Operand


def applies(function: Callable[..., np.ndarray]) -> FloatKernel:
    """The float kernel of a function of the inputs' arrays."""

    def run(options: Options, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
        return (function(*inputs),)

    return run


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
    """Steps of x, times `factor`, as steps of `output`; the ratio of scales is computed in double."""
    return multiplied(steps, float(x.scale[0]) * float(np.float32(factor)) / float(scale_of(output)))
