"""ABS, NEG, SQUARE, SQRT, RSQRT: arithmetic on one tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Tensor
from octavo.numerics.fixed_point import Multiplier
from octavo.numerics.transcendental import inverse_square_root
from octavo.ops.activation import same_shape
from octavo.ops.forms import emits, operation_form
from octavo.ops.fused import Output, output_of
from octavo.ops.limits import SPAN, Scales, counted, largest_real, rescaled
from octavo.ops.lookup import FLOAT_ONLY, NO_INT16_NEAR_ZERO
from octavo.ops.pointwise import Rescale, applies, from_zero, rescaling
from octavo.ops.poles import saturating, sqrt_training
from octavo.ops.spec import Example, InPlace, Kernel, OpSpec
from octavo.ops.version import version_by_type


def prepare_abs(options: Options, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> Rescale:
    """The constants of ABS."""
    (x,), (y,) = inputs, outputs
    return Rescale(-x.zero_point, rescaling(x, y), output_of(y))


def run_abs(constants: Rescale, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of ABS.

    Source: tensorflow/lite/micro/kernels/elementwise.cc, AbsEvalQuantized.
    """
    magnitudes = np.abs(from_zero(arrays[0], constants.input_offset))
    return (constants.output.stored(constants.multiplier.times(magnitudes)),)


@dataclass(frozen=True, slots=True)
class SqrtConstants:
    """What SQRT runs with.

    Attributes:
        input_offset: Added to the input's integers: minus their zero point.
        input_scale, output_scale: float32 values.
        output: How results are stored.
    """

    input_offset: int
    input_scale: float
    output_scale: float
    output: Output


def prepare_sqrt(options: Options, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> SqrtConstants:
    """The constants of SQRT."""
    (x,), (y,) = inputs, outputs
    return SqrtConstants(-x.zero_point, x.scale, y.scale, output_of(y))


def run_sqrt(constants: SqrtConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of SQRT: computed in float32 and cut off, not rounded.

    Source: tflite/kernels/elementwise.cc, SqrtEvalQuantized.
    """
    reals = np.float32(constants.input_scale) * from_zero(arrays[0], constants.input_offset).astype(np.float32)
    steps = np.trunc(np.sqrt(reals) / np.float32(constants.output_scale)).astype(np.int64)
    return (constants.output.stored(steps),)


def prepare_rsqrt(options: Options, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> Rescale:
    """The constants of RSQRT; the multiplier is that of `2**20 / sqrt(steps)`."""
    (x,), (y,) = inputs, outputs
    real = 1 / float(np.sqrt(np.float32(x.scale)) * np.float32(y.scale)) / (1 << 20)
    return Rescale(-x.zero_point, Multiplier.of(real), output_of(y))


def rsqrt_scales(options: Options, inputs: Inputs[Tensor]) -> Scales:
    """The output scales of RSQRT: 0 stands for all that is below half a step of the input, 1 for the first above it."""
    (x,) = inputs
    first, lowest = 1 / math.sqrt(x.scale), 1 / math.sqrt(x.scale / 2)
    return Scales(counted(first).smallest, lowest / SPAN[x.dtype])


def run_rsqrt(constants: Rescale, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of RSQRT for int8; 0 gives the largest integer.

    Source: tensorflow/lite/micro/kernels/elementwise.cc, RsqrtEvalQuantized.
    """
    x = from_zero(arrays[0], constants.input_offset)
    inverse_q20 = inverse_square_root(np.maximum(x, 1), extra_bits=20)
    stored = constants.output.stored(constants.multiplier.times(inverse_q20))
    return (np.where(x == 0, np.int8(127), stored),)


ABS = OpSpec(
    name="ABS",
    counts=True,
    shapes=same_shape,
    pointwise=True,
    bounds=(0.0, math.inf),
    training=lambda ops: ops.abs,
    run_float=applies(np.abs),
    integer=Kernel(prepare_abs, run_abs),
    output_scales=rescaled,
    in_place=InPlace(),
    exact=False,
    version=version_by_type(int8=2, int16=3),
    keras={"ops.Absolute": operation_form("absolute", emits("ABS"))},
    examples=(Example(((1, 300),)), Example(((1, 8, 8, 3),), low=-5.0, high=1.0)),
)

NEG = OpSpec(
    name="NEG",
    counts=True,
    shapes=same_shape,
    pointwise=True,
    training=lambda ops: ops.negative,
    run_float=applies(np.negative),
    in_place=InPlace(),
    activations=frozenset(),
    micro=FLOAT_ONLY,
    examples=(Example(((1, 300),)), Example(((1, 8, 8, 3),))),
    note="LiteRT's integer kernel ignores the zero point; from Keras, a product with -1 stands for it",
)

SQUARE = OpSpec(
    name="SQUARE",
    shapes=same_shape,
    pointwise=True,
    bounds=(0.0, math.inf),
    training=lambda ops: ops.square,
    run_float=applies(np.square),
    in_place=InPlace(),
    activations=frozenset(),
    micro=FLOAT_ONLY,
    examples=(Example(((1, 300),)), Example(((1, 8, 8, 3),))),
    note="from Keras, a product of the tensor with itself stands for it",
)

SQRT = OpSpec(
    name="SQRT",
    shapes=same_shape,
    pointwise=True,
    bounds=(0.0, math.inf),
    training=sqrt_training,
    pole=True,
    of_product="MUL",
    run_float=applies(np.sqrt),
    integer=Kernel(prepare_sqrt, run_sqrt),
    output_scales=lambda options, inputs: counted(math.sqrt(largest_real(inputs[0]))),
    in_place=InPlace(),
    micro=FLOAT_ONLY,
    version=version_by_type(int8=2, int16=2),
    keras={"ops.Sqrt": operation_form("sqrt", emits("SQRT"))},
    examples=(Example(((1, 300),), low=0.0, high=4.0), Example(((1, 8, 8, 3),), low=0.5, high=90.0)),
)

RSQRT = OpSpec(
    name="RSQRT",
    shapes=same_shape,
    pointwise=True,
    bounds=(0.0, math.inf),
    training=lambda ops: saturating(ops, ops.rsqrt, ops.max),
    pole=True,
    of_product="MUL",
    run_float=applies(lambda x: np.float32(1) / np.sqrt(x)),
    integer=Kernel(prepare_rsqrt, run_rsqrt),
    output_scales=rsqrt_scales,
    in_place=InPlace(),
    activations=frozenset({DType.INT8}),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=version_by_type(int8=2, int16=3),
    note=NO_INT16_NEAR_ZERO,
    keras={"ops.Rsqrt": operation_form("rsqrt", emits("RSQRT"))},
    examples=(Example(((1, 300),), low=0.5, high=4.0), Example(((1, 8, 8, 3),), low=1.0, high=90.0)),
)

SPECS = (ABS, NEG, SQUARE, SQRT, RSQRT)
