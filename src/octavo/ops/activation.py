"""Activations: RELU, RELU6, LEAKY_RELU, LOGISTIC, TANH, SOFTMAX, HARD_SWISH and their like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octavo.ir.types import NoOptions, Shape, Tensor
from octavo.numerics.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from octavo.ops.fused import FusedActivation, saturate
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, OpSpec, Operand


def same_shape(options: object, inputs: Sequence[Tensor | None]) -> tuple[Shape, ...]:
    """The output has the first input's shape."""
    assert inputs[0] is not None
    return (inputs[0].shape,)


def relu_float(options: NoOptions, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """`max(x, 0)`."""
    return (np.maximum(inputs[0], np.float32(0)),)


def relu_integer(options: NoOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]) -> tuple[np.ndarray, ...]:
    """Rescale, then clamp at the output's zero point.

    Source: tensorflow/lite/micro/kernels/activations_common.cc, ReluQuantized.
    """
    (x,), (y,) = inputs, outputs
    assert x is not None and y.quantization is not None
    multiplier, shift = quantize_multiplier(float(x.scale[0]) / float(y.quantization.scale[0]))
    steps = multiply_by_quantized_multiplier(x.values.astype(np.int64) - x.zero_point, multiplier, shift)
    return (saturate(steps + y.quantization.zero_point[0], y, FusedActivation.RELU),)


def unary(op: str) -> KerasForm:
    """The form of a Keras layer without parameters that is exactly one operator."""

    def lower(b: Emitter, call: KerasCall) -> str:
        return b.emit(op, call.inputs[:1])

    return KerasForm(lower, lambda keras: (keras.layers.Activation(op.lower()), ((6, 4),)))


RELU = OpSpec(
    name="RELU",
    shapes=same_shape,
    run_float=relu_float,
    run_integer=relu_integer,
    keras={"activations.relu": unary("RELU"), "ops.Relu": unary("RELU")},
    examples=(Example(((1, 8),)), Example(((1, 4, 4, 3),), low=-1.0, high=9.0)),
)

SPECS = (RELU,)
