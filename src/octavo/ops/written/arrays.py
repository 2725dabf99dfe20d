"""Values moved to other places."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import is_symbol, of_samples, written


def _ops() -> Any:
    import keras

    return keras.ops


def repeat(operation: Any, x: Any) -> Any:
    """Each value several times, one after the other."""
    (axis,) = of_samples(operation, len(x.shape), operation.axis)
    return _ops().take(x, np.repeat(np.arange(x.shape[axis]), operation.repeats), axis=axis)


def roll(operation: Any, x: Any) -> Any:
    """Values moved along axes; those that leave come in at the other end."""
    axes = np.atleast_1d(() if operation.axis is None else operation.axis).tolist()
    of_samples(operation, len(x.shape), axes or None)
    for axis, shift in zip(axes, np.broadcast_to(operation.shift, len(axes)).tolist(), strict=True):
        x = _ops().take(x, np.roll(np.arange(x.shape[axis]), shift), axis=axis)
    return x


def rot90(operation: Any, x: Any) -> Any:
    """A quarter turn, k times."""
    ops, (first, second) = _ops(), operation.axes
    of_samples(operation, len(x.shape), operation.axes)
    turns = operation.k % 4
    if turns == 2:
        return ops.flip(ops.flip(x, axis=first), axis=second)
    if turns == 1:
        return ops.swapaxes(ops.flip(x, axis=second), first, second)
    return ops.flip(ops.swapaxes(x, first, second), axis=second) if turns else x


def _triangle(keep: Callable[..., np.ndarray]) -> Callable[[Any, Any], Any]:
    def run(operation: Any, x: Any) -> Any:
        return x * keep(np.ones(x.shape[-2:], np.float32), operation.k)

    return run


def diagonal(operation: Any, x: Any) -> Any:
    """The values whose places along two axes are as far apart as `offset` says."""
    ops, rank = _ops(), len(x.shape)
    of_samples(operation, rank, (operation.axis1, operation.axis2))
    first, second = operation.axis1 % rank, operation.axis2 % rank
    kept = [i for i in range(rank) if i not in (first, second)]
    rows, columns = x.shape[first], x.shape[second]
    flat = ops.reshape(ops.transpose(x, (*kept, first, second)), (*(x.shape[i] for i in kept), rows * columns))
    return ops.take(flat, np.arange(rows * columns).reshape(rows, columns).diagonal(operation.offset), axis=-1)


def trace(operation: Any, x: Any) -> Any:
    """The sum of the diagonal."""
    return _ops().sum(diagonal(operation, x), axis=-1)


def difference(operation: Any, x: Any) -> Any:
    """Each value less the one before, n times."""
    (axis,) = of_samples(operation, len(x.shape), operation.axis)
    for _ in range(operation.n):
        x = _part(x, axis, slice(1, None)) - _part(x, axis, slice(None, -1))
    return x


def _part(x: Any, axis: int, part: slice) -> Any:
    return x[(slice(None),) * axis + (part,)]


def _joining(axis_of: Callable[[int], int]) -> Callable[[Any, Any], Any]:
    def run(operation: Any, tensors: Sequence[Any]) -> Any:
        axis = axis_of(len(tensors[0].shape))
        of_samples(operation, max(axis + 1, len(tensors[0].shape)), axis)
        return _ops().concatenate(tensors, axis=axis)

    return run


def _dstack(operation: Any, tensors: Sequence[Any]) -> Any:
    ops = _ops()
    return ops.concatenate([ops.expand_dims(x, -1) if len(x.shape) < 3 else x for x in tensors], axis=2)


def _splitting(axis_of: Callable[[Any, int], int]) -> Callable[[Any, Any], Any]:
    """Parts by a number of them, which may differ in length by one, or by the places of cuts."""

    def run(operation: Any, x: Any) -> Any:
        (axis,) = of_samples(operation, len(x.shape), axis_of(operation, len(x.shape)))
        cuts = operation.indices_or_sections
        size = x.shape[axis]
        if isinstance(cuts, int):
            cuts = np.cumsum([len(part) for part in np.array_split(np.arange(size), cuts)])[:-1].tolist()
        bounds = [0, *cuts, size]
        return [_part(x, axis, slice(low, high)) for low, high in itertools.pairwise(bounds)]

    return run


def append(operation: Any, a: Any, b: Any) -> Any:
    """One tensor behind another."""
    rank = len(a.shape) if is_symbol(a) else len(b.shape)
    (axis,) = of_samples(operation, rank, operation.axis)
    return _ops().concatenate([a, b], axis=axis)


def sliced(operation: Any, x: Any, begins: Any) -> Any:
    """keras.ops.slice: a part of fixed shape at constant places."""
    begins = [int(begin) for begin in np.ravel(begins)]
    return x[tuple(slice(begin, begin + size) for begin, size in zip(begins, operation.shape, strict=True))]


def updated(operation: Any, x: Any, begins: Any, update: Any) -> Any:
    """keras.ops.slice_update: a part at constant places replaced; by what stays before, between and behind."""
    ops, begins = _ops(), [int(begin) for begin in np.ravel(begins)]
    inside = np.zeros(x.shape[1:], np.bool_)
    inside[tuple(slice(b, b + size) for b, size in zip(begins[1:], update.shape[1:], strict=True))] = True
    widths = [(b, full - b - size) for b, full, size in zip(begins[1:], x.shape[1:], update.shape[1:], strict=True)]
    return ops.where(inside[None], ops.pad(update, [(0, 0), *widths]), x)


def take_along(operation: Any, x: Any, indices: Any) -> Any:
    """The values at places of their own in each row: what is there of a one-hot row."""
    ops, (axis,) = _ops(), of_samples(operation, len(x.shape), operation.axis)
    chosen = ops.one_hot(ops.cast(indices, "int32"), x.shape[axis])
    # [..., places, ..., classes] against [..., classes at axis, ...].
    rows = ops.expand_dims(ops.moveaxis(x, axis, -1), axis)
    return ops.sum(chosen * rows, axis=-1)


def sort(operation: Any, x: Any) -> Any:
    """Values, the smallest first: the largest of their negatives."""
    ops, (axis,) = _ops(), of_samples(operation, len(x.shape), operation.axis)
    rows = ops.moveaxis(x, axis, -1)
    return ops.moveaxis(-ops.top_k(-rows, rows.shape[-1])[0], -1, axis)


def argsort(operation: Any, x: Any) -> Any:
    """The places of sorted values."""
    ops, (axis,) = _ops(), of_samples(operation, len(x.shape), operation.axis)
    rows = ops.moveaxis(x, axis, -1)
    return ops.moveaxis(ops.top_k(-rows, rows.shape[-1])[1], -1, axis)


def cross(operation: Any, a: Any, b: Any) -> Any:
    """The cross product of vectors of three numbers."""
    ops = _ops()
    one, two = [1, 2, 0], [2, 0, 1]

    def taken(x: Any, axis: int, places: list[int]) -> Any:
        rows = ops.moveaxis(x, axis, -1) if is_symbol(x) else np.moveaxis(np.asarray(x, np.float32), axis, -1)
        return ops.take(rows, np.array(places), axis=-1) if is_symbol(x) else rows[..., places]

    made = taken(a, operation.axisa, one) * taken(b, operation.axisb, two)
    made -= taken(a, operation.axisa, two) * taken(b, operation.axisb, one)
    return ops.moveaxis(made, -1, operation.axisc)


def broadcast(operation: Any, x: Any) -> Any:
    """keras.ops.broadcast_to, the batch left as it is."""
    shape = (x.shape[0], *operation.shape[1:]) if len(operation.shape) == len(x.shape) else tuple(operation.shape)
    return x * np.ones(shape, np.float32)


def sequences(operation: Any, x: Any) -> Any:
    """keras.ops.extract_sequences: overlapping parts of the last axis."""
    length, stride = operation.sequence_length, operation.sequence_stride
    starts = np.arange(0, x.shape[-1] - length + 1, stride)
    return _ops().take(x, starts[:, None] + np.arange(length), axis=-1)


def space_to_depth(operation: Any, x: Any) -> Any:
    """Blocks of an image side by side in its channels."""
    ops, block = _ops(), operation.block_size
    if operation.data_format == "channels_first":
        return ops.transpose(_blocks(ops.transpose(x, (0, 2, 3, 1)), block), (0, 3, 1, 2))
    return _blocks(x, block)


def _blocks(x: Any, block: int) -> Any:
    ops = _ops()
    batch, height, width, channels = x.shape
    parts = ops.reshape(x, (batch, height // block, block, width // block, block, channels))
    rows = ops.transpose(parts, (0, 1, 3, 2, 4, 5))
    return ops.reshape(rows, (batch, height // block, width // block, block * block * channels))


def depth_to_space(operation: Any, x: Any) -> Any:
    """Channels laid out as blocks of a larger image."""
    ops, block = _ops(), operation.block_size
    if operation.data_format == "channels_first":
        return ops.transpose(_unfolded(ops.transpose(x, (0, 2, 3, 1)), block), (0, 3, 1, 2))
    return _unfolded(x, block)


def _unfolded(x: Any, block: int) -> Any:
    ops = _ops()
    batch, height, width, channels = x.shape
    parts = ops.reshape(x, (batch, height, width, block, block, channels // block**2))
    rows = ops.transpose(parts, (0, 1, 3, 2, 4, 5))
    return ops.reshape(rows, (batch, height * block, width * block, channels // block**2))


def unravel(operation: Any, indices: Any) -> Any:
    """Places in an array of fixed shape, one tensor for each dimension."""
    ops, rest = _ops(), ops_cast(indices)
    made = []
    for size in reversed(operation.shape):
        made.append(ops.cast(ops.mod(rest, float(size)), "int32"))
        rest = ops.floor((rest + 0.5) * (1.0 / size))
    return tuple(reversed(made))


def ops_cast(indices: Any) -> Any:
    """Indices as real numbers."""
    return _ops().cast(indices, "float32")


def multi_hot(operation: Any, x: Any) -> Any:
    """Which classes occur along the last axis of indices."""
    ops = _ops()
    hot = ops.one_hot(ops.cast(x, "int32"), operation.num_classes)
    return ops.max(hot, axis=-2) if len(x.shape) > 1 else hot


FORMS: dict[str, KerasForm] = {
    "ops.Repeat": written(repeat, lambda ops, x: ops.repeat(x, 2, axis=1)),
    "ops.Roll": written(roll, lambda ops, x: ops.roll(x, (1, -2), axis=(1, 2))),
    "ops.Rot90": written(rot90, lambda ops, x: ops.rot90(x, axes=(1, 2))),
    "ops.Fliplr": written(lambda operation, x: _ops().flip(x, axis=1), lambda ops, x: ops.fliplr(x)),
    "ops.Tril": written(_triangle(np.tril), lambda ops, x: ops.tril(x)),
    "ops.Triu": written(_triangle(np.triu), lambda ops, x: ops.triu(x, 1)),
    "ops.Diagonal": written(diagonal, lambda ops, x: ops.diagonal(x, axis1=1, axis2=2)),
    "ops.Trace": written(trace, lambda ops, x: ops.trace(x, axis1=1, axis2=2)),
    "ops.Diff": written(difference, lambda ops, x: ops.diff(x, n=2)),
    "ops.Hstack": written(_joining(lambda rank: 1), lambda ops, x, y: ops.hstack([x, y]), (4, 6), (3, 6)),
    "ops.Dstack": written(_dstack, lambda ops, x, y: ops.dstack([x, y]), (4, 6), (4, 5)),
    "ops.ArraySplit": written(
        _splitting(lambda operation, rank: operation.axis), lambda ops, x: ops.array_split(x, 4, axis=2)[1]
    ),
    "ops.Hsplit": written(_splitting(lambda operation, rank: 1), lambda ops, x: ops.hsplit(x, 2)[1]),
    "ops.Dsplit": written(_splitting(lambda operation, rank: 2), lambda ops, x: ops.dsplit(x, [1, 4])[1]),
    "ops.Append": written(append, lambda ops, x, y: ops.append(x, y, axis=1), (4, 6), (3, 6)),
    "ops.Slice": written(sliced, lambda ops, x: ops.slice(x, (0, 1, 2), (1, 2, 3))),
    "ops.SliceUpdate": written(updated, lambda ops, x, y: ops.slice_update(x, (0, 1, 2), y), (4, 6), (2, 3)),
    "ops.TakeAlongAxis": written(
        take_along, lambda ops, x: ops.take_along_axis(x, ops.argmax(x, axis=-1, keepdims=True), axis=-1)
    ),
    "ops.Sort": written(sort, lambda ops, x: ops.sort(x, axis=1)),
    "ops.Argsort": written(argsort, lambda ops, x: ops.cast(ops.argsort(x), "float32")),
    "ops.Cross": written(cross, lambda ops, x, y: ops.cross(x, y), (4, 3), (4, 3)),
    "ops.BroadcastTo": written(broadcast, lambda ops, x: ops.broadcast_to(x, (1, 5, 6)), (1, 6)),
    "ops.ExtractSequences": written(sequences, lambda ops, x: ops.extract_sequences(x, 3, 2)),
    "ops.SpaceToDepth": written(space_to_depth, lambda ops, x: ops.space_to_depth(x, 2), (4, 6, 3)),
    "ops.DepthToSpace": written(depth_to_space, lambda ops, x: ops.depth_to_space(x, 2), (4, 6, 8)),
    "ops.UnravelIndex": written(
        unravel, lambda ops, x: ops.cast(ops.unravel_index(ops.argmax(x, axis=-1), (2, 3))[0], "float32")
    ),
    "ops.MultiHot": written(multi_hot, lambda ops, x: ops.multi_hot(ops.argmax(x, axis=-1), 6)),
}
