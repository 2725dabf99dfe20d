"""CONCATENATION, PACK: several tensors become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Shape, Tensor
from octavo.ops.channelwise import along_channels, where_others_are_joined
from octavo.ops.fused import FusedActivation
from octavo.ops.identity import where_the_shape_stays
from octavo.ops.roles import SameAsInput
from octavo.ops.shape import moves, placeholder
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, OpSpec
from octavo.ops.version import version_by_type


@dataclass(frozen=True, slots=True)
class ConcatenationOptions(Options):
    """Options of CONCATENATION; TensorFlow Lite Micro applies no fused activation."""

    table = "ConcatenationOptions"
    axis: int = -1
    fused_activation_function: FusedActivation = FusedActivation.NONE


@dataclass(frozen=True, slots=True)
class PackOptions(Options):
    """Options of PACK."""

    table = "PackOptions"
    values_count: int = 0
    axis: int = 0


def concatenation_shapes(options: ConcatenationOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Lengths along the axis add up; the others agree."""
    return (np.concatenate([placeholder(x.shape) for x in inputs], options.axis).shape,)


def concatenation_float(options: ConcatenationOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of CONCATENATION."""
    return (np.concatenate(list(inputs), options.axis),)


def pack_shapes(options: PackOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """A dimension as long as there are inputs comes in at the axis; the inputs have one shape."""
    return (np.stack([placeholder(x.shape) for x in inputs], options.axis).shape,)


def pack_float(options: PackOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of PACK."""
    return (np.stack(list(inputs), options.axis),)


def lower_concatenate(b: Emitter, call: KerasCall) -> str:
    """keras.layers.Concatenate and keras.ops.concatenate."""
    axis = call.operation.axis % len(b.shape(call.inputs[0]))
    return b.emit("CONCATENATION", call.inputs, ConcatenationOptions(axis))


def concatenation_training(ops: Any) -> Any:
    """CONCATENATION on Keras tensors."""

    def run(*tensors: Any, axis: int) -> Any:
        return ops.concatenate(tensors, axis)

    return run


def lower_stack(b: Emitter, call: KerasCall) -> str:
    """keras.ops.stack."""
    axis = call.operation.axis % (len(b.shape(call.inputs[0])) + 1)
    return b.emit("PACK", call.inputs, PackOptions(len(call.inputs), axis))


CONCATENATION = OpSpec(
    name="CONCATENATION",
    options=ConcatenationOptions,
    outputs=(SameAsInput(moves=True),),
    variadic=True,
    shapes=concatenation_shapes,
    identity=where_the_shape_stays,
    channelwise=where_others_are_joined,
    joins_channels=along_channels,
    training=concatenation_training,
    run_float=concatenation_float,
    integer=moves(concatenation_float),
    version=version_by_type(int8=2, int16=3),
    keras={
        "layers.Concatenate": KerasForm(
            lower_concatenate, lambda keras: (lambda *xs: keras.layers.Concatenate()(xs), ((4, 3), (4, 2)))
        ),
        "ops.Concatenate": KerasForm(
            lower_concatenate, lambda keras: (lambda *xs: keras.ops.concatenate(xs, axis=1), ((4, 3), (2, 3)))
        ),
    },
    examples=(
        Example(((1, 4, 3), (1, 4, 2), (1, 4, 1)), options=ConcatenationOptions(2)),
        Example(((1, 4, 2, 3), (1, 1, 2, 3)), options=ConcatenationOptions(1)),
    ),
    note="up to ten inputs on TensorFlow Lite Micro",
)

PACK = OpSpec(
    name="PACK",
    options=PackOptions,
    outputs=(SameAsInput(moves=True, numbers_alone=True),),
    variadic=True,
    shapes=pack_shapes,
    training=lambda ops: lambda *values, axis: ops.stack(values, axis=axis),
    run_float=pack_float,
    integer=moves(pack_float),
    version=version_by_type(int8=2, int16=3),
    keras={
        "ops.Stack": KerasForm(lower_stack, lambda keras: (lambda *xs: keras.ops.stack(xs, axis=-1), ((4, 3), (4, 3)))),
    },
    examples=(
        Example(((1, 4), (1, 4), (1, 4)), options=PackOptions(3, 1)),
        Example(((1, 2, 3), (1, 2, 3)), options=PackOptions(2, 3)),
    ),
)

SPECS = (CONCATENATION, PACK)
