"""SLICE, STRIDED_SLICE: parts of a tensor."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.errors import UnsupportedLayerError
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options, Shape, Tensor
from octavo.ops.identity import where_the_shape_stays
from octavo.ops.refuse import require_channels_last
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.shape import emit_reshape, integers, moves, placeholder
from octavo.ops.spec import Emitter, Example, InPlace, KerasCall, KerasForm, OpSpec, Overlap
from octavo.ops.version import version_by_type

Index = slice | int


@dataclass(frozen=True, slots=True)
class StridedSliceOptions(Options):
    """Options of STRIDED_SLICE; bit i of a mask speaks of dimension i.

    Attributes:
        begin_mask, end_mask: Where set, the slice begins or ends at the dimension's border.
        shrink_axis_mask: Where set, `begin` is an index and the dimension falls out.
        ellipsis_mask, new_axis_mask, offset: Not supported, TensorFlow Lite Micro ignores them.
    """

    table = "StridedSliceOptions"
    begin_mask: int = 0
    end_mask: int = 0
    ellipsis_mask: int = 0
    new_axis_mask: int = 0
    shrink_axis_mask: int = 0
    offset: bool = False


def slice_shapes(options: NoOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """The sizes; -1 reaches to the dimension's end."""
    x, begin, size = inputs
    return (placeholder(x.shape)[_slice_key(integers(begin), integers(size))].shape,)


def slice_float(options: NoOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of SLICE."""
    x, begin, size = inputs
    return (x[_slice_key(begin.tolist(), size.tolist())],)


def _slice_key(begins: Sequence[int], sizes: Sequence[int]) -> tuple[Index, ...]:
    return tuple(slice(begin, None if size == -1 else begin + size) for begin, size in zip(begins, sizes, strict=True))


def strided_slice_shapes(options: StridedSliceOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """What Python's own slicing leaves.

    Raises:
        UnsupportedLayerError: for an ellipsis, a new axis or offsets, which converters write otherwise.
    """
    x, begin, end, strides = inputs
    if options.ellipsis_mask or options.new_axis_mask or options.offset:
        raise UnsupportedLayerError(
            "a STRIDED_SLICE uses an ellipsis, a new axis or offsets.",
            got=repr(options),
            expected="begin, end and shrink_axis masks only",
            fix="write the slice with one index for each dimension, and a reshape for new axes",
        )
    key = _strided_key(options, integers(begin), integers(end), integers(strides))
    return (placeholder(x.shape)[key].shape,)


def strided_slice_float(options: StridedSliceOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of STRIDED_SLICE."""
    x, begin, end, strides = inputs
    return (x[_strided_key(options, begin.tolist(), end.tolist(), strides.tolist())].copy(),)


def _strided_key(
    options: StridedSliceOptions, begins: Sequence[int], ends: Sequence[int], strides: Sequence[int]
) -> tuple[Index, ...]:
    """The Python index that means the same."""

    def index(i: int) -> Index:
        if options.shrink_axis_mask >> i & 1:
            return begins[i]
        begin = None if options.begin_mask >> i & 1 else begins[i]
        end = None if options.end_mask >> i & 1 else ends[i]
        return slice(begin, end, strides[i])

    return tuple(index(i) for i in range(len(begins)))


def strided_slice_training(ops: Any) -> Any:
    """STRIDED_SLICE on Keras tensors."""

    def run(
        x: Any, begin: Any, end: Any, strides: Any, *, begin_mask: int, end_mask: int, shrink_axis_mask: int
    ) -> Any:
        options = StridedSliceOptions(begin_mask, end_mask, shrink_axis_mask=shrink_axis_mask)
        key = [*_strided_key(options, begin.tolist(), end.tolist(), strides.tolist())]
        for axis, each in enumerate(key):
            # PyTorch steps forwards only.
            if isinstance(each, slice) and each.step < 0:
                x, key[axis] = ops.take(x, np.arange(x.shape[axis])[each], axis=axis), slice(None)
        return x[tuple(key)]

    return run


def strided_slice_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """STRIDED_SLICE: float and int16 1, int8 2, five dimensions 4.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    x = inputs[0]
    return 4 if len(x.shape) > 4 else 2 if x.dtype is DType.INT8 else 1


def emit_strided_slice(b: Emitter, name: str, key: Sequence[Index], *, suffix: str = "slice") -> str:
    """Index tensor `name` with one slice or integer for each dimension, batch included."""
    begin, end, strides = [], [], []
    begin_mask = end_mask = shrink_axis_mask = 0
    for i, (index, size) in enumerate(zip(key, b.shape(name), strict=True)):
        if isinstance(index, int):
            shrink_axis_mask |= 1 << i
            index = slice(index % size, index % size + 1)
        elif not len(range(size)[index]):
            # XNNPACK takes an end of 0 for none.
            index = slice(size, size)
        begin_mask |= (index.start is None) << i
        end_mask |= (index.stop is None) << i
        begin.append(index.start or 0)
        end.append(index.stop or 0)
        strides.append(index.step or 1)
    constants = [
        b.constant(np.array(values, np.int32), f"{suffix}/{what}" if suffix else what)
        for what, values in (("begin", begin), ("end", end), ("strides", strides))
    ]
    options = StridedSliceOptions(begin_mask, end_mask, shrink_axis_mask=shrink_axis_mask)
    return b.emit("STRIDED_SLICE", [name, *constants], options, suffix=suffix)


def lower_cropping(b: Emitter, call: KerasCall) -> str:
    """keras.layers.Cropping1D and 2D."""
    layer = call.operation
    if hasattr(layer, "data_format"):
        require_channels_last(layer)
    cropping = layer.cropping
    pairs = cropping if isinstance(cropping[0], Sequence) else [cropping]
    key = [slice(before or None, -after or None) for before, after in [(0, 0), *pairs, (0, 0)]]
    return emit_strided_slice(b, call.inputs[0], key, suffix="")


def lower_get_item(b: Emitter, call: KerasCall) -> str:
    """`x[key]` of integers, slices, one ellipsis and new axes."""
    (x,) = call.inputs
    key = call.args[1] if len(call.args) > 1 else call.kwargs["key"]
    key = _without_ellipsis(tuple(key) if isinstance(key, (tuple, list)) else (key,), len(b.shape(x)))
    indices = [index for index in key if index is not None]
    if len(indices) == len(key):
        return emit_strided_slice(b, x, indices, suffix="")
    shape = placeholder(b.shape(x))[key].shape
    return emit_reshape(b, emit_strided_slice(b, x, indices), shape, suffix="")


def _without_ellipsis(key: tuple[Any, ...], rank: int) -> tuple[Any, ...]:
    """The key with one index for each dimension, besides new axes."""
    at = next((i for i, index in enumerate(key) if index is Ellipsis), len(key))
    after = key[at + 1 :]
    missing = rank - sum(index is not None for index in (*key[:at], *after))
    return (*key[:at], *[slice(None)] * missing, *after)


def lower_split(b: Emitter, call: KerasCall) -> tuple[str, ...]:
    """keras.ops.split: a slice for each part."""
    operation, (x,) = call.operation, call.inputs
    shape = b.shape(x)
    axis, sections = operation.axis % len(shape), operation.indices_or_sections
    size = shape[axis]
    cuts = range(0, size + 1, size // sections) if isinstance(sections, int) else (0, *sections, size)
    everything = [slice(None)] * len(shape)
    return tuple(
        emit_strided_slice(b, x, [*everything[:axis], slice(low, high), *everything[axis + 1 :]], suffix=f"part_{i}")
        for i, (low, high) in enumerate(itertools.pairwise(cuts))
    )


def _vector(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


SLICE = OpSpec(
    name="SLICE",
    inputs=(Data(), Parameter(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=slice_shapes,
    identity=where_the_shape_stays,
    run_float=slice_float,
    integer=moves(slice_float),
    in_place=InPlace(overlap=Overlap.FORWARD),
    version=version_by_type(int8=2, int16=4),
    micro=frozenset({DType.FLOAT32, DType.INT8, DType.INT16, DType.INT32}),
    examples=(
        Example(((1, 5, 4, 3), None, None), {1: _vector(0, 1, 2, 0), 2: _vector(-1, 3, 2, -1)}),
        Example(((1, 8), None, None), {1: _vector(0, 3), 2: _vector(1, 4)}),
    ),
)

STRIDED_SLICE = OpSpec(
    name="STRIDED_SLICE",
    options=StridedSliceOptions,
    inputs=(Data(), Parameter(), Parameter(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=strided_slice_shapes,
    training=strided_slice_training,
    run_float=strided_slice_float,
    integer=moves(strided_slice_float),
    version=strided_slice_version,
    micro=frozenset({DType.FLOAT32, DType.INT8, DType.INT16, DType.INT32, DType.BOOL}),
    keras={
        "layers.Cropping1D": KerasForm(lower_cropping, lambda keras: (keras.layers.Cropping1D((1, 0)), ((5, 3),))),
        "layers.Cropping2D": KerasForm(
            lower_cropping, lambda keras: (keras.layers.Cropping2D(((1, 2), (0, 1))), ((6, 5, 2),))
        ),
        "ops.GetItem": KerasForm(lower_get_item, lambda keras: (lambda x: x[:, None, 1:3, ..., -1], ((4, 3, 2),))),
        "ops.Split": KerasForm(
            lower_split, lambda keras: (lambda x: keras.ops.split(x, [1, 4], axis=-1)[1], ((4, 6),))
        ),
    },
    examples=(
        Example(
            ((1, 5, 4, 3), None, None, None),
            {1: _vector(0, 4, -3, 0), 2: _vector(0, 0, -1, 2), 3: _vector(1, -2, 1, 2)},
            StridedSliceOptions(begin_mask=1, end_mask=1),
        ),
        Example(
            ((1, 4, 3), None, None, None),
            {1: _vector(0, 2, 1), 2: _vector(0, 3, 0), 3: _vector(1, 1, 1)},
            StridedSliceOptions(begin_mask=1, end_mask=5, shrink_axis_mask=2),
        ),
    ),
    note="up to four dimensions on TensorFlow Lite Micro",
)

SPECS = (SLICE, STRIDED_SLICE)
