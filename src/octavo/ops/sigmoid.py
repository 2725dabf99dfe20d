"""LOGISTIC, TANH, HARD_SWISH: smooth steps and gates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Tensor
from octavo.numerics.fixed_point import Multiplier, quantize_multiplier, rounding_divide_by_power_of_two
from octavo.numerics.lookup import logistic_of_positions, tanh_of_positions
from octavo.numerics.transcendental import logistic, tanh
from octavo.ops.activation import same_shape
from octavo.ops.forms import emits, function_forms
from octavo.ops.fused import Output, output_of
from octavo.ops.limits import MARGIN, Scales
from octavo.ops.pointwise import applies, from_zero
from octavo.ops.roles import Data, Fixed
from octavo.ops.spec import Example, InPlace, Kernel, OpSpec
from octavo.ops.version import version_by_type

# Integer bits of the fixed-point argument of the int8 kernels: |x| below 16.
INPUT_BITS = 4
# Of the int16 kernels, whose positions are 1/12288: factors have 16 bits.
LARGEST_POSITION_SCALE = 65535 / 12288


def logistic_float(options: Options, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """`1 / (1 + exp(-x))`."""
    (x,) = inputs
    with np.errstate(over="ignore"):
        return (np.float32(1) / (np.float32(1) + np.exp(-x)),)


@dataclass(frozen=True, slots=True)
class SaturatingConstants:
    """What the int8 kernels of LOGISTIC and TANH run with.

    Attributes:
        input_offset: Added to the input's integers: minus their zero point.
        input_radius: Steps from zero from which on the argument has no fixed-point form: the function is at its limit.
        input_multiplier: From steps to fixed point with `INPUT_BITS` integer bits.
        output: How results are stored.
    """

    input_offset: int
    input_radius: int
    input_multiplier: Multiplier
    output: Output


@dataclass(frozen=True, slots=True)
class InterpolatingConstants:
    """What the int16 kernels of LOGISTIC and TANH run with, beside the table of the logistic function.

    Attributes:
        input_multiplier, input_shift_bits: An integer as a position in units of 1/12288, 1/24 of which are a whole
            entry of the table: `round(q * input_multiplier / 2**input_shift_bits)`.
    """

    input_multiplier: int
    input_shift_bits: int


SigmoidConstants = SaturatingConstants | InterpolatingConstants


def prepare_logistic(options: Options, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> SigmoidConstants:
    """The constants of LOGISTIC."""
    return _sigmoid_constants(inputs[0], outputs[0], powers=(0,))


def prepare_tanh(options: Options, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> SigmoidConstants:
    """The constants of TANH."""
    return _sigmoid_constants(inputs[0], outputs[0], powers=(0, 1))


def _sigmoid_constants(x: Tensor, y: Tensor, powers: Sequence[int]) -> SigmoidConstants:
    """Of a function whose int16 kernel takes scales of 2**-12, times 2 to these powers, without rounding."""
    if y.dtype is DType.INT16:
        return InterpolatingConstants(*_position_multiplier(x.scale, powers))
    multiplier = Multiplier.of(x.scale * (1 << (31 - INPUT_BITS)))
    radius = math.floor(((1 << INPUT_BITS) - 1) * 2.0 ** (31 - INPUT_BITS - multiplier.shift_bits))
    return SaturatingConstants(-x.zero_point, radius, multiplier, output_of(y))


def _position_multiplier(scale: float, powers: Sequence[int]) -> tuple[int, int]:
    log2 = math.log2(scale)
    power = 12 + round(log2)
    if abs(log2 - round(log2)) < 1e-3 and power in powers:
        return 3 << power, 0
    multiplier, shift = scale * 4096 * 3, 0
    while multiplier <= 32767 / 2 and shift <= 30:
        multiplier, shift = multiplier * 2, shift + 1
    return int(multiplier), shift


def run_logistic(constants: SigmoidConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of LOGISTIC.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h and micro/kernels/logistic_common.cc.
    """
    if isinstance(constants, InterpolatingConstants):
        return (logistic_of_positions(_table_positions(constants, arrays[0])),)

    def within(raw: np.ndarray) -> np.ndarray:
        return rounding_divide_by_power_of_two(logistic(raw, INPUT_BITS), 31 - 8)

    return (_saturated_beyond(constants, arrays[0], within, 0, 255),)


def run_tanh(constants: SigmoidConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of TANH; for int16, `tanh(x) = 2 logistic(2 x) - 1` on the logistic function's table.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h and micro/kernels/tanh.cc.
    """
    if isinstance(constants, InterpolatingConstants):
        return (tanh_of_positions(_table_positions(constants, arrays[0])),)

    def within(raw: np.ndarray) -> np.ndarray:
        return rounding_divide_by_power_of_two(tanh(raw, INPUT_BITS), 31 - 7)

    return (_saturated_beyond(constants, arrays[0], within, -128, 127),)


def _saturated_beyond(
    constants: SaturatingConstants, values: np.ndarray, within: Callable[[np.ndarray], np.ndarray], low: int, high: int
) -> np.ndarray:
    """`within` of the fixed-point argument; `low` and `high` where it is the radius or more away from 0."""
    x, radius = from_zero(values, constants.input_offset), constants.input_radius
    steps = within(constants.input_multiplier.times(np.clip(x, -radius, radius)))
    return constants.output.stored(np.where(x <= -radius, low, np.where(x >= radius, high, steps)))


def _table_positions(constants: InterpolatingConstants, values: np.ndarray) -> np.ndarray:
    shift = constants.input_shift_bits
    return (values.astype(np.int64) * constants.input_multiplier + ((1 << shift) >> 1)) >> shift


def hard_swish_float(options: Options, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """`x * clip(x + 3, 0, 6) / 6`."""
    (x,) = inputs
    return (x * np.clip(x + np.float32(3), np.float32(0), np.float32(6)) / np.float32(6),)


@dataclass(frozen=True, slots=True)
class HardSwishConstants:
    """What HARD_SWISH runs with; multipliers are int16, times `2**(shift_bits - 15)`.

    Attributes:
        input_offset: Added to the input's integers: minus their zero point.
        output_multiplier_q15, output_shift_bits: From 1/128 of a step of the input to steps of the output.
        gate_multiplier_q15, gate_shift_bits: From 1/128 of a step of the input to 3/32768.
        output: How results are stored.
    """

    input_offset: int
    output_multiplier_q15: int
    output_shift_bits: int
    gate_multiplier_q15: int
    gate_shift_bits: int
    output: Output


def prepare_hard_swish(options: Options, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> HardSwishConstants:
    """The constants of HARD_SWISH."""
    (x,), (y,) = inputs, outputs
    fine_scale = np.float32(1 / 128) * np.float32(x.scale)
    scaled, gate = (
        _multiplier_q15(fine_scale / np.float32(y.scale)),
        _multiplier_q15(fine_scale / np.float32(3 / 32768)),
    )
    return HardSwishConstants(-x.zero_point, *scaled, *gate, output_of(y))


def run_hard_swish(constants: HardSwishConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of HARD_SWISH: 16-bit products of x and of `clip(x / 6 + 1/2, 0, 1)`.

    Source: tensorflow/lite/kernels/internal/reference/hard_swish.h and micro/kernels/hard_swish_common.cc.
    """
    fine_steps = from_zero(arrays[0], constants.input_offset) << 7
    numerator = _rounding_product_q15(fine_steps, constants.output_multiplier_q15)
    product = numerator * _gate_q15(fine_steps, constants.gate_multiplier_q15, constants.gate_shift_bits)
    # C divides toward zero where an arithmetic shift would floor.
    truncated = np.sign(product) * (np.abs(product) >> 15)
    return (constants.output.stored(rounding_divide_by_power_of_two(truncated, -constants.output_shift_bits)),)


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
    # From 4 on, the int8 kernel takes one step for as good as infinite; the int16 kernel's factor has 16 bits.
    inputs=(Data(2.0**-25, {DType.INT8: 4.0, DType.INT16: LARGEST_POSITION_SCALE}, flat_beyond=12.0),),
    outputs=(Fixed({DType.INT8: (1 / 256, -128), DType.INT16: (1 / 32768, 0)}),),
    shapes=same_shape,
    pointwise=True,
    bounds=(0.0, 1.0),
    training=lambda ops: ops.sigmoid,
    run_float=logistic_float,
    integer=Kernel(prepare_logistic, run_logistic),
    in_place=InPlace(),
    exact=False,
    version=version_by_type(int8=2, int16=3),
    keras=function_forms("sigmoid", "Sigmoid", emits("LOGISTIC")),
    examples=(Example(((1, 300),), low=-6.0, high=6.0), Example(((1, 8, 8, 3),), low=-2.0, high=25.0)),
)

TANH = OpSpec(
    name="TANH",
    inputs=(Data(2.0**-25, {DType.INT8: 8.0, DType.INT16: LARGEST_POSITION_SCALE}, flat_beyond=6.0),),
    outputs=(Fixed({DType.INT8: (1 / 128, 0), DType.INT16: (1 / 32768, 0)}),),
    shapes=same_shape,
    pointwise=True,
    bounds=(-1.0, 1.0),
    training=lambda ops: ops.tanh,
    run_float=applies(np.tanh),
    integer=Kernel(prepare_tanh, run_tanh),
    in_place=InPlace(),
    exact=False,
    version=version_by_type(int8=2, int16=3),
    keras=function_forms("tanh", "Tanh", emits("TANH")),
    examples=(Example(((1, 300),), low=-3.0, high=3.0), Example(((1, 8, 8, 3),), low=-20.0, high=2.0)),
)

HARD_SWISH = OpSpec(
    name="HARD_SWISH",
    # The gate is shifted within 32 bits: its factor, from 1/128 of a step to 3/32768, stays below 2**31.
    inputs=(Data(smallest_scale=2.0**-20, largest_scale={DType.INT8: 2.0**24}),),
    shapes=same_shape,
    pointwise=True,
    training=lambda ops: ops.hard_silu,
    run_float=hard_swish_float,
    integer=Kernel(prepare_hard_swish, run_hard_swish),
    # Kernels refuse a factor of 1, from 1/128 of a step of the input.
    output_scales=lambda options, inputs: Scales(MARGIN * inputs[0].scale / 128),
    in_place=InPlace(),
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
