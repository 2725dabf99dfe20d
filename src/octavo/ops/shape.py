"""RESHAPE, TRANSPOSE, SQUEEZE, EXPAND_DIMS: values keep their number, only their places change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options, Shape, Tensor
from octavo.ops.channelwise import where_rows_of_channels_stay
from octavo.ops.identity import where_nothing_is_permuted, where_the_shape_stays
from octavo.ops.refuse import require_channels_last
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.spec import Emitter, Example, FloatKernel, InPlace, KerasCall, KerasForm, Kernel, OpSpec, Overlap


def moves(kernel: FloatKernel) -> Kernel[Options]:
    """The integer kernel of an operator that only moves values: the float one, on the integers themselves."""
    return Kernel(lambda options, inputs, outputs: options, kernel)


def integers(tensor: Tensor) -> tuple[int, ...]:
    """The values of a constant of shapes, axes, begins or sizes, flattened."""
    return tuple(int(value) for value in tensor.values.ravel())


def placeholder(shape: Shape) -> np.ndarray:
    """An array of this shape that takes no memory, to ask numpy about shapes."""
    return np.broadcast_to(np.int8(0), shape)


@dataclass(frozen=True, slots=True)
class ReshapeOptions(Options):
    """Options of RESHAPE; the shape operand, where present, counts and not `new_shape`."""

    table = "ReshapeOptions"
    new_shape: tuple[int, ...] = ()


def reshape_shapes(options: ReshapeOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Any shape of as many elements; one dimension may be -1."""
    x = inputs[0]
    wanted = integers(inputs[1]) if len(inputs) > 1 else options.new_shape
    known = int(np.prod([size for size in wanted if size != -1], dtype=np.int64))
    return (tuple(x.size // known if size == -1 else size for size in wanted),)


def reshape_float(options: ReshapeOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of RESHAPE."""
    x = inputs[0]
    return (x.reshape(inputs[1] if len(inputs) > 1 else options.new_shape),)


def batch_open(shape: Shape, source: Shape) -> Shape:
    """A RESHAPE's target from `source` with the batch, the leading dimension of both, left open (-1)."""
    return (-1, *shape[1:]) if shape[:1] == source[:1] else shape


def emit_reshape(b: Emitter, name: str, shape: Shape, *, suffix: str = "reshape") -> str:
    """Reshape tensor `name` to `shape`, batch included, and return the result's name.

    Where both begin with the same dimension it is the batch, written -1 so that the graph runs on other batch sizes.
    A leading -1 stays as well.
    """
    known = placeholder(b.shape(name)).reshape(shape).shape if -1 in shape[1:] else shape
    wanted = batch_open(known, b.shape(name))
    constant = b.constant(np.array(wanted, np.int32), f"{suffix}/shape" if suffix else "shape")
    return b.emit("RESHAPE", [name, constant], ReshapeOptions(), suffix=suffix)


def transpose_shapes(options: NoOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Dimension i of the result is dimension `permutation[i]` of the input."""
    x = inputs[0]
    return (tuple(x.shape[axis] for axis in integers(inputs[1])),)


def transpose_float(options: NoOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of TRANSPOSE."""
    x, permutation = inputs
    return (np.ascontiguousarray(x.transpose(permutation)),)


def transpose_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """TRANSPOSE: float 1, int8 2, five dimensions 4, int16 5, six dimensions 6.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    x = inputs[0]
    by_rank = {5: 4, 6: 6}.get(len(x.shape), 1)
    return max(by_rank, {DType.INT8: 2, DType.INT16: 5}.get(x.dtype, 1))


def emit_transpose(b: Emitter, name: str, permutation: Sequence[int], *, suffix: str = "transpose") -> str:
    """Permute the dimensions of tensor `name`, batch included, and return the result's name."""
    constant = b.constant(np.array(permutation, np.int32), f"{suffix}/permutation" if suffix else "permutation")
    return b.emit("TRANSPOSE", [name, constant], suffix=suffix)


@dataclass(frozen=True, slots=True)
class SqueezeOptions(Options):
    """Options of SQUEEZE; no dimension named means every one of length 1."""

    table = "SqueezeOptions"
    squeeze_dims: tuple[int, ...] = ()


def squeeze_shapes(options: SqueezeOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Dimensions of length 1 fall out."""
    x = inputs[0]
    return (placeholder(x.shape).squeeze(options.squeeze_dims or None).shape,)


def squeeze_float(options: SqueezeOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of SQUEEZE."""
    x = inputs[0]
    return (x.squeeze(options.squeeze_dims or None),)


def expand_dims_shapes(options: NoOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """A dimension of length 1 comes in at `axis`."""
    x = inputs[0]
    return (np.expand_dims(placeholder(x.shape), integers(inputs[1])[0]).shape,)


def expand_dims_float(options: NoOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of EXPAND_DIMS."""
    x, axis = inputs
    return (np.expand_dims(x, int(axis.ravel()[0])),)


def emit_expand_dims(b: Emitter, name: str, axis: int, *, suffix: str = "expanded") -> str:
    """Tensor `name` with a dimension of length 1 at `axis`, batch included."""
    return emit_reshape(b, name, np.expand_dims(placeholder(b.shape(name)), axis).shape, suffix=suffix)


def _reshaping(
    shape: Callable[[Any, Shape], Shape], example: Callable[[Any], tuple[Callable[..., Any], tuple[Shape, ...]]]
) -> KerasForm:
    """The form of a call that only changes the shape: to `shape(operation, input shape)`."""

    def lower(b: Emitter, call: KerasCall) -> str:
        return emit_reshape(b, call.inputs[0], shape(call.operation, b.shape(call.inputs[0])), suffix="")

    return KerasForm(lower, example)


def _layer_shape(layer: Any, shape: Shape) -> Shape:
    return tuple(layer.compute_output_shape(shape))


def _flatten_shape(layer: Any, shape: Shape) -> Shape:
    if len(shape) > 2:
        require_channels_last(layer)
    return _layer_shape(layer, shape)


def _reshape_shape(operation: Any, shape: Shape) -> Shape:
    known = placeholder(shape).reshape(operation.newshape).shape
    return (-1, *known[1:]) if operation.newshape[:1] == (-1,) else known


def _expand_dims_shape(operation: Any, shape: Shape) -> Shape:
    axis = operation.axis
    return np.expand_dims(placeholder(shape), axis if isinstance(axis, int) else tuple(axis)).shape


def _squeeze_shape(operation: Any, shape: Shape) -> Shape:
    """The batch, 1 here and any size in Keras, stays unless it is named."""
    axis = operation.axis
    if axis is None:
        axis = [i for i, size in enumerate(shape) if size == 1 and i > 0]
    return placeholder(shape).squeeze(axis if isinstance(axis, int) else tuple(axis)).shape


def _transposing(
    permutation: Callable[[Any, int], Sequence[int]],
    example: Callable[[Any], tuple[Callable[..., Any], tuple[Shape, ...]]],
) -> KerasForm:
    """The form of a call that only permutes dimensions: by `permutation(operation, rank)`."""

    def lower(b: Emitter, call: KerasCall) -> str:
        rank = len(b.shape(call.inputs[0]))
        return emit_transpose(b, call.inputs[0], permutation(call.operation, rank), suffix="")

    return KerasForm(lower, example)


def _transpose_permutation(operation: Any, rank: int) -> Sequence[int]:
    return range(rank - 1, -1, -1) if operation.axes is None else [axis % rank for axis in operation.axes]


def _swapped_permutation(operation: Any, rank: int) -> Sequence[int]:
    return np.swapaxes(placeholder(tuple(range(rank))), operation.axis1, operation.axis2).shape


def _moved_permutation(operation: Any, rank: int) -> Sequence[int]:
    return np.moveaxis(placeholder(tuple(range(rank))), operation.source, operation.destination).shape


RESHAPE = OpSpec(
    name="RESHAPE",
    options=ReshapeOptions,
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=reshape_shapes,
    identity=where_the_shape_stays,
    training=lambda ops: lambda x, shape: ops.reshape(x, tuple(int(size) for size in shape)),
    channelwise=where_rows_of_channels_stay,
    passes_offsets=True,
    run_float=reshape_float,
    integer=moves(reshape_float),
    in_place=InPlace(overlap=Overlap.ALIAS),
    micro=frozenset({DType.FLOAT32, DType.INT8, DType.INT16, DType.INT32, DType.BOOL}),
    keras={
        "layers.Flatten": _reshaping(_flatten_shape, lambda keras: (keras.layers.Flatten(), ((4, 3, 2),))),
        "layers.Reshape": _reshaping(_layer_shape, lambda keras: (keras.layers.Reshape((2, -1)), ((4, 3),))),
        "ops.Reshape": _reshaping(
            _reshape_shape, lambda keras: (lambda x: keras.ops.reshape(x, (-1, 6, 2)), ((4, 3),))
        ),
        "ops.ExpandDims": _reshaping(
            _expand_dims_shape, lambda keras: (lambda x: keras.ops.expand_dims(x, -1), ((4, 3),))
        ),
        "ops.Squeeze": _reshaping(_squeeze_shape, lambda keras: (lambda x: keras.ops.squeeze(x, axis=2), ((4, 1, 3),))),
    },
    examples=(
        Example(((1, 4, 6), None), {1: np.array([-1, 24], np.int32)}, ReshapeOptions()),
        Example(((1, 2, 3, 4), None), {1: np.array([1, 6, 2, 2], np.int32)}, ReshapeOptions()),
    ),
)

TRANSPOSE = OpSpec(
    name="TRANSPOSE",
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=transpose_shapes,
    identity=where_nothing_is_permuted,
    training=lambda ops: lambda x, axes: ops.transpose(x, tuple(int(axis) for axis in axes)),
    run_float=transpose_float,
    integer=moves(transpose_float),
    version=transpose_version,
    keras={
        "layers.Permute": _transposing(
            lambda layer, rank: (0, *layer.dims), lambda keras: (keras.layers.Permute((2, 1)), ((4, 3),))
        ),
        "ops.Transpose": _transposing(
            _transpose_permutation, lambda keras: (lambda x: keras.ops.transpose(x, (0, 3, 1, 2)), ((4, 3, 2),))
        ),
        "ops.Swapaxes": _transposing(
            _swapped_permutation, lambda keras: (lambda x: keras.ops.swapaxes(x, 1, -1), ((4, 3, 2),))
        ),
        "ops.Moveaxis": _transposing(
            _moved_permutation, lambda keras: (lambda x: keras.ops.moveaxis(x, -1, 1), ((4, 3, 2),))
        ),
    },
    examples=(
        Example(((1, 4, 6), None), {1: np.array([0, 2, 1], np.int32)}),
        Example(((1, 2, 3, 4), None), {1: np.array([0, 3, 1, 2], np.int32)}),
        Example(((1, 2, 3, 4, 2), None), {1: np.array([0, 4, 1, 3, 2], np.int32)}),
    ),
)

SQUEEZE = OpSpec(
    name="SQUEEZE",
    options=SqueezeOptions,
    outputs=(SameAsInput(moves=True),),
    shapes=squeeze_shapes,
    identity=where_the_shape_stays,
    channelwise=where_rows_of_channels_stay,
    passes_offsets=True,
    run_float=squeeze_float,
    integer=moves(squeeze_float),
    in_place=InPlace(overlap=Overlap.ALIAS),
    examples=(
        Example(((1, 4, 1, 6),), options=SqueezeOptions((2,))),
        Example(((1, 1, 3, 1),), options=SqueezeOptions((-3, -1))),
    ),
)

EXPAND_DIMS = OpSpec(
    name="EXPAND_DIMS",
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=expand_dims_shapes,
    identity=where_the_shape_stays,
    channelwise=where_rows_of_channels_stay,
    passes_offsets=True,
    run_float=expand_dims_float,
    integer=moves(expand_dims_float),
    in_place=InPlace(overlap=Overlap.ALIAS),
    examples=(
        Example(((1, 4), None), {1: np.array([1], np.int32)}),
        Example(((1, 4, 3), None), {1: np.array(-1, np.int32)}),
    ),
)

SPECS: tuple[OpSpec, ...] = (RESHAPE, TRANSPOSE, SQUEEZE, EXPAND_DIMS)
