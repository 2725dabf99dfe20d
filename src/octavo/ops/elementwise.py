"""ADD, SUB, MUL, DIV, SQUARED_DIFFERENCE, MAXIMUM, MINIMUM: arithmetic on two tensors, element by element."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options, Tensor
from octavo.ops import elementwise_kernels as kernels
from octavo.ops.channelwise import where_channels_meet_their_own
from octavo.ops.elementwise_kernels import AddOptions, DivOptions, MulOptions, SubOptions
from octavo.ops.elementwise_layers import lower_divide, merging_form, operation_of_two_form
from octavo.ops.fused import FusedActivation
from octavo.ops.pointwise import applies
from octavo.ops.roles import Data, SameAsOutput
from octavo.ops.shape import moves
from octavo.ops.signs import as_factors, as_operands
from octavo.ops.spec import Example, InPlace, KerasForm, OpSpec, Version
from octavo.ops.version import version_by_type


def _stretches_beyond_four(inputs: Inputs[Tensor]) -> bool:
    """Whether an input is broadcast in more than four dimensions."""
    shapes = [tensor.shape for tensor in inputs]
    return shapes[0] != shapes[1] and max(map(len, shapes)) > 4


def version_by_rank(*, int8: int, int16: int, wide: int) -> Version:
    """A version rule by type, where broadcasting beyond four dimensions demands at least `wide`.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    by_type = version_by_type(int8=int8, int16=int16)

    def version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
        return max(by_type(inputs, outputs), wide if _stretches_beyond_four(inputs) else 1)

    return version


def mul_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """MUL: int8 2, 3 where the product of the input scales is not below the output's, int16 4.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    a, b, y = inputs[0], inputs[1], outputs[0]
    version = version_by_type(int8=2, int16=4)(inputs, outputs)
    if version != 2 or a.quantization is None or b.quantization is None or y.quantization is None:
        return version
    return 3 if a.quantization.scale[0] * b.quantization.scale[0] / y.quantization.scale[0] >= 1 else 2


def division_by(divisor: np.ndarray, first: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Scale and offset of a division by a constant; none of a constant by something, or by 0."""
    return None if first or not divisor.all() else (1.0 / divisor, np.zeros(()))


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(-2, 3, shape).astype(np.float32)


def _examples(options: Options, clamped: Options) -> tuple[Example, ...]:
    """Equal shapes, both kinds of broadcasting, constants at either side, a scalar, and a fused activation."""
    return (
        Example(((1, 5, 4, 3), (1, 5, 4, 3)), options=options),
        Example(((1, 5, 4, 3), (1, 1, 4, 1)), options=clamped, low=-1.0, high=6.0),
        Example(((1, 5, 4, 3), None), {1: _random(3)}, options),
        Example((None, (1, 40)), {0: _random(1, 40)}, options, low=-0.1, high=20.0),
        Example(((1, 40), None), {1: np.array(0.75, np.float32)}, clamped),
        Example(((1, 2, 3, 2, 4), (3, 1, 4)), options=options),
    )


def _pair_forms(op: str, options: Options, layer: str, inputs: int) -> dict[str, KerasForm]:
    """The forms of a merging layer and of the operation of the same name."""
    commutes = layer != "Subtract"
    return {
        f"layers.{layer}": merging_form(op, options, layer, inputs),
        f"ops.{layer}": operation_of_two_form(op, options, layer.lower(), commutes=commutes),
    }


def _division(function: str) -> KerasForm:
    divisor = np.array([2.0, -3.0, 0.5], np.float32)
    return KerasForm(lower_divide, lambda keras: (lambda x: getattr(keras.ops, function)(x, divisor), ((4, 3),)))


ADD = OpSpec(
    name="ADD",
    counts=True,
    options=AddOptions,
    inputs=(Data(), Data()),
    shapes=kernels.broadcast_shape,
    pointwise=True,
    affine=lambda constant, first: (np.ones(()), constant),
    training=lambda ops: ops.add,
    channelwise=where_channels_meet_their_own,
    passes_offsets=True,
    positive=as_operands,
    run_float=kernels.arithmetic_float(np.add),
    integer=kernels.sum_integer(1),
    output_scales=kernels.sum_scales(largest_factor=256.0),
    in_place=InPlace((0, 1)),
    micro=frozenset({DType.FLOAT32, DType.INT8, DType.INT16, DType.INT32}),
    fuses=True,
    version=version_by_type(int8=2, int16=3),
    keras=_pair_forms("ADD", AddOptions(), "Add", 3),
    examples=_examples(AddOptions(), AddOptions(FusedActivation.RELU)),
)

SUB = OpSpec(
    name="SUB",
    counts=True,
    options=SubOptions,
    inputs=(Data(), Data()),
    shapes=kernels.broadcast_shape,
    pointwise=True,
    affine=lambda constant, first: (-np.ones(()), constant) if first else (np.ones(()), -constant),
    training=lambda ops: ops.subtract,
    channelwise=where_channels_meet_their_own,
    run_float=kernels.arithmetic_float(np.subtract),
    integer=kernels.sum_integer(-1),
    output_scales=kernels.sum_scales(largest_factor=math.inf),
    in_place=InPlace((0, 1)),
    fuses=True,
    version=version_by_rank(int8=2, int16=5, wide=3),
    keras=_pair_forms("SUB", SubOptions(), "Subtract", 2),
    examples=_examples(SubOptions(), SubOptions(FusedActivation.RELU6)),
)

MUL = OpSpec(
    name="MUL",
    counts=True,
    options=MulOptions,
    inputs=(Data(), Data()),
    shapes=kernels.broadcast_shape,
    pointwise=True,
    affine=lambda constant, first: (constant, np.zeros(())),
    training=lambda ops: ops.multiply,
    positive=as_factors,
    run_float=kernels.arithmetic_float(np.multiply),
    integer=kernels.MUL_KERNEL,
    output_scales=kernels.product_scales,
    in_place=InPlace((0, 1)),
    fuses=True,
    exact=False,
    version=mul_version,
    keras=_pair_forms("MUL", MulOptions(), "Multiply", 3),
    examples=_examples(MulOptions(), MulOptions(FusedActivation.RELU_N1_TO_1)),
)

DIV = OpSpec(
    name="DIV",
    options=DivOptions,
    inputs=(Data(), Data()),
    shapes=kernels.broadcast_shape,
    pointwise=True,
    affine=division_by,
    unbounded=True,
    training=lambda ops: ops.divide,
    positive=as_operands,
    run_float=kernels.arithmetic_float(np.divide),
    in_place=InPlace((0, 1)),
    activations=frozenset(),
    micro=frozenset({DType.FLOAT32}),
    fuses=True,
    version=version_by_rank(int8=1, int16=1, wide=2),
    keras={"ops.Divide": _division("divide"), "ops.TrueDivide": _division("true_divide")},
    examples=(
        Example(((1, 5, 4, 3), (1, 5, 4, 3)), options=DivOptions(), low=0.5),
        Example(((1, 5, 4, 3), None), {1: np.array([2.0, -3.0, 0.5], np.float32)}, DivOptions(FusedActivation.RELU)),
    ),
    note="float only: the int8 kernels shift too far where a quotient is small; by a constant, it becomes MUL",
)

SQUARED_DIFFERENCE = OpSpec(
    name="SQUARED_DIFFERENCE",
    counts=True,
    inputs=(Data(), Data()),
    shapes=kernels.broadcast_shape,
    pointwise=True,
    bounds=(0.0, math.inf),
    training=lambda ops: lambda x, y: ops.square(x - y),
    run_float=applies(lambda a, b: np.square(a - b)),
    integer=kernels.SQUARED_DIFFERENCE_KERNEL,
    output_scales=kernels.squared_difference_scales,
    in_place=InPlace((0, 1)),
    activations=frozenset({DType.INT8}),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    exact=False,
    version=version_by_type(int8=2, int16=2),
    examples=_examples(NoOptions(), NoOptions()),
)

MAXIMUM = OpSpec(
    name="MAXIMUM",
    inputs=(Data(), Data()),
    outputs=(SameAsOutput(moves=True, numbers_alone=True),),
    shapes=kernels.broadcast_shape,
    pointwise=True,
    training=lambda ops: ops.maximum,
    channelwise=where_channels_meet_their_own,
    run_float=applies(np.maximum),
    integer=moves(applies(np.maximum)),
    in_place=InPlace((0, 1)),
    version=version_by_rank(int8=2, int16=4, wide=3),
    keras=_pair_forms("MAXIMUM", NoOptions(), "Maximum", 3),
    examples=_examples(NoOptions(), NoOptions()),
)

MINIMUM = OpSpec(
    name="MINIMUM",
    inputs=(Data(), Data()),
    outputs=(SameAsOutput(moves=True, numbers_alone=True),),
    shapes=kernels.broadcast_shape,
    pointwise=True,
    training=lambda ops: ops.minimum,
    channelwise=where_channels_meet_their_own,
    run_float=applies(np.minimum),
    integer=moves(applies(np.minimum)),
    in_place=InPlace((0, 1)),
    version=version_by_rank(int8=2, int16=4, wide=3),
    keras=_pair_forms("MINIMUM", NoOptions(), "Minimum", 3),
    examples=_examples(NoOptions(), NoOptions()),
)

SPECS = (ADD, SUB, MUL, DIV, SQUARED_DIFFERENCE, MAXIMUM, MINIMUM)
