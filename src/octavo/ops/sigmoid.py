"""LOGISTIC, TANH, HARD_SWISH: smooth steps and gates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Options, Tensor
from octavo.numerics.fixed_point import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_power_of_two,
)
from octavo.numerics.lookup import sigmoid_table
from octavo.numerics.transcendental import logistic, tanh
from octavo.ops.activation import same_shape
from octavo.ops.forms import emits, function_forms
from octavo.ops.roles import Data, Fixed
from octavo.ops.spec import Example, Operand, OpSpec
from octavo.ops.steps import applies, scale_of, steps_of, stored
from octavo.ops.version import version_by_type

# Integer bits of the fixed-point argument of the int8 kernels: |x| below 16.
INPUT_BITS = 4


def logistic_float(options: Options, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """`1 / (1 + exp(-x))`."""
    x = inputs[0]
    assert x is not None
    with np.errstate(over="ignore"):
        return (np.float32(1) / (np.float32(1) + np.exp(-x)),)


def logistic_integer(
    options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of LOGISTIC.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h and micro/kernels/logistic_common.cc.
    """
    (x,), (y,) = inputs, outputs
    assert x is not None
    if y.dtype is DType.INT16:
        positions = _table_positions(x, doubled=False)
        upper = _interpolated(positions, bits=9, limit=0x7FFF << 10)
        return ((np.where(positions >= 0, upper + 512, (1 << 25) - upper + 511) >> 10).astype(np.int16),)
    raw, radius = _fixed_point(x)
    steps = rounding_divide_by_power_of_two(logistic(raw, INPUT_BITS), 31 - 8)
    return (stored(_beyond(steps_of(x), radius, steps, 0, 255), y),)


def tanh_integer(
    options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of TANH; for int16, `tanh(x) = 2 logistic(2 x) - 1` on the logistic function's table.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h and micro/kernels/tanh.cc.
    """
    (x,), (y,) = inputs, outputs
    assert x is not None
    if y.dtype is DType.INT16:
        positions = _table_positions(x, doubled=True)
        upper = _interpolated(positions, bits=8, limit=0xFFFF << 8)
        half = 1 << 23
        return ((np.where(positions >= 0, upper - half + 128, half - upper + 127) >> 8).astype(np.int16),)
    raw, radius = _fixed_point(x)
    steps = rounding_divide_by_power_of_two(tanh(raw, INPUT_BITS), 31 - 7)
    return (stored(_beyond(steps_of(x), radius, steps, -128, 127), y),)


def _fixed_point(x: Operand) -> tuple[np.ndarray, int]:
    """x in fixed point, and the number of steps beyond which it does not fit and the function is at its limit."""
    multiplier, shift = quantize_multiplier(float(x.scale[0]) * (1 << (31 - INPUT_BITS)))
    radius = math.floor(((1 << INPUT_BITS) - 1) * 2.0 ** (31 - INPUT_BITS - shift))
    return multiply_by_quantized_multiplier(np.clip(steps_of(x), -radius, radius), multiplier, shift), radius


def _beyond(steps: np.ndarray, radius: int, within: np.ndarray, low: int, high: int) -> np.ndarray:
    """`low` and `high` where the argument is `radius` steps or more away from 0, else `within`."""
    return np.where(steps <= -radius, low, np.where(steps >= radius, high, within))


def _table_positions(x: Operand, *, doubled: bool) -> np.ndarray:
    """An int16 argument in units of 1/12288, 1/24 of which are a whole entry of the table."""
    log2 = math.log2(float(x.scale[0]))
    power = 12 + round(log2)
    if abs(log2 - round(log2)) < 1e-3 and power in ((0, 1) if doubled else (0,)):
        return steps_of(x) * (3 << power)
    multiplier, shift = float(x.scale[0]) * 4096 * 3, 0
    while multiplier <= 32767 / 2 and shift <= 30:
        multiplier, shift = multiplier * 2, shift + 1
    return (steps_of(x) * int(multiplier) + ((1 << shift) >> 1)) >> shift


def _interpolated(positions: np.ndarray, bits: int, limit: int) -> np.ndarray:
    """The table at |position|, `bits` of which lie between entries, in 2**-bits of its unit; `limit` past its end."""
    table = sigmoid_table()
    index, fraction = np.abs(positions) >> bits, np.abs(positions) & ((1 << bits) - 1)
    low, high = table[np.minimum(index, 254)], table[np.minimum(index, 254) + 1]
    return np.where(index >= 255, limit, (low << bits) + fraction * (high - low))


def hard_swish_float(options: Options, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """`x * clip(x + 3, 0, 6) / 6`."""
    x = inputs[0]
    assert x is not None
    return (x * np.clip(x + np.float32(3), np.float32(0), np.float32(6)) / np.float32(6),)


def hard_swish_integer(
    options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of HARD_SWISH: 16-bit products of x and of `clip(x / 6 + 1/2, 0, 1)`.

    Source: tensorflow/lite/kernels/internal/reference/hard_swish.h and micro/kernels/hard_swish_common.cc.
    """
    (x,), (y,) = inputs, outputs
    assert x is not None
    fine_scale = np.float32(1 / 128) * np.float32(x.scale[0])
    multiplier, shift = _multiplier_q15(fine_scale / scale_of(y))
    fine_steps = steps_of(x) << 7
    numerator = _rounding_product_q15(fine_steps, multiplier)
    gate = _gate_q15(fine_steps, *_multiplier_q15(fine_scale / np.float32(3 / 32768)))
    product = gate * numerator
    # C divides toward zero where an arithmetic shift would floor.
    truncated = np.sign(product) * (np.abs(product) >> 15)
    return (stored(rounding_divide_by_power_of_two(truncated, -shift), y),)


def _gate_q15(fine_steps: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    """`clip(x / 6 + 1/2, 0, 1)` in 1/32768."""
    gate = _saturated(fine_steps << max(shift - 1, 0))
    gate = _rounding_product_q15(gate, multiplier)
    gate = _saturated(gate << min(max(shift, 0), 1))
    return (rounding_divide_by_power_of_two(gate, max(-shift, 0)) + (1 << 15)) >> 1


def _multiplier_q15(real: np.float32) -> tuple[int, int]:
    """A positive real as a 16-bit multiplier in 1/32768, and a shift."""
    multiplier, shift = quantize_multiplier(float(real))
    return min((multiplier + (1 << 15)) >> 16, 32767), shift


def _rounding_product_q15(a: np.ndarray, b: int) -> np.ndarray:
    """`round(a * b / 2**15)` of int16 values, halves away from zero for negatives as gemmlowp does."""
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.sign(nudged) * (np.abs(nudged) >> 15)


def _saturated(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -(1 << 15), (1 << 15) - 1)


LOGISTIC = OpSpec(
    name="LOGISTIC",
    inputs=(Data(smallest_scale=2.0**-25, flat_beyond=12.0),),
    outputs=(Fixed({DType.INT8: (1 / 256, -128), DType.INT16: (1 / 32768, 0)}),),
    shapes=same_shape,
    bounds=(0.0, 1.0),
    training=lambda ops: ops.sigmoid,
    run_float=logistic_float,
    run_integer=logistic_integer,
    exact=False,
    version=version_by_type(int8=2, int16=3),
    keras=function_forms("sigmoid", "Sigmoid", emits("LOGISTIC")),
    examples=(Example(((1, 300),), low=-6.0, high=6.0), Example(((1, 8, 8, 3),), low=-2.0, high=25.0)),
)

TANH = OpSpec(
    name="TANH",
    inputs=(Data(smallest_scale=2.0**-25, flat_beyond=6.0),),
    outputs=(Fixed({DType.INT8: (1 / 128, 0), DType.INT16: (1 / 32768, 0)}),),
    shapes=same_shape,
    bounds=(-1.0, 1.0),
    training=lambda ops: ops.tanh,
    run_float=applies(np.tanh),
    run_integer=tanh_integer,
    exact=False,
    version=version_by_type(int8=2, int16=3),
    keras=function_forms("tanh", "Tanh", emits("TANH")),
    examples=(Example(((1, 300),), low=-3.0, high=3.0), Example(((1, 8, 8, 3),), low=-20.0, high=2.0)),
)

HARD_SWISH = OpSpec(
    name="HARD_SWISH",
    inputs=(Data(smallest_scale=2.0**-20),),
    shapes=same_shape,
    training=lambda ops: ops.hard_silu,
    run_float=hard_swish_float,
    run_integer=hard_swish_integer,
    activations=frozenset({DType.INT8}),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    keras=function_forms("hard_silu", "HardSilu", emits("HARD_SWISH")),
    examples=(
        Example(((1, 300),), low=-5.0, high=5.0),
        Example(((1, 8, 8, 3),), low=-1.0, high=30.0),
        Example(((1, 300),), low=-0.2, high=0.1),
    ),
)

SPECS = (LOGISTIC, TANH, HARD_SWISH)
