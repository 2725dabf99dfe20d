"""ABS, NEG, SQUARE, SQRT, RSQRT: arithmetic on one tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Options, Tensor
from octavo.numerics.transcendental import inverse_square_root
from octavo.ops.activation import same_shape
from octavo.ops.forms import emits, operation_form
from octavo.ops.lookup import FLOAT_ONLY, NO_INT16_NEAR_ZERO
from octavo.ops.poles import saturating, sqrt_training
from octavo.ops.spec import Example, Operand, OpSpec
from octavo.ops.steps import applies, multiplied, rescaled, scale_of, steps_of, stored
from octavo.ops.version import version_by_type


def abs_integer(
    options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of ABS.

    Source: tensorflow/lite/micro/kernels/elementwise.cc, AbsEvalQuantized.
    """
    (x,), (y,) = inputs, outputs
    assert x is not None
    return (stored(rescaled(np.abs(steps_of(x)), x, y), y),)


def sqrt_integer(
    options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of SQRT: computed in float32 and cut off, not rounded.

    Source: tflite/kernels/elementwise.cc, SqrtEvalQuantized.
    """
    (x,), (y,) = inputs, outputs
    assert x is not None
    reals = np.float32(x.scale[0]) * steps_of(x).astype(np.float32)
    return (stored(np.trunc(np.sqrt(reals) / scale_of(y)).astype(np.int64), y),)


def rsqrt_integer(
    options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of RSQRT for int8; 0 gives the largest integer.

    Source: tensorflow/lite/micro/kernels/elementwise.cc, RsqrtEvalQuantized.
    """
    (x,), (y,) = inputs, outputs
    assert x is not None
    steps = steps_of(x)
    inverse_q20 = inverse_square_root(np.maximum(steps, 1), extra_bits=20)
    real = 1 / float(np.sqrt(np.float32(x.scale[0])) * scale_of(y)) / (1 << 20)
    return (np.where(steps == 0, np.int8(127), stored(multiplied(inverse_q20, real), y)),)


ABS = OpSpec(
    name="ABS",
    shapes=same_shape,
    bounds=(0.0, math.inf),
    training=lambda ops: ops.abs,
    run_float=applies(np.abs),
    run_integer=abs_integer,
    exact=False,
    version=version_by_type(int8=2, int16=3),
    keras={"ops.Absolute": operation_form("absolute", emits("ABS"))},
    examples=(Example(((1, 300),)), Example(((1, 8, 8, 3),), low=-5.0, high=1.0)),
)

NEG = OpSpec(
    name="NEG",
    shapes=same_shape,
    training=lambda ops: ops.negative,
    run_float=applies(np.negative),
    activations=frozenset(),
    micro=FLOAT_ONLY,
    examples=(Example(((1, 300),)), Example(((1, 8, 8, 3),))),
    note="LiteRT's integer kernel ignores the zero point; from Keras, a product with -1 stands for it",
)

SQUARE = OpSpec(
    name="SQUARE",
    shapes=same_shape,
    bounds=(0.0, math.inf),
    training=lambda ops: ops.square,
    run_float=applies(np.square),
    activations=frozenset(),
    micro=FLOAT_ONLY,
    examples=(Example(((1, 300),)), Example(((1, 8, 8, 3),))),
    note="from Keras, a product of the tensor with itself stands for it",
)

SQRT = OpSpec(
    name="SQRT",
    shapes=same_shape,
    bounds=(0.0, math.inf),
    training=sqrt_training,
    pole=True,
    run_float=applies(np.sqrt),
    run_integer=sqrt_integer,
    micro=FLOAT_ONLY,
    version=version_by_type(int8=2, int16=2),
    keras={"ops.Sqrt": operation_form("sqrt", emits("SQRT"))},
    examples=(Example(((1, 300),), low=0.0, high=4.0), Example(((1, 8, 8, 3),), low=0.5, high=90.0)),
)

RSQRT = OpSpec(
    name="RSQRT",
    shapes=same_shape,
    bounds=(0.0, math.inf),
    training=lambda ops: saturating(ops, ops.rsqrt, ops.max),
    pole=True,
    run_float=applies(lambda x: np.float32(1) / np.sqrt(x)),
    run_integer=rsqrt_integer,
    activations=frozenset({DType.INT8}),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=version_by_type(int8=2, int16=3),
    note=NO_INT16_NEAR_ZERO,
    keras={"ops.Rsqrt": operation_form("rsqrt", emits("RSQRT"))},
    examples=(Example(((1, 300),), low=0.5, high=4.0), Example(((1, 8, 8, 3),), low=1.0, high=90.0)),
)

SPECS = (ABS, NEG, SQUARE, SQRT, RSQRT)
