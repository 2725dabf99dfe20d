"""Options and reference kernels of the arithmetic on two tensors; all of it broadcasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import NoOptions, Options, Shape, Tensor
from octavo.ops.fused import FusedActivation, clamp_real
from octavo.ops.spec import FloatKernel, Operand
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


def pairwise_float(function: Callable[..., np.ndarray]) -> FloatKernel:
    """The float kernel of a numpy function of two arrays."""

    def run(options: NoOptions, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
        return (function(*inputs),)

    return run


def add_integer(
    options: AddOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of ADD: both terms in steps of twice the larger scale; ratios of scales in double.

    Source: tensorflow/lite/kernels/internal/reference/add.h and micro/kernels/add_common.cc.
    """
    (a, b), (y,) = inputs, outputs
    assert a is not None
    assert b is not None
    extra_bits = _extra_bits(y)
    common = 2 * float(max(a.scale[0], b.scale[0]))
    total = _aligned(a, float(a.scale[0]) / common, extra_bits) + _aligned(b, float(b.scale[0]) / common, extra_bits)
    ratio = common / ((1 << extra_bits) * float(scale_of(y)))
    return (stored(multiplied(total, ratio), y, options.fused_activation_function),)


def sub_integer(
    options: SubOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of SUB: as ADD, but with ratios of scales in float32.

    Source: tensorflow/lite/kernels/internal/reference/sub.h and micro/kernels/sub_common.cc.
    """
    (a, b), (y,) = inputs, outputs
    assert a is not None
    assert b is not None
    extra_bits = _extra_bits(y)
    common = np.float32(2) * max(a.scale[0], b.scale[0])
    total = _aligned(a, a.scale[0] / common, extra_bits) - _aligned(b, b.scale[0] / common, extra_bits)
    ratio = common / (np.float32(1 << extra_bits) * scale_of(y))
    return (stored(multiplied(total, float(ratio)), y, options.fused_activation_function),)


def squared_difference_integer(
    options: NoOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of SQUARED_DIFFERENCE.

    Source: tensorflow/lite/micro/kernels/squared_difference.cc.
    """
    (a, b), (y,) = inputs, outputs
    assert a is not None
    assert b is not None
    extra_bits = 0 if y.dtype is DType.INT16 else 7
    common = 2 * float(max(a.scale[0], b.scale[0]))
    difference = _aligned(a, float(a.scale[0]) / common, extra_bits) - _aligned(
        b, float(b.scale[0]) / common, extra_bits
    )
    ratio = common * common / float(np.float32(1 << (2 * extra_bits)) * scale_of(y))
    return (stored(multiplied(difference * difference, ratio), y),)


def _extra_bits(y: Tensor) -> int:
    """Bits by which terms are shifted left before they are scaled."""
    return 15 if y.dtype is DType.INT16 else 20


def _aligned(x: Operand, ratio: float | np.float32, extra_bits: int) -> np.ndarray:
    """Steps of x in steps of the common scale, shifted left."""
    return multiplied(steps_of(x) << extra_bits, float(ratio))


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
