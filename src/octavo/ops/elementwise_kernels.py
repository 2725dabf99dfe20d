"""Options and reference kernels of the arithmetic on two tensors; all of it broadcasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import NoOptions, Options, Shape, Tensor
from octavo.ops.fused import FusedActivation, clamp_real
from octavo.ops.spec import FloatKernel, IntegerKernel, Operand
from octavo.ops.steps import multiplied, scale_of, steps_of, stored


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


def broadcast_shape(options: object, inputs: Sequence[Tensor | None]) -> tuple[Shape, ...]:
    """Dimensions are aligned at the last; one of length 1, or missing, stretches."""
    return (np.broadcast_shapes(*(tensor.shape for tensor in inputs if tensor is not None)),)


def arithmetic_float(function: Callable[..., np.ndarray]) -> FloatKernel:
    """The float kernel of a numpy function of two arrays and a fused activation."""

    def run(options: ArithmeticOptions, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
        return (clamp_real(function(*inputs), options.fused_activation_function),)

    return run


def sum_integer(sign: int) -> IntegerKernel:
    """The integer kernel of ADD (sign 1) or SUB (sign -1): both terms are scaled to steps of twice the larger scale.

    Source: tensorflow/lite/kernels/internal/reference/{add,sub}.h and micro/kernels/{add,sub}_common.cc.
    """

    def run(
        options: ArithmeticOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
    ) -> tuple[np.ndarray, ...]:
        (a, b), (y,) = inputs, outputs
        assert a is not None
        assert b is not None
        extra_bits = 15 if y.dtype is DType.INT16 else 20
        common = _common_scale(a, b)
        total = _aligned(a, common, extra_bits) + sign * _aligned(b, common, extra_bits)
        ratio = common / ((1 << extra_bits) * float(scale_of(y)))
        return (stored(multiplied(total, ratio), y, options.fused_activation_function),)

    return run


def squared_difference_integer(
    options: NoOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of SQUARED_DIFFERENCE for int8.

    Source: tensorflow/lite/micro/kernels/squared_difference.cc.
    """
    (a, b), (y,) = inputs, outputs
    assert a is not None
    assert b is not None
    extra_bits = 7
    common = _common_scale(a, b)
    difference = _aligned(a, common, extra_bits) - _aligned(b, common, extra_bits)
    ratio = common * common / ((1 << (2 * extra_bits)) * float(scale_of(y)))
    return (stored(multiplied(difference * difference, ratio), y),)


def _common_scale(a: Operand, b: Operand) -> float:
    """Twice the larger scale: the sum of two terms in its steps cannot overflow."""
    return 2 * float(max(a.scale[0], b.scale[0]))


def _aligned(x: Operand, common_scale: float, extra_bits: int) -> np.ndarray:
    """Steps of x as steps of the common scale, `extra_bits` finer."""
    return multiplied(steps_of(x) << extra_bits, float(x.scale[0]) / common_scale)


def mul_integer(
    options: MulOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of MUL; scales are multiplied in double.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/mul.h and micro/kernels/mul_common.cc.
    """
    (a, b), (y,) = inputs, outputs
    assert a is not None
    assert b is not None
    ratio = float(a.scale[0]) * float(b.scale[0]) / float(scale_of(y))
    return (stored(multiplied(steps_of(a) * steps_of(b), ratio), y, options.fused_activation_function),)
