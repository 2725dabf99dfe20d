"""ELU, GELU, EXP, LOG: functions whose integer kernels are tables filled in float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Options, Tensor
from octavo.numerics.lookup import Function, int8_table, int16_table, look_up_int8, look_up_int16, rounded_once
from octavo.ops.activation import same_shape
from octavo.ops.forms import activation_form, emits, function_forms, operation_form, parameter
from octavo.ops.poles import saturating
from octavo.ops.spec import Emitter, Example, KerasCall, Operand, OpSpec
from octavo.ops.steps import applies, scale_of
from octavo.ops.version import version_by_type


def look_up(x: Operand, y: Tensor, function: Function) -> np.ndarray:
    """The integer kernel of `function`: a table of 256 entries for int8, an interpolated one of 513 for int16.

    Source: tensorflow/lite/kernels/internal/common.h, LUTPopulate and LUTLookup.
    """
    assert y.quantization is not None
    out_zero_point = int(y.quantization.zero_point[0])
    if y.dtype is DType.INT8:
        table = int8_table(function, x.scale[0], x.zero_point, scale_of(y), out_zero_point)
        return look_up_int8(x.values, table)
    low, high = x.scale[0] * np.float32(-32768), x.scale[0] * np.float32(32767)
    return look_up_int16(x.values, int16_table(function, low, high, scale_of(y))).astype(np.int16)


def _tabulated(function: Function) -> Callable[..., tuple[np.ndarray, ...]]:
    def run(options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]) -> tuple[np.ndarray, ...]:
        assert inputs[0] is not None
        return (look_up(inputs[0], outputs[0], function),)

    return run


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, rounded_once(np.exp)(np.minimum(x, np.float32(0))) - np.float32(1), x)


def elu_float(options: Options, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """`x` where x > 0, else `exp(x) - 1`."""
    x = inputs[0]
    assert x is not None
    return (np.where(x < 0, np.expm1(np.minimum(x, np.float32(0))), x),)


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


def gelu_float(options: GeluOptions, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """`x * Phi(x)` with the normal distribution Phi, or its approximation by tanh."""
    assert inputs[0] is not None
    return ((_gelu_approximate if options.approximate else _gelu)(inputs[0]),)


def gelu_integer(
    options: GeluOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of GELU."""
    assert inputs[0] is not None
    return (look_up(inputs[0], outputs[0], _gelu_approximate if options.approximate else _gelu),)


def log_integer(
    options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of LOG: zero and below give the smallest value the output has.

    Source: tflite/kernels/elementwise.cc, LogLUTPrepare.
    """
    (x,), (y,) = inputs, outputs
    assert x is not None
    assert y.quantization is not None
    lowest = np.float32(y.dtype.integer_range[0] - y.quantization.zero_point[0]) * scale_of(y)
    log = rounded_once(np.log)
    return (look_up(x, y, lambda v: np.where(v > 0, log(np.where(v > 0, v, np.float32(1))), lowest)),)


def lower_gelu(b: Emitter, call: KerasCall) -> str:
    """keras.activations.gelu and keras.ops.gelu, whose defaults differ."""
    return b.emit("GELU", call.inputs[:1], GeluOptions(bool(parameter(call, "approximate"))))


FLOAT_ONLY = frozenset({DType.FLOAT32})
NO_INT16_NEAR_ZERO = "int8 only: LiteRT's int16 table is too coarse near 0, where the function has no limit"

ELU = OpSpec(
    name="ELU",
    shapes=same_shape,
    training=lambda ops: ops.elu,
    run_float=elu_float,
    run_integer=_tabulated(_elu),
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
    training=lambda ops: lambda x, approximate: ops.gelu(x, approximate=approximate),
    run_float=gelu_float,
    run_integer=gelu_integer,
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
    bounds=(0.0, math.inf),
    training=lambda ops: ops.exp,
    run_float=applies(np.exp),
    run_integer=_tabulated(rounded_once(np.exp)),
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
    training=lambda ops: saturating(ops, ops.log, ops.min),
    pole=True,
    run_float=applies(np.log),
    run_integer=log_integer,
    activations=frozenset({DType.INT8}),
    micro=FLOAT_ONLY,
    version=version_by_type(int8=2, int16=2),
    keras={"ops.Log": operation_form("log", emits("LOG"))},
    examples=(Example(((1, 300),), low=0.5, high=1.0), Example(((1, 8, 8, 3),), low=0.1, high=5.0)),
    note=NO_INT16_NEAR_ZERO,
)

SPECS = (ELU, GELU, EXP, LOG)
