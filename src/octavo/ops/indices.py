"""GATHER, GATHER_ND, SHAPE: values at given places, and how many places there are."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Shape, Tensor
from octavo.ops.cast import emit_cast
from octavo.ops.refuse import refuse
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.shape import emit_reshape, moves
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, OpSpec, TensorRef
from octavo.ops.version import version_by_type


@dataclass(frozen=True, slots=True)
class GatherOptions(Options):
    """Options of GATHER.

    Attributes:
        axis: The dimension that indices count along; those of the indices take its place.
        batch_dims: Leading dimensions that data and indices share; each part has indices of its own.
    """

    table = "GatherOptions"
    axis: int = 0
    batch_dims: int = 0


def gather_shapes(options: GatherOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """The dimensions of the indices, but for the shared ones, in place of the axis."""
    x, indices = inputs
    axis = options.axis % len(x.shape)
    return ((*x.shape[:axis], *indices.shape[options.batch_dims % (len(indices.shape) + 1) :], *x.shape[axis + 1 :]),)


def gather_float(options: GatherOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of GATHER."""
    x, indices = inputs
    return (_gather(x, indices, options.axis % x.ndim, options.batch_dims % (indices.ndim + 1)),)


def _gather(x: np.ndarray, indices: np.ndarray, axis: int, shared: int) -> np.ndarray:
    if not shared:
        return np.take(x, indices, axis)
    return np.stack([_gather(*pair, axis - 1, shared - 1) for pair in zip(x, indices, strict=True)])


def gather_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """GATHER: float 1, int8 2, int16 4, with shared dimensions 5.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    if len(outputs[0].shape) < len(inputs[0].shape) + len(inputs[1].shape) - 1:
        return 5
    return {DType.INT8: 2, DType.INT16: 4}.get(inputs[0].dtype, 1)


def gather_nd_shapes(options: Options, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """For each place, what lies there: a place has an index for each of the first dimensions, or for all."""
    x, places = inputs
    return ((*places.shape[:-1], *x.shape[places.shape[-1] :]),)


def gather_nd_float(options: Options, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of GATHER_ND."""
    x, places = inputs
    return (x[tuple(np.moveaxis(places, -1, 0))],)


class IndexType(enum.IntEnum):
    """Types of indices, as the schema numbers them."""

    INT32 = 2
    INT64 = 4


@dataclass(frozen=True, slots=True)
class ShapeOptions(Options):
    """Options of SHAPE: the type of the lengths."""

    table = "ShapeOptions"
    out_type: IndexType = IndexType.INT32


def shape_shapes(options: ShapeOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """One length for each dimension."""
    return ((len(inputs[0].shape),),)


def shape_float(options: ShapeOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of SHAPE."""
    return (np.array(inputs[0].shape, options.out_type.name.lower()),)


def gather_training(ops: Any) -> Any:
    """GATHER on Keras tensors."""

    def run(x: Any, indices: Any, *, axis: int, batch_dims: int) -> Any:
        if not batch_dims:
            return ops.take(x, indices, axis=axis)
        inner = {"axis": axis - 1 if axis > 0 else axis, "batch_dims": batch_dims - 1}
        both = (ops.convert_to_tensor(x), ops.convert_to_tensor(indices))
        return ops.vectorized_map(lambda pair: run(*pair, **inner), both)

    return run


def lower_take(b: Emitter, call: KerasCall) -> str:
    """keras.ops.take along an axis, or of all values in a row, at constant places or at those of a tensor.

    Raises:
        UnsupportedLayerError: for constant places beyond the axis, as those in a batch are.
    """
    operation, (data, places) = call.operation, (*call.args, *call.kwargs.values())
    source = data.name if isinstance(data, TensorRef) else b.constant(np.asarray(data, np.float32), "data")
    if operation.axis is None:
        source = emit_reshape(b, source, (-1,), suffix="row")
    shape = b.shape(source)
    axis = 0 if operation.axis is None else operation.axis % len(shape)
    if isinstance(places, TensorRef):
        return b.emit("GATHER", [source, emit_cast(b, places.name, DType.INT32)], GatherOptions(axis))
    constant = np.asarray(places)
    indices = np.where(constant < 0, constant + shape[axis], constant).astype(np.int32)
    if indices.size and not 0 <= indices.min() <= indices.max() < shape[axis]:
        raise refuse(
            operation,
            got=f"indices from {constant.min()} to {constant.max()} along axis {axis}",
            expected=f"indices below {shape[axis]}, its length in a file, whose batch is 1",
            fix="take values of a sample, along an axis from 1 on",
        )
    taken = b.emit("GATHER", [source, b.constant(indices, "indices")], GatherOptions(axis))
    # A constant of no dimensions is stored with one.
    return taken if constant.ndim else emit_reshape(b, taken, (*shape[:axis], *shape[axis + 1 :]))


def _indices(*values: object) -> np.ndarray:
    return np.array(values, np.int32)


GATHER = OpSpec(
    name="GATHER",
    options=GatherOptions,
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=gather_shapes,
    run_float=gather_float,
    integer=moves(gather_float),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=gather_version,
    training=gather_training,
    keras={
        "ops.Take": KerasForm(lower_take, lambda keras: (lambda x: keras.ops.take(x, [0, 2, 2], axis=1), ((4, 6),))),
    },
    examples=(
        Example(((1, 6, 4), None), {1: _indices(3, 0, 5, 3)}, GatherOptions(axis=1)),
        Example(((1, 5, 3), None), {1: _indices([2, 0], [1, 1])}, GatherOptions(axis=-1), low=-1.0, high=5.0),
        Example(((1, 4, 3), None), {1: np.array(2, np.int32)}, GatherOptions(axis=1)),
        Example(((1, 5, 2), None), {1: _indices([4, 1, 1])}, GatherOptions(axis=1, batch_dims=1)),
    ),
)

GATHER_ND = OpSpec(
    name="GATHER_ND",
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=gather_nd_shapes,
    run_float=gather_nd_float,
    integer=moves(gather_nd_float),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=version_by_type(int16=3),
    examples=(
        Example(((1, 6, 4), None), {1: _indices([0, 3], [0, 5], [0, 3])}),
        Example(((1, 3, 5, 2), None), {1: _indices([[[0, 2, 4], [0, 0, 1]]])}, low=-1.0, high=5.0),
        Example(((1, 4, 3), None), {1: _indices([0, 1, 2])}),
    ),
)

SHAPE = OpSpec(
    name="SHAPE",
    options=ShapeOptions,
    shapes=shape_shapes,
    of_shapes=True,
    run_float=shape_float,
    activations=frozenset(),
    micro=frozenset({DType.FLOAT32}),
    examples=(Example(((1, 6, 4),), options=ShapeOptions()), Example(((1, 2, 1, 5),), options=ShapeOptions())),
    note="becomes a constant when a file is read, since shapes are fixed",
)

SPECS = (GATHER, GATHER_ND, SHAPE)
