"""Options and reference kernels of the arithmetic on two tensors; all of it broadcasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options, Shape, Tensor
from octavo.numerics.fixed_point import Multiplier
from octavo.ops.fused import FusedActivation, Output, clamp_real, output_of
from octavo.ops.limits import LARGEST_FACTOR, LARGEST_STEPS, MARGIN, OutputScales, Scales, largest_real
from octavo.ops.pointwise import from_zero
from octavo.ops.spec import FloatKernel, Kernel

# Bits by which the terms of SQUARED_DIFFERENCE are taken finer.
SQUARED_LEFT_SHIFT = 7


@dataclass(frozen=True, slots=True)
class ArithmeticOptions(Options):
    """What ADD, SUB, MUL and DIV can choose."""

    fused_activation_function: FusedActivation = FusedActivation.NONE


@dataclass(frozen=True, slots=True)
class AddOptions(ArithmeticOptions):
    """Options of ADD; `pot_scale_int16` false lets int16 scales be other than powers of two."""

    table = "AddOptions"
    pot_scale_int16: bool = False


@dataclass(frozen=True, slots=True)
class SubOptions(ArithmeticOptions):
    """Options of SUB; `pot_scale_int16` as in ADD."""

    table = "SubOptions"
    pot_scale_int16: bool = False


@dataclass(frozen=True, slots=True)
class MulOptions(ArithmeticOptions):
    """Options of MUL."""

    table = "MulOptions"


@dataclass(frozen=True, slots=True)
class DivOptions(ArithmeticOptions):
    """Options of DIV."""

    table = "DivOptions"


def broadcast_shape(options: object, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Dimensions are aligned at the last; one of length 1, or missing, stretches."""
    return (np.broadcast_shapes(*(tensor.shape for tensor in inputs)),)


def arithmetic_float(function: Callable[..., np.ndarray]) -> FloatKernel:
    """The float kernel of a numpy function of two arrays and a fused activation."""

    def run(options: ArithmeticOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
        return (clamp_real(function(*inputs), options.fused_activation_function),)

    return run


@dataclass(frozen=True, slots=True)
class SumConstants:
    """What ADD, SUB and SQUARED_DIFFERENCE run with: both terms are scaled to steps of twice the larger scale.

    Attributes:
        input_1_offset, input_2_offset: Added to the integers of the inputs: minus their zero points.
        left_shift_bits: Terms are taken this much finer.
        input_1_multiplier, input_2_multiplier: From steps of an input to common ones; below 0 to subtract.
        output_multiplier: From common steps, or their squares, to steps of the output.
        output: How results are stored.
    """

    input_1_offset: int
    input_2_offset: int
    left_shift_bits: int
    input_1_multiplier: Multiplier
    input_2_multiplier: Multiplier
    output_multiplier: Multiplier
    output: Output

    def total(self, arrays: Inputs[np.ndarray]) -> np.ndarray:
        """The sum in common steps."""
        a, b = from_zero(arrays[0], self.input_1_offset), from_zero(arrays[1], self.input_2_offset)
        first = self.input_1_multiplier.times(a << self.left_shift_bits)
        return first + self.input_2_multiplier.times(b << self.left_shift_bits)


def _sum_constants(a: Tensor, b: Tensor, sign: int, left_shift_bits: int, ratio: float, output: Output) -> SumConstants:
    common = _common_scale(a, b)
    first, second = Multiplier.of(a.scale / common), Multiplier.of(sign * (b.scale / common))
    return SumConstants(-a.zero_point, -b.zero_point, left_shift_bits, first, second, Multiplier.of(ratio), output)


def _common_scale(a: Tensor, b: Tensor) -> float:
    """Twice the larger scale: the sum of two terms in its steps cannot overflow."""
    return 2 * max(a.scale, b.scale)


def sum_scales(largest_factor: float) -> OutputScales:
    """The output scales of ADD and SUB, whose factors must be below 1.

    Args:
        largest_factor: Steps of an int8 output that a step of an input may be at most: XNNPACK's.

    Source: tensorflow/lite/kernels/internal/quantization_util.cc, QuantizeMultiplierSmallerThanOneExp.
    """

    def scales(options: ArithmeticOptions, inputs: Inputs[Tensor]) -> Scales:
        a, b = inputs
        largest = 2.0 ** (_left_shift(a.dtype) - 1)
        factor = largest if a.dtype is DType.INT16 else min(largest, largest_factor)
        return Scales(MARGIN * max(a.scale, b.scale) / factor)

    return scales


def _left_shift(dtype: DType) -> int:
    """Bits by which the terms of ADD and SUB are taken finer."""
    return 15 if dtype is DType.INT16 else 20


def product_scales(options: object, inputs: Inputs[Tensor]) -> Scales:
    """The output scales of MUL; beyond what XNNPACK takes of int8, the kernel that LiteRT takes instead is wrong."""
    a, b = inputs
    reach = largest_real(a) * largest_real(b)
    return Scales(MARGIN * max(a.scale * b.scale / LARGEST_FACTOR[a.dtype], reach / LARGEST_STEPS))


def squared_difference_scales(options: object, inputs: Inputs[Tensor]) -> Scales:
    """The output scales of SQUARED_DIFFERENCE, whose factor must be below 1 in LiteRT."""
    a, b = inputs
    reach = (largest_real(a) + largest_real(b)) ** 2
    return Scales(MARGIN * max(_common_scale(a, b) ** 2 / 2.0 ** (2 * SQUARED_LEFT_SHIFT), reach / LARGEST_STEPS))


def sum_integer(sign: int) -> Kernel[SumConstants]:
    """The integer kernel of ADD (sign 1) or SUB (sign -1).

    Source: tensorflow/lite/kernels/internal/reference/{add,sub}.h and micro/kernels/{add,sub}_common.cc.
    """

    def prepare(options: ArithmeticOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> SumConstants:
        (a, b), (y,) = inputs, outputs
        shift = _left_shift(y.dtype)
        ratio = _common_scale(a, b) / ((1 << shift) * y.scale)
        return _sum_constants(a, b, sign, shift, ratio, output_of(y, options.fused_activation_function))

    def run(constants: SumConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
        return (constants.output.stored(constants.output_multiplier.times(constants.total(arrays))),)

    return Kernel(prepare, run)


def prepare_squared_difference(options: NoOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> SumConstants:
    """The constants of SQUARED_DIFFERENCE."""
    (a, b), (y,), shift = inputs, outputs, SQUARED_LEFT_SHIFT
    common = _common_scale(a, b)
    ratio = common * common / ((1 << (2 * shift)) * y.scale)
    return _sum_constants(a, b, -1, shift, ratio, output_of(y))


def run_squared_difference(constants: SumConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of SQUARED_DIFFERENCE for int8.

    Source: tensorflow/lite/micro/kernels/squared_difference.cc.
    """
    difference = constants.total(arrays)
    return (constants.output.stored(constants.output_multiplier.times(difference * difference)),)


@dataclass(frozen=True, slots=True)
class ProductConstants:
    """What MUL runs with.

    Attributes:
        input_1_offset, input_2_offset: Added to the integers of the inputs: minus their zero points.
        output_multiplier: From products of steps to steps of the output.
        output: How results are stored.
    """

    input_1_offset: int
    input_2_offset: int
    output_multiplier: Multiplier
    output: Output


def prepare_mul(options: MulOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> ProductConstants:
    """The constants of MUL; scales are multiplied in double."""
    (a, b), (y,) = inputs, outputs
    ratio = Multiplier.of(a.scale * b.scale / y.scale)
    return ProductConstants(-a.zero_point, -b.zero_point, ratio, output_of(y, options.fused_activation_function))


def run_mul(constants: ProductConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of MUL.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/mul.h and micro/kernels/mul_common.cc.
    """
    a, b = from_zero(arrays[0], constants.input_1_offset), from_zero(arrays[1], constants.input_2_offset)
    return (constants.output.stored(constants.output_multiplier.times(a * b)),)


SQUARED_DIFFERENCE_KERNEL = Kernel(prepare_squared_difference, run_squared_difference)
MUL_KERNEL = Kernel(prepare_mul, run_mul)
