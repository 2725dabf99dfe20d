"""TILE, BROADCAST_TO, REVERSE_V2, UNPACK, ONE_HOT: values copied, turned round or laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options, Shape, Tensor
from octavo.ops.axes import named_axes
from octavo.ops.identity import where_the_shape_stays
from octavo.ops.refuse import refuse
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.shape import emit_reshape, integers, moves
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, OpSpec
from octavo.ops.version import version_by_type


def _ints(*values: object) -> np.ndarray:
    return np.array(values, np.int32)


def tile_shapes(options: NoOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Each dimension as often as its multiple says."""
    x, multiples = inputs
    return (tuple(size * times for size, times in zip(x.shape, integers(multiples), strict=True)),)


def tile_float(options: NoOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of TILE."""
    x, multiples = inputs
    return (np.tile(x, multiples.tolist()),)


def emit_tile(b: Emitter, name: str, multiples: Sequence[int], *, suffix: str = "tile") -> str:
    """Tile tensor `name`, batch included."""
    return b.emit(
        "TILE", [name, b.constant(_ints(*multiples), f"{suffix}/multiples" if suffix else "multiples")], suffix=suffix
    )


def lower_tile(b: Emitter, call: KerasCall) -> str:
    """keras.ops.tile; fewer numbers than dimensions are of the last ones, more of new ones before the first."""
    (x,), repeats = call.inputs, np.atleast_1d(call.operation.repeats).tolist()
    missing = len(repeats) - len(b.shape(x))
    if missing > 0:
        x = emit_reshape(b, x, (*[1] * missing, *b.shape(x)))
    return emit_tile(b, x, [1] * -missing + repeats, suffix="")


def broadcast_to_shapes(options: NoOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """The shape that is wanted."""
    x, shape = inputs
    return (np.broadcast_shapes(x.shape, integers(shape)),)


def broadcast_to_float(options: NoOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of BROADCAST_TO."""
    x, shape = inputs
    return (np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape.tolist()))).copy(),)


def reverse_float(options: NoOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of REVERSE_V2."""
    x, axes = inputs
    return (np.flip(x, tuple(axes.ravel().tolist())).copy(),)


def emit_reverse(b: Emitter, name: str, axes: Sequence[int], *, suffix: str = "reverse") -> str:
    """Turn tensor `name` round along axes, batch included in their count."""
    return b.emit("REVERSE_V2", [name, b.constant(_ints(*axes), f"{suffix}/axes" if suffix else "axes")], suffix=suffix)


def lower_flip(b: Emitter, call: KerasCall) -> str:
    """keras.ops.flip."""
    (x,) = call.inputs
    # TensorFlow Lite Micro and LiteRT turn one axis round at a time.
    for axis in named_axes(len(b.shape(x)), call.operation.axis):
        x = emit_reverse(b, x, [axis]) if b.shape(x)[axis] > 1 else x
    return x


@dataclass(frozen=True, slots=True)
class UnpackOptions(Options):
    """Options of UNPACK."""

    table = "UnpackOptions"
    num: int = 0
    axis: int = 0


def unpack_shapes(options: UnpackOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """As many results as the axis is long, without it."""
    x = inputs[0]
    axis = options.axis % len(x.shape)
    return ((*x.shape[:axis], *x.shape[axis + 1 :]),) * options.num


def unpack_float(options: UnpackOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of UNPACK."""
    x = inputs[0]
    return tuple(np.array(part) for part in np.moveaxis(x, options.axis, 0))


def lower_unstack(b: Emitter, call: KerasCall) -> tuple[str, ...]:
    """keras.ops.unstack.

    Raises:
        UnsupportedLayerError: for another number of parts than the axis is long, as that of a batch is.
    """
    operation, (x,) = call.operation, call.inputs
    shape = b.shape(x)
    axis = operation.axis % len(shape)
    if operation.num not in (None, shape[axis]):
        raise refuse(
            operation,
            got=f"num={operation.num} along axis {axis}",
            expected=f"{shape[axis]} parts, its length in a file, whose batch is 1",
            fix="name an axis of a sample, as in keras.ops.unstack(x, axis=1)",
        )
    return b.emit_many("UNPACK", [x], UnpackOptions(shape[axis], axis), outputs=shape[axis])


@dataclass(frozen=True, slots=True)
class OneHotOptions(Options):
    """Options of ONE_HOT: where the dimension of the classes comes in."""

    table = "OneHotOptions"
    axis: int = -1


def one_hot_shapes(options: OneHotOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """A dimension as long as there are classes comes in at the axis."""
    x, depth = inputs[0], integers(inputs[1])[0]
    return (tuple(np.insert(x.shape, options.axis % (len(x.shape) + 1), depth).tolist()),)


def one_hot_types(options: OneHotOptions, inputs: Inputs[Tensor]) -> tuple[DType, ...]:
    """The type of the two values."""
    return (inputs[2].dtype,)


def one_hot_float(options: OneHotOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of ONE_HOT; an index outside of the classes has none."""
    x, depth, on, off = inputs
    axis = options.axis % (x.ndim + 1)
    classes = np.arange(int(depth.ravel()[0])).reshape([-1, *[1] * (x.ndim - axis)])
    return (np.where(np.expand_dims(x, axis) == classes, on, off),)


def one_hot_training(ops: Any) -> Any:
    """ONE_HOT on Keras tensors."""

    def run(x: Any, depth: Any, on: Any, off: Any, *, axis: int) -> Any:
        behind = 0 if axis == -1 else len(x.shape) - axis
        classes = ops.reshape(ops.arange(int(depth.reshape(()))), (-1, *[1] * behind))
        return ops.cast(ops.equal(ops.expand_dims(x, axis), classes), "float32") * (on - off) + off

    return run


TILE = OpSpec(
    name="TILE",
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=tile_shapes,
    identity=where_the_shape_stays,
    training=lambda ops: lambda x, multiples: ops.tile(x, tuple(int(times) for times in multiples)),
    run_float=tile_float,
    integer=moves(tile_float),
    micro=frozenset(),
    version=version_by_type(),
    keras={"ops.Tile": KerasForm(lower_tile, lambda keras: (lambda x: keras.ops.tile(x, (1, 2, 3)), ((4, 6),)))},
    examples=(
        Example(((1, 4, 3), None), {1: _ints(1, 2, 3)}),
        Example(((1, 5), None), {1: _ints(1, 4)}, low=-1.0, high=5.0),
    ),
)

BROADCAST_TO = OpSpec(
    name="BROADCAST_TO",
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=broadcast_to_shapes,
    identity=where_the_shape_stays,
    training=lambda ops: lambda x, shape: x + ops.zeros(tuple(int(size) for size in shape), x.dtype),
    run_float=broadcast_to_float,
    integer=moves(broadcast_to_float),
    version=version_by_type(int8=2, int16=3, other=2),
    examples=(
        Example(((1, 1, 3), None), {1: _ints(1, 4, 3)}),
        Example(((1, 5), None), {1: _ints(2, 3, 5)}, low=-1.0, high=5.0),
    ),
)

REVERSE_V2 = OpSpec(
    name="REVERSE_V2",
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=lambda options, inputs: (inputs[0].shape,),
    training=lambda ops: lambda x, axes: ops.flip(x, tuple(int(axis) for axis in axes.reshape(-1))),
    run_float=reverse_float,
    integer=moves(reverse_float),
    micro=frozenset({DType.FLOAT32, DType.INT8, DType.INT16, DType.INT32, DType.BOOL}),
    version=version_by_type(int8=3, int16=3),
    keras={"ops.Flip": KerasForm(lower_flip, lambda keras: (lambda x: keras.ops.flip(x, axis=(1, 2)), ((4, 6),)))},
    examples=(
        Example(((1, 4, 3), None), {1: _ints(1)}),
        Example(((1, 5, 2, 3), None), {1: _ints(2)}, low=-1.0, high=5.0),
    ),
)

UNPACK = OpSpec(
    name="UNPACK",
    options=UnpackOptions,
    outputs=(SameAsInput(moves=True),),
    shapes=unpack_shapes,
    training=lambda ops: lambda x, num, axis: ops.unstack(x, num, axis=axis),
    run_float=unpack_float,
    integer=moves(unpack_float),
    version=version_by_type(int8=2, int16=4),
    keras={
        "ops.Unstack": KerasForm(lower_unstack, lambda keras: (lambda x: keras.ops.unstack(x, axis=1)[1], ((4, 6),)))
    },
    examples=(
        Example(((1, 3, 4),), options=UnpackOptions(3, 1)),
        Example(((1, 5, 2),), options=UnpackOptions(2, -1), low=-1.0, high=5.0),
    ),
)

ONE_HOT = OpSpec(
    name="ONE_HOT",
    options=OneHotOptions,
    inputs=(Parameter(), Parameter(), Data(), Data()),
    shapes=one_hot_shapes,
    types=one_hot_types,
    training=one_hot_training,
    run_float=one_hot_float,
    activations=frozenset(),
    micro=frozenset(),
    examples=(
        Example(
            ((1, 5), None, None, None),
            {1: np.array(4, np.int32), 2: np.array(1, np.float32), 3: np.array(0, np.float32)},
            OneHotOptions(),
            dtypes={0: DType.INT32},
        ),
        Example(
            ((1, 5), None, None, None),
            {1: np.array(3, np.int32), 2: np.array(0.5, np.float32), 3: np.array(-1, np.float32)},
            OneHotOptions(1),
            dtypes={0: DType.INT32},
        ),
    ),
)

SPECS = (TILE, BROADCAST_TO, REVERSE_V2, UNPACK, ONE_HOT)
