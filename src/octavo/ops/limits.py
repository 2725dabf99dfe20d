"""The scales that integer kernels hold: beyond them they abort, wrap or answer wrongly in one runtime or another.

A kernel multiplies what it has summed by a fixed-point factor, and shifts it left first where that factor is above 1.
So the smallest scale of an output follows from the scales of the inputs: its row states it as a function of them. Such
an output is finer than the rounding of the inputs by far, and loses nothing where its range is widened.

Source: tensorflow/lite/kernels/internal/common.cc, MultiplyByQuantizedMultiplier; quantization_util.cc; and, where a
runtime demands more, what it says of single operators (`tests/tflite/test_scale_limits.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Tensor
from octavo.numerics.affine import representable

# In steps of the output, the largest value that a kernel multiplies: a factor is up to half of the shift it takes.
LARGEST_STEPS = 2.0**30
# Kernels compare factors in floating point, some in float32.
MARGIN = 1.0 + 2.0**-20
# How far float32 moves a number of 16 bits, in steps, at most; twice as far to be sure. MARGIN moves it farther.
FLOAT32_STEPS = 2.0**-8
# Steps of the input away from its zero point.
SPAN = {DType.INT8: 255, DType.INT16: 32768}
# Sums of products stay below it, by the type of the activations: int32, and what the rescaling of int64 holds.
INT32_SUM = 2.0**31
LARGEST_SUM = {DType.INT8: INT32_SUM, DType.INT16: 2.0**47}
# XNNPACK sums products with int4 weights, and their biases, this many times as large.
INT4_FACTOR = 16
# Output steps that a product of an input's and a weight's step is at most: XNNPACK's, and that of 64-bit rescaling.
LARGEST_FACTOR = {DType.INT8: 256.0, DType.INT16: 128.0}


@dataclass(frozen=True, slots=True)
class Scales:
    """The scales of an output that an operator's kernels hold.

    Attributes:
        smallest: They abort, wrap or are refused below it.
        largest: A wider range only takes steps away from values that the input's own steps can tell apart.
        product: What is divided by the scale in 16 bits, where some kernels round it to float32 before; else 0.
    """

    smallest: float = 0.0
    largest: float = math.inf
    product: float = 0.0

    def is_on_tie(self, scale: float) -> bool:
        """Whether kernels may round the quotient of `product` and a scale differently: one step of 16 bits apart."""
        steps = math.frexp(self.product / scale)[0] * 2.0**15
        return abs(steps % 1.0 - 0.5) < FLOAT32_STEPS


OutputScales = Callable[[Any, Inputs[Tensor]], Scales]
"""The scales of the first output, from an operator's options and its inputs with their parameters.

Constant weights and biases may still be real; their parameters are then those they will have.
"""


def largest_real(tensor: Tensor) -> float:
    """The largest magnitude that a quantized tensor can stand for."""
    return max(abs(end) for end in representable(tensor.parameters, tensor.dtype))


def counted(reach: float) -> Scales:
    """The scales in whose steps kernels can count up to `reach`, a real number."""
    return Scales(reach / LARGEST_STEPS)


def rescaled(options: Any, inputs: Inputs[Tensor]) -> Scales:
    """Of what only rescales its input, or less."""
    return counted(largest_real(inputs[0]))


def weighted(axis: int, *, data: int = 0, weight: int = 1, bias: int = 2) -> OutputScales:
    """Of sums of products with weights whose output channels run along `axis`."""

    def scales(options: Any, inputs: Inputs[Tensor]) -> Scales:
        x, weights = inputs[data], inputs[weight]
        factors = x.scale * weights.parameters.scale.astype(np.float64)
        reach = largest_real(x) * magnitudes(weights, axis) + reals(inputs.get(bias))
        return Scales(MARGIN * max(float(factors.max()) / LARGEST_FACTOR[x.dtype], float(reach.max()) / LARGEST_STEPS))

    return scales


def product_of_matrices(terms: Callable[[Any, Tensor], int]) -> OutputScales:
    """Of sums of products of two activations; `terms` says how many, given options and the first of them."""

    def scales(options: Any, inputs: Inputs[Tensor]) -> Scales:
        x, y = inputs
        reach, product = terms(options, x) * largest_real(x) * largest_real(y), x.scale * y.scale
        smallest = MARGIN * max(product / LARGEST_FACTOR[x.dtype], reach / LARGEST_STEPS)
        return Scales(smallest, product=product if x.dtype is DType.INT16 else 0.0)

    return scales


def largest_sum(activations: DType, weights: DType) -> float:
    """What sums of products of these types, biases included, stay below, in steps."""
    return LARGEST_SUM[activations] / (INT4_FACTOR if weights is DType.INT4 else 1)


def overflow(reached: float, held: float) -> str:
    """Why sums that reach so many steps cannot be computed in an accumulator that holds others; "" if they can."""
    return "" if reached < held else f"its sums reach {reached:.3g} steps, its kernels hold {held:.3g}"


def overflowing(axis: int, *, data: int = 0, weight: int = 1, bias: int = 2) -> Callable[[Any, Inputs[Tensor]], str]:
    """The obstacle of weights that are too many or too large for the accumulator, once they are integers.

    int4 has so few steps that no scale of theirs may be coarser: the largest weights count.
    """

    def obstacle(options: Any, inputs: Inputs[Tensor]) -> str:
        x, weights, offset = inputs[data], inputs[weight], inputs.get(bias)
        if weights.data is None:
            return ""
        if weights.dtype is DType.INT4:
            most = weights.size / weights.shape[axis] * SPAN[x.dtype] * DType.INT4.integer_range[1]
            return overflow(most, largest_sum(x.dtype, weights.dtype))
        step = x.scale * weights.parameters.scale.astype(np.float64)
        steps = magnitudes(weights, axis) / weights.parameters.scale * SPAN[x.dtype] + reals(offset) / step
        return overflow(float(steps.max()), largest_sum(x.dtype, weights.dtype))

    return obstacle


def magnitudes(weights: Tensor, axis: int) -> np.ndarray:
    """The sum of |weights| of each output channel, in reals, float64."""
    channels = weights.shape[axis]
    if weights.data is None:
        return np.full(channels, weights.size / channels * largest_real(weights))
    others = tuple(other for other in range(weights.data.ndim) if other != axis)
    sums = np.abs(weights.data).sum(axis=others, dtype=np.float64)
    return sums if weights.dtype.is_float else sums * weights.parameters.scale.astype(np.float64)


def reals(bias: Tensor | None) -> np.ndarray:
    """|bias| in reals, float64; 0 where there is none."""
    if bias is None or bias.data is None:
        return np.zeros(1)
    values = np.abs(bias.data.astype(np.float64))
    return values if bias.dtype.is_float else values * bias.parameters.scale.astype(np.float64)
