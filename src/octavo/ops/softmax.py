"""SOFTMAX, LOG_SOFTMAX: along the last axis, numbers that sum to one, and their logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options, Tensor
from octavo.numerics.fixed_point import Multiplier, rounding_divide_by_power_of_two
from octavo.numerics.lookup import int16_table, look_up_int16, rounded_once
from octavo.numerics.transcendental import (
    INT32_MIN,
    exp_on_negative_values,
    leading_zeros,
    log_of_at_least_one,
    multiply,
    reciprocal,
    rescale,
)
from octavo.ops.activation import same_shape
from octavo.ops.axes import named_axes
from octavo.ops.forms import function_forms, parameter
from octavo.ops.roles import Data, Fixed
from octavo.ops.shape import emit_reshape, emit_transpose
from octavo.ops.spec import Emitter, Example, KerasCall, Kernel, OpSpec
from octavo.ops.version import version_by_type

# Integer bits of differences to the row's maximum (|x| below 32) and of the sum of exponentials (below 4096).
DIFFERENCE_BITS, SUM_BITS = 5, 12
# So many classes, all alike, have a sum of exponentials that kernels do not hold: the int8 one of SOFTMAX divides by
# 2**32 from 512 on (an assertion of gemmlowp's, a result that is wrong where assertions are compiled out), that of
# LOG_SOFTMAX leaves `SUM_BITS`, and the int16 one of SOFTMAX sums 32767 for each in an int32.
SOFTMAX_CLASSES = {DType.INT8: 1 << 9, DType.INT16: (1 << 31) // 32767 + 1}
LOG_SOFTMAX_CLASSES = {DType.INT8: 1 << SUM_BITS}
# Of int8 results of LOG_SOFTMAX, in steps of 1/16, whose zero point is 127.
LOWEST_LOGARITHM = -255 / 16


@dataclass(frozen=True, slots=True)
class SoftmaxOptions(Options):
    """Options of SOFTMAX: `exp(beta * x)`, normalized."""

    table = "SoftmaxOptions"
    beta: float = 1.0


def softmax_float(options: SoftmaxOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """`exp(beta * x) / sum(exp(beta * x))` along the last axis."""
    (x,) = inputs
    exponentials = np.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(options.beta))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True),)


@dataclass(frozen=True, slots=True)
class DifferenceConstants:
    """What the int8 kernels of SOFTMAX and LOG_SOFTMAX run with.

    Attributes:
        input_multiplier: From steps below the row's maximum to fixed point with `DIFFERENCE_BITS` integer bits.
        difference_min: The lowest difference, in steps, whose fixed-point form fits.
    """

    input_multiplier: Multiplier
    difference_min: int

    def apply(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`beta * (x - max)` in steps and in fixed point, and its exponential; 0 beyond `difference_min`."""
        steps = _below_maximum(x)
        near = steps >= self.difference_min
        differences = self.input_multiplier.times(np.where(near, steps, 0))
        return steps, differences, np.where(near, exp_on_negative_values(differences, DIFFERENCE_BITS), 0)


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxInt16Constants:
    """What the int16 kernel of SOFTMAX runs with.

    Attributes:
        input_multiplier: From steps below the row's maximum to 10/65535.
        exp_table: exp(x) for x in [-10, 0], in 1/32768: int64, shape (513,).
        reciprocal_table: 1 / (1 + x) for x in [0, 1], likewise.
    """

    input_multiplier: Multiplier
    exp_table: np.ndarray
    reciprocal_table: np.ndarray


def prepare_softmax(
    options: SoftmaxOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]
) -> DifferenceConstants | SoftmaxInt16Constants:
    """The constants of SOFTMAX."""
    (x,), (y,) = inputs, outputs
    if y.dtype is DType.INT16:
        multiplier = Multiplier.of(x.scale * float(np.float32(options.beta)) / (10 / 65535))
        return SoftmaxInt16Constants(multiplier, _exp_table(), _reciprocal_table())
    return _difference_constants(x.scale, options.beta)


def _difference_constants(scale: float, beta: float) -> DifferenceConstants:
    real = float(np.float32(beta)) * scale * (1 << (31 - DIFFERENCE_BITS))
    multiplier = Multiplier.of(min(real, (1 << 31) - 1.0))
    radius = math.floor(((1 << DIFFERENCE_BITS) - 1) * 2.0 ** (31 - DIFFERENCE_BITS - multiplier.shift_bits))
    return DifferenceConstants(multiplier, -radius)


def run_softmax(
    constants: DifferenceConstants | SoftmaxInt16Constants, arrays: Inputs[np.ndarray]
) -> tuple[np.ndarray, ...]:
    """Integer reference of SOFTMAX.

    Source: tensorflow/lite/kernels/internal/reference/softmax.h and micro/kernels/softmax_common.cc.
    """
    if isinstance(constants, SoftmaxInt16Constants):
        return (_softmax_int16(constants, arrays[0]),)
    _, _, exponentials = constants.apply(arrays[0])
    share, bits = reciprocal(_sum_q12(exponentials), SUM_BITS)
    steps = rounding_divide_by_power_of_two(multiply(share, exponentials), bits + 31 - 8)
    return (np.clip(steps - 128, -128, 127).astype(np.int8),)


def _below_maximum(x: np.ndarray) -> np.ndarray:
    return x.astype(np.int64) - x.max(axis=-1, keepdims=True)


def _sum_q12(exponentials: np.ndarray) -> np.ndarray:
    """The row's sum, with `SUM_BITS` integer bits."""
    return rescale(exponentials, -SUM_BITS).sum(axis=-1, keepdims=True)


def _softmax_int16(constants: SoftmaxInt16Constants, x: np.ndarray) -> np.ndarray:
    """exp and 1 / (1 + x) by interpolated tables; exponentials below exp(-10) count as that."""
    scaled = constants.input_multiplier.times(_below_maximum(x))
    exponentials = look_up_int16(np.clip(scaled + 32767, -32768, 32767), constants.exp_table)
    sums = exponentials.sum(axis=-1, keepdims=True)
    headroom = leading_zeros(sums)
    fraction = ((sums << (headroom - 1)) + (1 << 13)) >> 14
    share = look_up_int16(np.clip(fraction - (1 << 15) - (1 << 16), -32768, 32767), constants.reciprocal_table)
    shift = 31 - headroom
    return np.clip((exponentials * share + (1 << (shift - 1))) >> shift, 0, 32767).astype(np.int16)


@cache
def _exp_table() -> np.ndarray:
    """exp(x) for x in [-10, 0], in 1/32768."""
    step = np.float32(10) / np.float32(65535)
    return int16_table(rounded_once(np.exp), step * np.float32(-65535), 0.0, np.float32(2) / np.float32(65535))


@cache
def _reciprocal_table() -> np.ndarray:
    """1 / (1 + x) for x in [0, 1], in 1/32768."""
    step = np.float32(1) / np.float32(65535)
    return int16_table(
        lambda x: np.float32(1) / (np.float32(1) + x),
        0.0,
        step * np.float32(65535),
        np.float32(2) / np.float32(65535),
    )


def log_softmax_float(options: Options, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """`log(softmax(x))` along the last axis."""
    (x,) = inputs
    differences = x - x.max(axis=-1, keepdims=True)
    return (differences - np.log(np.exp(differences).sum(axis=-1, keepdims=True)),)


@dataclass(frozen=True, slots=True)
class LogSoftmaxConstants(DifferenceConstants):
    """What LOG_SOFTMAX runs with.

    Attributes:
        inverse_multiplier: From fixed point back to steps.
    """

    inverse_multiplier: Multiplier


def prepare_log_softmax(options: Options, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> LogSoftmaxConstants:
    """The constants of LOG_SOFTMAX."""
    differences = _difference_constants(inputs[0].scale, 1.0)
    multiplier = differences.input_multiplier
    inverse = Multiplier.of((1 << (31 - multiplier.shift_bits)) / multiplier.multiplier_q31)
    return LogSoftmaxConstants(multiplier, differences.difference_min, inverse)


def run_log_softmax(constants: LogSoftmaxConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of LOG_SOFTMAX.

    Source: tensorflow/lite/kernels/internal/reference/log_softmax.h and micro/kernels/log_softmax.cc.
    """
    steps, differences, exponentials = constants.apply(arrays[0])
    logs = log_of_at_least_one(_sum_q12(exponentials), SUM_BITS, DIFFERENCE_BITS)
    lowest = constants.inverse_multiplier.times(logs + INT32_MIN)
    representable = steps > np.maximum(lowest, constants.difference_min - 1)
    results = rounding_divide_by_power_of_two(differences - logs, 31 - DIFFERENCE_BITS - 4) + 127
    return (np.where(representable, np.clip(results, -128, 127), -128).astype(np.int8),)


def crowded(classes: Mapping[DType, int]) -> Callable[[Options, Inputs[Tensor], DType], str]:
    """The hazard of kernels that do not hold the sum of exponentials of so many classes.

    The sum is the number of classes where all are alike, which no ranges and no samples rule out.
    """

    def hazard(options: Options, inputs: Inputs[Tensor], dtype: DType) -> str:
        (x,) = inputs
        limit = classes.get(dtype)
        if limit is None or x.shape[-1] < limit:
            return ""
        return f"{dtype.value} kernels end, or answer wrongly, on an input that makes {limit} classes alike"

    return hazard


def lower_softmax(b: Emitter, call: KerasCall) -> str:
    """keras.layers.Softmax, keras.activations.softmax and keras.ops.softmax, along one axis or several."""
    return _along_axis(b, call, "SOFTMAX", SoftmaxOptions())


def lower_log_softmax(b: Emitter, call: KerasCall) -> str:
    """keras.activations.log_softmax and keras.ops.log_softmax, along one axis or several."""
    return _along_axis(b, call, "LOG_SOFTMAX", NoOptions())


def _along_axis(b: Emitter, call: KerasCall, op: str, options: Options) -> str:
    """The operator works on the last axis; others are moved there, several into one, and back."""
    name, shape, axis = call.inputs[0], b.shape(call.inputs[0]), parameter(call, "axis")
    axes, rank = named_axes(len(shape), axis), len(shape)
    if axes == (rank - 1,):
        return b.emit(op, [name], options)
    if len(axes) == 1:
        exchange = list(range(rank))
        exchange[axes[0]], exchange[rank - 1] = rank - 1, axes[0]
        moved = b.emit(op, [emit_transpose(b, name, exchange, suffix="axis_last")], options, suffix="along_last_axis")
        return emit_transpose(b, moved, exchange, suffix="")
    order = [*(i for i in range(rank) if i not in axes), *axes]
    last = emit_transpose(b, name, order, suffix="axes_last")
    row = emit_reshape(b, last, (*b.shape(last)[: rank - len(axes)], -1), suffix="row")
    shares = b.emit(op, [row], options, suffix="along_last_axis")
    laid_out = emit_reshape(b, shares, b.shape(last), suffix="laid_out")
    return emit_transpose(b, laid_out, np.argsort(order).tolist(), suffix="")


SOFTMAX = OpSpec(
    name="SOFTMAX",
    options=SoftmaxOptions,
    # PreprocessSoftmaxScaling checks that the multiplier, scale * 2**26 for int8, is above 1; beta is 1 in all files.
    # exp(-12) is a fifth of a step of int16.
    # Differences in int16, in units of 10/65535, are shifted within 32 bits; exp(-104) is less than float32 holds.
    inputs=(Data(2.0**-25, {DType.INT16: 2.5}, flat_below=104.0, nothing_below=12.0),),
    outputs=(Fixed({DType.INT8: (1 / 256, -128), DType.INT16: (1 / 32768, 0)}),),
    shapes=same_shape,
    bounds=(0.0, 1.0),
    training=lambda ops: lambda x, beta: ops.softmax(x * beta),
    run_float=softmax_float,
    integer=Kernel(prepare_softmax, run_softmax),
    hazard=crowded(SOFTMAX_CLASSES),
    version=version_by_type(int8=2, int16=3),
    exact=False,
    keras={
        **function_forms("softmax", "Softmax", lower_softmax),
    },
    examples=(
        Example(((1, 10),), options=SoftmaxOptions(), low=-8.0, high=8.0),
        Example(((1, 4, 5, 30),), options=SoftmaxOptions(), low=-1.0, high=2.0),
        Example(((1, 1000),), options=SoftmaxOptions(0.5), low=-30.0, high=20.0),
    ),
)

LOG_SOFTMAX = OpSpec(
    name="LOG_SOFTMAX",
    # LiteRT subtracts inputs in steps of the output, 1/16, in float32: half of one is left of 127 steps of this scale.
    inputs=(Data(largest_scale={DType.INT8: 2.0**11}),),
    outputs=(Fixed({DType.INT8: (16 / 256, 127)}),),
    shapes=same_shape,
    bounds=(-math.inf, 0.0),
    training=lambda ops: ops.log_softmax,
    run_float=log_softmax_float,
    integer=Kernel(prepare_log_softmax, run_log_softmax),
    hazard=crowded(LOG_SOFTMAX_CLASSES),
    activations=frozenset({DType.INT8}),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=version_by_type(int8=2, int16=2),
    keras=function_forms("log_softmax", "LogSoftmax", lower_log_softmax),
    examples=(
        Example(((1, 10),), low=-8.0, high=8.0),
        Example(((1, 4, 5, 30),), low=-1.0, high=2.0),
        Example(((1, 1000),), low=-30.0, high=20.0),
    ),
)

SPECS = (SOFTMAX, LOG_SOFTMAX)
