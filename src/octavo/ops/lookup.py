"""ELU, GELU, EXP, LOG: functions whose integer kernels are tables filled in float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Tensor
from octavo.numerics.lookup import Function, int8_table, int16_table, look_up_int8, look_up_int16, rounded_once
from octavo.ops.activation import same_shape
from octavo.ops.forms import activation_form, emits, function_forms, operation_form, parameter
from octavo.ops.limits import rescaled
from octavo.ops.pointwise import applies
from octavo.ops.poles import saturating
from octavo.ops.spec import Emitter, Example, InPlace, KerasCall, Kernel, OpSpec
from octavo.ops.version import version_by_type


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """What a function of one number runs with.

    Attributes:
        entries: For int8, int8 of shape (256,): that of q is at q + 128. For int16, int64 of shape (513,), between
            which the kernel interpolates.
    """

    entries: np.ndarray


def run_table(constants: Table, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of a tabulated function.

    Source: tensorflow/lite/kernels/internal/common.h, LUTLookup.
    """
    if len(constants.entries) == 256:
        return (look_up_int8(arrays[0], constants.entries),)
    return (look_up_int16(arrays[0], constants.entries).astype(np.int16),)


def tabulated(function_of: Callable[[Any, Tensor], Function]) -> Kernel[Table]:
    """The integer kernel of a function, chosen by the options and the output.

    Source: tensorflow/lite/kernels/internal/common.h, LUTPopulate.
    """

    def prepare(options: Options, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> Table:
        (x,), (y,) = inputs, outputs
        function = function_of(options, y)
        if y.dtype is DType.INT8:
            return Table(int8_table(function, x.scale, x.zero_point, y.scale, y.zero_point))
        low, high = np.float32(x.scale) * np.float32(-32768), np.float32(x.scale) * np.float32(32767)
        return Table(int16_table(function, low, high, y.scale))

    return Kernel(prepare, run_table)


def _elu_float(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, np.expm1(np.minimum(x, np.float32(0))), x)


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, rounded_once(np.exp)(np.minimum(x, np.float32(0))) - np.float32(1), x)


def _lost_below_one(options: Options, inputs: Inputs[Tensor]) -> str:
    """The obstacle of ELU: kernels take 1 from exp(x) in float32, which leaves nothing of x below its steps there."""
    (x,) = inputs
    if x.scale >= STEP_BELOW_ONE:
        return ""
    return f"its kernels tell exp(x) from 1 by steps of {STEP_BELOW_ONE:.3g}, its input comes in those of {x.scale:.3g}"


@dataclass(frozen=True, slots=True)
class GeluOptions(Options):
    """Options of GELU: by tanh, or by the error function."""

    table = "GeluOptions"
    approximate: bool = False


_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _gelu(x: np.ndarray) -> np.ndarray:
    return np.float32(0.5) * x * rounded_once(_erfc)(x * np.float32(-math.sqrt(0.5)))


def _gelu_approximate(x: np.ndarray) -> np.ndarray:
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    return np.float32(0.5) * x * (np.float32(1) + rounded_once(np.tanh)(inner))


def gelu_float(options: GeluOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """`x * Phi(x)` with the normal distribution Phi, or its approximation by tanh."""
    return (_gelu_of(options)(inputs[0]),)


def _gelu_of(options: GeluOptions) -> Function:
    return _gelu_approximate if options.approximate else _gelu


def _log_above(options: Options, y: Tensor) -> Function:
    """The logarithm; zero and below give the smallest value the output has.

    Source: tflite/kernels/elementwise.cc, LogLUTPrepare.
    """
    lowest = np.float32(y.dtype.integer_range[0] - y.zero_point) * np.float32(y.scale)
    log = rounded_once(np.log)
    return lambda x: np.where(x > 0, log(np.where(x > 0, x, np.float32(1))), lowest)


def lower_gelu(b: Emitter, call: KerasCall) -> str:
    """keras.activations.gelu and keras.ops.gelu, whose defaults differ."""
    return b.emit("GELU", call.inputs[:1], GeluOptions(bool(parameter(call, "approximate"))))


# Of float32.
STEP_BELOW_ONE = 2.0**-24
FLOAT_ONLY = frozenset({DType.FLOAT32})
NO_INT16_NEAR_ZERO = "int8 only: LiteRT's int16 table is too coarse near 0, where the function has no limit"

ELU = OpSpec(
    name="ELU",
    shapes=same_shape,
    pointwise=True,
    bounds=(-1.0, math.inf),
    training=lambda ops: ops.elu,
    run_float=applies(_elu_float),
    integer=tabulated(lambda options, y: _elu),
    output_scales=rescaled,
    obstacle=_lost_below_one,
    in_place=InPlace(),
    activations=frozenset({DType.INT8}),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    wrong_in_litert_reference=frozenset({DType.FLOAT32, DType.INT8}),
    examples=(Example(((1, 300),), low=-4.0, high=4.0), Example(((1, 8, 8, 3),), low=-1.0, high=0.3)),
    note="alpha is 1; Keras's other values of alpha become several operators",
)

GELU = OpSpec(
    name="GELU",
    options=GeluOptions,
    shapes=same_shape,
    pointwise=True,
    training=lambda ops: lambda x, approximate: ops.gelu(x, approximate=approximate),
    run_float=gelu_float,
    integer=tabulated(lambda options, y: _gelu_of(options)),
    in_place=InPlace(),
    exact=False,
    micro=frozenset(),
    version=version_by_type(int8=2, int16=2),
    keras=function_forms("gelu", "Gelu", lower_gelu),
    examples=(
        Example(((1, 300),), options=GeluOptions(), low=-4.0, high=4.0),
        Example(((1, 8, 8, 3),), options=GeluOptions(approximate=True), low=-4.0, high=1.0),
    ),
)

EXP = OpSpec(
    name="EXP",
    shapes=same_shape,
    pointwise=True,
    bounds=(0.0, math.inf),
    training=lambda ops: ops.exp,
    run_float=applies(np.exp),
    integer=tabulated(lambda options, y: rounded_once(np.exp)),
    in_place=InPlace(),
    micro=FLOAT_ONLY,
    version=version_by_type(int8=2, int16=2),
    keras={
        "activations.exponential": activation_form("exponential", emits("EXP")),
        "ops.Exp": operation_form("exp", emits("EXP")),
    },
    examples=(Example(((1, 300),), low=-4.0, high=1.0), Example(((1, 8, 8, 3),), low=-1.0, high=2.0)),
)

LOG = OpSpec(
    name="LOG",
    shapes=same_shape,
    pointwise=True,
    training=lambda ops: saturating(ops, ops.log, ops.min),
    pole=True,
    of_product="ADD",
    run_float=applies(np.log),
    integer=tabulated(_log_above),
    in_place=InPlace(),
    activations=frozenset({DType.INT8}),
    micro=FLOAT_ONLY,
    version=version_by_type(int8=2, int16=2),
    keras={"ops.Log": operation_form("log", emits("LOG"))},
    examples=(Example(((1, 300),), low=0.5, high=1.0), Example(((1, 8, 8, 3),), low=0.1, high=5.0)),
    note=NO_INT16_NEAR_ZERO,
)

SPECS = (ELU, GELU, EXP, LOG)
