"""RELU, RELU6, RELU_N1_TO_1, LEAKY_RELU, PRELU: activations made of straight lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options, Shape, Tensor
from octavo.numerics.fixed_point import Multiplier
from octavo.ops.channelwise import always
from octavo.ops.forms import emits, function_forms, layer_form, parameter
from octavo.ops.fused import FusedActivation, Output, clamp_real, output_of
from octavo.ops.limits import counted, largest_real, rescaled
from octavo.ops.pointwise import Rescale, applies, from_zero, rescaling, run_rescale
from octavo.ops.roles import Data, SameAsOutput
from octavo.ops.spec import Emitter, Example, FloatKernel, InPlace, KerasCall, KerasForm, Kernel, OpSpec
from octavo.ops.version import version_by_type


def same_shape(options: object, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """The output has the first input's shape."""
    return (inputs[0].shape,)


def clamping_float(activation: FusedActivation) -> FloatKernel:
    """The float kernel of a standalone clamp."""

    def run(options: NoOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
        return (clamp_real(inputs[0], activation),)

    return run


def clamping_integer(activation: FusedActivation) -> Kernel[Rescale]:
    """The integer kernel of a standalone clamp: rescale, then clamp.

    Source: tensorflow/lite/micro/kernels/activations_common.cc, ReluQuantized and Relu6Quantized (which only clamps, so
    that both sides must have the same parameters).
    """

    def prepare(options: NoOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> Rescale:
        (x,), (y,) = inputs, outputs
        return Rescale(-x.zero_point, rescaling(x, y), output_of(y, activation))

    return Kernel(prepare, run_rescale)


@dataclass(frozen=True, slots=True)
class LeakyReluOptions(Options):
    """Options of LEAKY_RELU."""

    table = "LeakyReluOptions"
    alpha: float = 0.2


def leaky_relu_float(options: LeakyReluOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """`x` where x > 0, else `alpha * x`."""
    (x,) = inputs
    return (np.where(x > 0, x, x * np.float32(options.alpha)),)


@dataclass(frozen=True, slots=True)
class LeakyReluConstants:
    """What LEAKY_RELU runs with.

    Attributes:
        input_offset: Added to the input's integers: minus their zero point.
        identity, alpha: Factors of what is above 0, and below: from steps of the input to steps of the output.
        output: How results are stored.
    """

    input_offset: int
    identity: Multiplier
    alpha: Multiplier
    output: Output


def prepare_leaky_relu(
    options: LeakyReluOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]
) -> LeakyReluConstants:
    """The constants of LEAKY_RELU."""
    (x,), (y,) = inputs, outputs
    return LeakyReluConstants(-x.zero_point, rescaling(x, y), rescaling(x, y, options.alpha), output_of(y))


def run_leaky_relu(constants: LeakyReluConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of LEAKY_RELU.

    Source: tensorflow/lite/kernels/internal/reference/leaky_relu.h and micro/kernels/leaky_relu_common.cc.
    """
    x = from_zero(arrays[0], constants.input_offset)
    return (constants.output.stored(np.where(x >= 0, constants.identity.times(x), constants.alpha.times(x))),)


@dataclass(frozen=True, slots=True)
class PReluConstants(LeakyReluConstants):
    """What PRELU runs with; `alpha` is the factor of the product of both inputs' steps.

    Attributes:
        alpha_offset: Added to the integers of the slopes.
    """

    alpha_offset: int


def prepare_prelu(options: NoOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> PReluConstants:
    """The constants of PRELU."""
    (x, alpha), (y,) = inputs, outputs
    slopes = rescaling(x, y, alpha.scale)
    return PReluConstants(-x.zero_point, rescaling(x, y), slopes, output_of(y), -alpha.zero_point)


def run_prelu(constants: PReluConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of PRELU.

    Source: tensorflow/lite/kernels/internal/reference/prelu.h and micro/kernels/prelu_common.cc.
    """
    x, alpha = from_zero(arrays[0], constants.input_offset), from_zero(arrays[1], constants.alpha_offset)
    return (constants.output.stored(np.where(x >= 0, constants.identity.times(x), constants.alpha.times(x * alpha))),)


def lower_rectified(b: Emitter, call: KerasCall) -> str:
    """RELU; of integers that stand for themselves, which it has no kernels for, the larger of each and 0."""
    (x,) = call.inputs
    if b.dtype(x).is_float:
        return b.emit("RELU", [x])
    return b.emit("MAXIMUM", [x, b.constant(np.zeros((), b.dtype(x).numpy), "smallest")])


def lower_relu(b: Emitter, call: KerasCall) -> str:
    """keras.layers.ReLU and keras.activations.relu: with a slope, a maximum, or a threshold, where it jumps."""
    slope, maximum, threshold = (parameter(call, name) for name in ("negative_slope", "max_value", "threshold"))
    x = call.inputs[0]
    if threshold:
        return b.calls(_jumping_relu, (call.args[0], slope, maximum, threshold))[0]
    if not slope and maximum == 6:
        return b.emit("RELU6", [x])
    inner = "" if maximum is None else "relu"
    if slope:
        x = b.emit("LEAKY_RELU", [x], LeakyReluOptions(float(slope)), suffix=inner)
    else:
        x = b.emit("RELU", [x], suffix=inner)
    return x if maximum is None else b.emit("MINIMUM", [x, b.constant(np.array(maximum, np.float32), "max_value")])


def _jumping_relu(x: Any, slope: float, maximum: float | None, threshold: float) -> Any:
    """`clip(x where x > threshold else 0, 0, maximum) - slope * max(threshold - x, 0)`."""
    from keras import ops

    kept = ops.where(x > threshold, x, 0.0)
    if maximum is not None:
        kept = ops.clip(kept, 0.0, maximum)
    return kept - slope * ops.relu(threshold - x) if slope else kept


def lower_leaky_relu(b: Emitter, call: KerasCall) -> str:
    """keras.layers.LeakyReLU, keras.activations.leaky_relu and keras.ops.leaky_relu."""
    return b.emit("LEAKY_RELU", call.inputs[:1], LeakyReluOptions(float(parameter(call, "negative_slope"))))


def lower_prelu(b: Emitter, call: KerasCall) -> str:
    """keras.layers.PReLU; shared axes have length 1 in alpha."""
    return b.emit("PRELU", [call.inputs[0], b.constant(call.weight("alpha"), "alpha")])


RELU = OpSpec(
    name="RELU",
    shapes=same_shape,
    pointwise=True,
    bounds=(0.0, math.inf),
    training=lambda ops: ops.relu,
    channelwise=always,
    run_float=clamping_float(FusedActivation.RELU),
    integer=clamping_integer(FusedActivation.RELU),
    output_scales=rescaled,
    in_place=InPlace(),
    exact=False,
    version=version_by_type(int8=2, int16=3),
    keras={
        **function_forms("relu", "Relu", lower_rectified),
        "ops.ReLU": KerasForm(
            lower_relu, lambda keras: (lambda x: keras.activations.relu(x, max_value=1.0), ((6, 4),))
        ),
        "layers.ReLU": layer_form(lower_relu, lambda keras: keras.layers.ReLU(max_value=4.0, negative_slope=0.1)),
    },
    examples=(Example(((1, 8),)), Example(((1, 4, 4, 3),), low=-1.0, high=9.0)),
)

RELU6 = OpSpec(
    name="RELU6",
    outputs=(SameAsOutput(),),
    shapes=same_shape,
    pointwise=True,
    bounds=(0.0, 6.0),
    training=lambda ops: ops.relu6,
    run_float=clamping_float(FusedActivation.RELU6),
    integer=clamping_integer(FusedActivation.RELU6),
    in_place=InPlace(),
    version=version_by_type(int8=2, int16=3),
    keras=function_forms("relu6", "Relu6", emits("RELU6")),
    examples=(
        Example(((1, 40),), low=-4.0, high=9.0),
        Example(((1, 4, 4, 3),), low=-1.0, high=4.0),
        Example(((1, 30),), low=-7.0, high=-1.0),
    ),
    note="TensorFlow Lite Micro clamps and does not rescale, so both sides share parameters",
)

RELU_N1_TO_1 = OpSpec(
    name="RELU_N1_TO_1",
    outputs=(SameAsOutput(),),
    shapes=same_shape,
    pointwise=True,
    bounds=(-1.0, 1.0),
    training=lambda ops: lambda x: ops.clip(x, -1.0, 1.0),
    run_float=clamping_float(FusedActivation.RELU_N1_TO_1),
    integer=clamping_integer(FusedActivation.RELU_N1_TO_1),
    in_place=InPlace(),
    activations=frozenset({DType.INT8}),
    micro=frozenset(),
    examples=(Example(((1, 40),)), Example(((1, 4, 4, 3),), low=-0.5, high=4.0)),
)

LEAKY_RELU = OpSpec(
    name="LEAKY_RELU",
    options=LeakyReluOptions,
    shapes=same_shape,
    pointwise=True,
    training=lambda ops: lambda x, alpha: ops.leaky_relu(x, negative_slope=alpha),
    channelwise=always,
    run_float=leaky_relu_float,
    integer=Kernel(prepare_leaky_relu, run_leaky_relu),
    output_scales=lambda options, inputs: counted(max(1.0, abs(options.alpha)) * largest_real(inputs[0])),
    in_place=InPlace(),
    exact=False,
    version=version_by_type(int8=1, int16=2),
    keras={
        **function_forms("leaky_relu", "LeakyRelu", lower_leaky_relu),
        "layers.LeakyReLU": layer_form(lower_leaky_relu, lambda keras: keras.layers.LeakyReLU(0.1)),
    },
    examples=(
        Example(((1, 60),), options=LeakyReluOptions(0.1)),
        Example(((1, 4, 4, 3),), options=LeakyReluOptions(0.5), low=-9.0, high=2.0),
        Example(((1, 60),), options=LeakyReluOptions(1.5)),
    ),
)

PRELU = OpSpec(
    name="PRELU",
    inputs=(Data(), Data()),
    shapes=same_shape,
    training=lambda ops: lambda x, alpha: ops.where(x >= 0, x, x * alpha),
    run_float=applies(lambda x, alpha: np.where(x >= 0, x, x * alpha)),
    integer=Kernel(prepare_prelu, run_prelu),
    output_scales=lambda options, inputs: counted(max(1.0, largest_real(inputs[1])) * largest_real(inputs[0])),
    in_place=InPlace(),
    activations=frozenset({DType.INT8}),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    exact=False,
    keras={
        "layers.PReLU": layer_form(
            lower_prelu, lambda keras: keras.layers.PReLU("glorot_uniform", shared_axes=[1, 2]), (4, 5, 3)
        )
    },
    examples=(
        Example(((1, 4, 4, 3), None), {1: np.array([[[-0.2, 0.1, 0.5]]], np.float32)}),
        Example(((1, 6), None), {1: np.array([0.3, 0.0, -1.0, 0.25, 1.5, 0.1], np.float32)}, low=-9.0, high=2.0),
    ),
)

SPECS = (RELU, RELU6, RELU_N1_TO_1, LEAKY_RELU, PRELU)
