"""SOFTMAX, LOG_SOFTMAX: along the last axis, numbers that sum to one, and their logarithms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import NoOptions, Options, Tensor
from octavo.numerics.fixed_point import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_power_of_two,
)
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
from octavo.ops.forms import function_forms, layer_form, parameter
from octavo.ops.refuse import refuse
from octavo.ops.roles import Data, Fixed
from octavo.ops.shape import emit_transpose
from octavo.ops.spec import Emitter, Example, KerasCall, Operand, OpSpec
from octavo.ops.version import version_by_type

# Integer bits of differences to the row's maximum (|x| below 32) and of the sum of exponentials (below 4096).
DIFFERENCE_BITS, SUM_BITS = 5, 12


@dataclass(frozen=True, slots=True)
class SoftmaxOptions(Options):
    """Options of SOFTMAX: `exp(beta * x)`, normalized."""

    table = "SoftmaxOptions"
    beta: float = 1.0


def softmax_float(options: SoftmaxOptions, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """`exp(beta * x) / sum(exp(beta * x))` along the last axis."""
    x = inputs[0]
    assert x is not None
    exponentials = np.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(options.beta))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True),)


def softmax_integer(
    options: SoftmaxOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of SOFTMAX.

    Source: tensorflow/lite/kernels/internal/reference/softmax.h and micro/kernels/softmax_common.cc.
    """
    (x,), (y,) = inputs, outputs
    assert x is not None
    if y.dtype is DType.INT16:
        return (_softmax_int16(options, x),)
    differences, near = _differences(x, options.beta)
    exponentials = np.where(near, exp_on_negative_values(differences, DIFFERENCE_BITS), 0)
    sums = rescale(exponentials, -SUM_BITS).sum(axis=-1, keepdims=True)
    share, bits = reciprocal(sums, SUM_BITS)
    steps = rounding_divide_by_power_of_two(multiply(share, exponentials), bits + 31 - 8)
    return (np.clip(steps - 128, -128, 127).astype(np.int8),)


def _differences(x: Operand, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """`beta * (x - max)` in fixed point, and where it is large enough for an exponential."""
    steps = x.values.astype(np.int64) - x.values.max(axis=-1, keepdims=True)
    multiplier, shift = _difference_multiplier(x, beta)
    near = steps >= -_radius(shift)
    return multiply_by_quantized_multiplier(np.where(near, steps, 0), multiplier, shift), near


def _difference_multiplier(x: Operand, beta: float) -> tuple[int, int]:
    real = float(np.float32(beta)) * float(x.scale[0]) * (1 << (31 - DIFFERENCE_BITS))
    return quantize_multiplier(min(real, (1 << 31) - 1.0))


def _radius(shift: int) -> int:
    """Steps whose fixed-point form just fits."""
    return math.floor(((1 << DIFFERENCE_BITS) - 1) * 2.0 ** (31 - DIFFERENCE_BITS - shift))


def _softmax_int16(options: SoftmaxOptions, x: Operand) -> np.ndarray:
    """exp and 1 / (1 + x) by interpolated tables; exponentials below exp(-10) count as that."""
    steps = x.values.astype(np.int64) - x.values.max(axis=-1, keepdims=True)
    real = float(x.scale[0]) * float(np.float32(options.beta)) / (10 / 65535)
    scaled = multiply_by_quantized_multiplier(steps, *quantize_multiplier(real))
    exponentials = look_up_int16(np.clip(scaled + 32767, -32768, 32767), _exp_table())
    sums = exponentials.sum(axis=-1, keepdims=True)
    headroom = leading_zeros(sums)
    fraction = ((sums << (headroom - 1)) + (1 << 13)) >> 14
    share = look_up_int16(np.clip(fraction - (1 << 15) - (1 << 16), -32768, 32767), _reciprocal_table())
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


def log_softmax_float(options: Options, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """`log(softmax(x))` along the last axis."""
    x = inputs[0]
    assert x is not None
    differences = x - x.max(axis=-1, keepdims=True)
    return (differences - np.log(np.exp(differences).sum(axis=-1, keepdims=True)),)


def log_softmax_integer(
    options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of LOG_SOFTMAX.

    Source: tensorflow/lite/kernels/internal/reference/log_softmax.h and micro/kernels/log_softmax.cc.
    """
    (x,) = inputs
    assert x is not None
    differences, near = _differences(x, 1.0)
    exponentials = np.where(near, exp_on_negative_values(differences, DIFFERENCE_BITS), 0)
    sums = rescale(exponentials, -SUM_BITS).sum(axis=-1, keepdims=True)
    logs = log_of_at_least_one(sums, SUM_BITS, DIFFERENCE_BITS)
    multiplier, shift = _difference_multiplier(x, 1.0)
    inverse, inverse_shift = quantize_multiplier((1 << (31 - shift)) / multiplier)
    lowest = multiply_by_quantized_multiplier(logs + INT32_MIN, inverse, inverse_shift)
    steps = x.values.astype(np.int64) - x.values.max(axis=-1, keepdims=True)
    representable = near & (steps > np.maximum(lowest, -_radius(shift) - 1))
    results = rounding_divide_by_power_of_two(differences - logs, 31 - DIFFERENCE_BITS - 4) + 127
    return (np.where(representable, np.clip(results, -128, 127), -128).astype(np.int8),)


def lower_softmax(b: Emitter, call: KerasCall) -> str:
    """keras.layers.Softmax, keras.activations.softmax and keras.ops.softmax, along any one axis but the batch's."""
    return _along_axis(b, call, "SOFTMAX", SoftmaxOptions())


def lower_log_softmax(b: Emitter, call: KerasCall) -> str:
    """keras.activations.log_softmax and keras.ops.log_softmax, along any one axis but the batch's."""
    return _along_axis(b, call, "LOG_SOFTMAX", NoOptions())


def _along_axis(b: Emitter, call: KerasCall, op: str, options: Options) -> str:
    """The operator works on the last axis; another changes places with it before and after."""
    name, rank, axis = call.inputs[0], len(b.shape(call.inputs[0])), parameter(call, "axis")
    axes = list(axis) if isinstance(axis, (tuple, list)) else [axis]
    if len(axes) != 1 or axes[0] is None or axes[0] % rank == 0:
        raise refuse(
            call.operation,
            got=f"axis={axis}",
            expected="one axis, and not the batch's",
            fix="reshape the axes into one with keras.layers.Reshape, and use axis=-1",
        )
    last = rank - 1
    if axes[0] % rank == last:
        return b.emit(op, [name], options)
    exchange = list(range(rank))
    exchange[axes[0] % rank], exchange[last] = last, axes[0] % rank
    moved = b.emit(op, [emit_transpose(b, name, exchange, suffix="axis_last")], options, suffix="along_last_axis")
    return emit_transpose(b, moved, exchange, suffix="")


SOFTMAX = OpSpec(
    name="SOFTMAX",
    options=SoftmaxOptions,
    # PreprocessSoftmaxScaling checks that the multiplier, scale * 2**26 for int8, is above 1; beta is 1 in all files.
    inputs=(Data(smallest_scale=2.0**-25),),
    outputs=(Fixed({DType.INT8: (1 / 256, -128), DType.INT16: (1 / 32768, 0)}),),
    shapes=same_shape,
    bounds=(0.0, 1.0),
    training=lambda ops: lambda x, beta: ops.softmax(x * beta),
    run_float=softmax_float,
    run_integer=softmax_integer,
    version=version_by_type(int8=2, int16=3),
    exact=False,
    keras={
        **function_forms("softmax", "Softmax", lower_softmax),
        "layers.Softmax": layer_form(lower_softmax, lambda keras: keras.layers.Softmax(axis=1)),
    },
    examples=(
        Example(((1, 10),), options=SoftmaxOptions(), low=-8.0, high=8.0),
        Example(((1, 4, 5, 30),), options=SoftmaxOptions(), low=-1.0, high=2.0),
        Example(((1, 1000),), options=SoftmaxOptions(0.5), low=-30.0, high=20.0),
    ),
)

LOG_SOFTMAX = OpSpec(
    name="LOG_SOFTMAX",
    outputs=(Fixed({DType.INT8: (16 / 256, 127)}),),
    shapes=same_shape,
    bounds=(-math.inf, 0.0),
    training=lambda ops: ops.log_softmax,
    run_float=log_softmax_float,
    run_integer=log_softmax_integer,
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
