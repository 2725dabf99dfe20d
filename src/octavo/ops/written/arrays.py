"""Values moved to other places."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from octavo.ops.axes import named_axes
from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import along_one, counted, is_symbol, keras_ops, written


def repeat(operation: Any, x: Any) -> Any:
    """Each value several times, one after the other."""
    x, axis = along_one(x, operation.axis)
    return keras_ops().take(x, np.repeat(np.arange(x.shape[axis]), operation.repeats), axis=axis)


def roll(operation: Any, x: Any) -> Any:
    """Values moved along axes; those that leave come in at the other end."""
    ops = keras_ops()
    if operation.axis is None:
        row = ops.reshape(x, (-1,))
        return ops.reshape(ops.take(row, np.roll(np.arange(row.shape[0]), operation.shift), axis=0), x.shape)
    axes = np.atleast_1d(operation.axis).tolist()
    for axis, shift in zip(axes, np.broadcast_to(operation.shift, len(axes)).tolist(), strict=True):
        x = ops.take(x, np.roll(np.arange(x.shape[axis]), shift), axis=axis)
    return x


def rot90(operation: Any, x: Any) -> Any:
    """A quarter turn, k times."""
    ops, (first, second) = keras_ops(), operation.axes
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
    ops, rank = keras_ops(), len(x.shape)
    first, second = operation.axis1 % rank, operation.axis2 % rank
    kept = [i for i in range(rank) if i not in (first, second)]
    rows, columns = x.shape[first], x.shape[second]
    flat = ops.reshape(ops.transpose(x, (*kept, first, second)), (*(x.shape[i] for i in kept), rows * columns))
    return ops.take(flat, np.arange(rows * columns).reshape(rows, columns).diagonal(operation.offset), axis=-1)


def trace(operation: Any, x: Any) -> Any:
    """The sum of the diagonal."""
    return keras_ops().sum(diagonal(operation, x), axis=-1)


def difference(operation: Any, x: Any) -> Any:
    """Each value less the one before, n times."""
    (axis,) = named_axes(len(x.shape), operation.axis)
    for _ in range(operation.n):
        x = _part(x, axis, slice(1, None)) - _part(x, axis, slice(None, -1))
    return x


def _part(x: Any, axis: int, part: slice) -> Any:
    return x[(slice(None),) * axis + (part,)]


def _joining(axis_of: Callable[[int], int]) -> Callable[[Any, Any], Any]:
    def run(operation: Any, tensors: Sequence[Any]) -> Any:
        return keras_ops().concatenate(tensors, axis=axis_of(len(tensors[0].shape)))

    return run


def _dstack(operation: Any, tensors: Sequence[Any]) -> Any:
    ops = keras_ops()
    return ops.concatenate([ops.expand_dims(x, -1) if len(x.shape) < 3 else x for x in tensors], axis=2)


def _splitting(axis_of: Callable[[Any, int], int]) -> Callable[[Any, Any], Any]:
    """Parts by a number of them, which may differ in length by one, or by the places of cuts."""

    def run(operation: Any, x: Any) -> Any:
        (axis,) = named_axes(len(x.shape), axis_of(operation, len(x.shape)))
        cuts = operation.indices_or_sections
        size = x.shape[axis]
        if isinstance(cuts, int):
            cuts = np.cumsum([len(part) for part in np.array_split(np.arange(size), cuts)])[:-1].tolist()
        bounds = [0, *cuts, size]
        return [_part(x, axis, slice(low, high)) for low, high in itertools.pairwise(bounds)]

    return run


def append(operation: Any, a: Any, b: Any) -> Any:
    """One tensor behind another."""
    (a, axis), (b, _) = (along_one(_as_tensor(x), operation.axis) for x in (a, b))
    return keras_ops().concatenate([a, b], axis=axis)


def _as_tensor(x: Any) -> Any:
    return x if is_symbol(x) else keras_ops().convert_to_tensor(x)


def sliced(operation: Any, x: Any, begins: Any) -> Any:
    """keras.ops.slice: a part of fixed shape at constant places."""
    begins = [int(begin) for begin in np.ravel(begins)]
    return x[tuple(slice(begin, begin + size) for begin, size in zip(begins, operation.shape, strict=True))]


def updated(operation: Any, x: Any, begins: Any, update: Any) -> Any:
    """keras.ops.slice_update: a part at constant places replaced; by what stays before, between and behind."""
    ops, begins = keras_ops(), [int(begin) for begin in np.ravel(begins)]
    inside = np.zeros(x.shape[1:], np.bool_)
    inside[tuple(slice(b, b + size) for b, size in zip(begins[1:], update.shape[1:], strict=True))] = True
    widths = [(b, full - b - size) for b, full, size in zip(begins[1:], x.shape[1:], update.shape[1:], strict=True)]
    return ops.where(inside[None], ops.pad(update, [(0, 0), *widths]), x)


def take_along(operation: Any, x: Any, indices: Any) -> Any:
    """The values at places of their own in each row: what is there of a one-hot row."""
    ops, (axis,) = keras_ops(), named_axes(len(x.shape), operation.axis)
    chosen = ops.one_hot(ops.cast(indices, "int32"), x.shape[axis])
    # [..., places, ..., classes] against [..., classes at axis, ...].
    rows = ops.expand_dims(ops.moveaxis(x, axis, -1), axis)
    return ops.sum(chosen * rows, axis=-1)


def sort(operation: Any, x: Any) -> Any:
    """Values, the smallest first: the largest of their negatives."""
    return _sorted(x, operation.axis, 0) * -1.0


def argsort(operation: Any, x: Any) -> Any:
    """The places of sorted values."""
    return _sorted(x, operation.axis, 1)


def _sorted(x: Any, axis: int | None, which: int) -> Any:
    """The negatives of values, sorted, or their places."""
    ops, (x, axis) = keras_ops(), along_one(x, axis)
    rows = ops.moveaxis(x, axis, -1)
    return ops.moveaxis(ops.top_k(-rows, rows.shape[-1])[which], -1, axis)


def cross(operation: Any, a: Any, b: Any) -> Any:
    """The cross product of vectors of three numbers."""
    ops = keras_ops()
    one, two = [1, 2, 0], [2, 0, 1]

    def taken(x: Any, axis: int, places: list[int]) -> Any:
        rows = ops.moveaxis(x, axis, -1) if is_symbol(x) else np.moveaxis(np.asarray(x, np.float32), axis, -1)
        return ops.take(rows, np.array(places), axis=-1) if is_symbol(x) else rows[..., places]

    made = taken(a, operation.axisa, one) * taken(b, operation.axisb, two)
    made -= taken(a, operation.axisa, two) * taken(b, operation.axisb, one)
    return ops.moveaxis(made, -1, operation.axisc)


def broadcast(operation: Any, x: Any) -> Any:
    """keras.ops.broadcast_to, the batch left as it is."""
    shape = tuple(operation.shape)
    if len(shape) == len(x.shape) and x.shape[0] != 1:
        shape = (x.shape[0], *shape[1:])
    return x * np.ones(shape, np.float32)


def sequences(operation: Any, x: Any) -> Any:
    """keras.ops.extract_sequences: overlapping parts of the last axis."""
    length, stride = operation.sequence_length, operation.sequence_stride
    starts = np.arange(0, x.shape[-1] - length + 1, stride)
    return keras_ops().take(x, starts[:, None] + np.arange(length), axis=-1)


def space_to_depth(operation: Any, x: Any) -> Any:
    """Blocks of an image side by side in its channels."""
    ops, block = keras_ops(), operation.block_size
    if operation.data_format != "channels_first":
        return _blocks(x, block)
    if _tensorflow_orders():
        return ops.transpose(_blocks(ops.transpose(x, (0, 2, 3, 1)), block), (0, 3, 1, 2))
    batch, channels, height, width = x.shape
    parts = ops.reshape(x, (batch, channels, height // block, block, width // block, block))
    return ops.reshape(
        ops.transpose(parts, (0, 1, 3, 5, 2, 4)), (batch, channels * block**2, height // block, width // block)
    )


def _tensorflow_orders() -> bool:
    """Whether the pixels of a block come before channels where these come first; other backends order them as PyTorch.

    Source: keras/src/backend/*/nn.py, depth_to_space.
    """
    import keras

    return keras.backend.backend() == "tensorflow"


def _blocks(x: Any, block: int) -> Any:
    ops = keras_ops()
    batch, height, width, channels = x.shape
    parts = ops.reshape(x, (batch, height // block, block, width // block, block, channels))
    rows = ops.transpose(parts, (0, 1, 3, 2, 4, 5))
    return ops.reshape(rows, (batch, height // block, width // block, block * block * channels))


def depth_to_space(operation: Any, x: Any) -> Any:
    """Channels laid out as blocks of a larger image."""
    ops, block = keras_ops(), operation.block_size
    if operation.data_format != "channels_first":
        return _unfolded(x, block)
    if _tensorflow_orders():
        return ops.transpose(_unfolded(ops.transpose(x, (0, 2, 3, 1)), block), (0, 3, 1, 2))
    batch, channels, height, width = x.shape
    parts = ops.reshape(x, (batch, channels // block**2, block, block, height, width))
    return ops.reshape(
        ops.transpose(parts, (0, 1, 4, 2, 5, 3)), (batch, channels // block**2, height * block, width * block)
    )


def _unfolded(x: Any, block: int) -> Any:
    ops = keras_ops()
    batch, height, width, channels = x.shape
    parts = ops.reshape(x, (batch, height, width, block, block, channels // block**2))
    rows = ops.transpose(parts, (0, 1, 3, 2, 4, 5))
    return ops.reshape(rows, (batch, height * block, width * block, channels // block**2))


def unravel(operation: Any, indices: Any) -> Any:
    """Places in an array of fixed shape, one tensor for each dimension."""
    ops, rest = keras_ops(), ops_cast(indices)
    made = []
    for size in reversed(operation.shape):
        made.append(counted(ops.mod(rest, float(size))))
        rest = ops.floor((rest + 0.5) * (1.0 / size))
    return tuple(reversed(made))


def ops_cast(indices: Any) -> Any:
    """Indices as real numbers."""
    return keras_ops().cast(indices, "float32")


def one_hot(operation: Any, x: Any) -> Any:
    """1 at the place of an index along a new axis, 0 elsewhere; an index outside has none."""
    ops, rank = keras_ops(), len(x.shape) + 1
    axis = operation.axis % rank
    classes = np.arange(operation.num_classes, dtype=np.int32).reshape([-1 if i == axis else 1 for i in range(rank)])
    hot = ops.equal(ops.expand_dims(ops.cast(x, "int32"), axis), classes)
    return ops.cast(hot, operation.dtype or "float32")


def multi_hot(operation: Any, x: Any) -> Any:
    """Which classes occur along the last axis of indices."""
    ops = keras_ops()
    hot = ops.one_hot(ops.cast(x, "int32"), operation.num_classes)
    return ops.max(hot, axis=-2) if len(x.shape) > 1 else hot


def meshgrid(operation: Any, *vectors: Any) -> Any:
    """Each vector along an axis of its own, repeated along those of the others."""
    ops, sizes = keras_ops(), [vector.shape[0] for vector in vectors]
    made = []
    for place, vector in enumerate(vectors):
        shape = [-1 if i == place else 1 for i in range(len(sizes))]
        whole = ops.reshape(_as_tensor(vector), shape) * np.ones(sizes, np.float32)
        made.append(ops.swapaxes(whole, 0, 1) if operation.indexing == "xy" and len(sizes) > 1 else whole)
    return made


def ravel(operation: Any, x: Any) -> Any:
    """All values in a row."""
    return keras_ops().reshape(x, (-1,))


def diagonal_matrix(operation: Any, x: Any) -> Any:
    """A matrix whose diagonal `k` is a vector."""
    ops, k = keras_ops(), operation.k
    size = x.shape[0] + abs(k)
    padded = ops.pad(x, ((0, abs(k)),))
    # Above the diagonal a value stays in its row, below it in its column.
    return ops.expand_dims(padded, 1 if k >= 0 else 0) * np.diag(np.ones(size - abs(k), np.float32), k)


def diag(operation: Any, x: Any) -> Any:
    """The diagonal of a matrix, or the matrix of a diagonal."""
    if len(x.shape) == 1:
        return diagonal_matrix(operation, x)
    places = np.arange(x.shape[0] * x.shape[1]).reshape(x.shape).diagonal(operation.k)
    return keras_ops().take(ravel(operation, x), places, axis=0)


def diagflat(operation: Any, x: Any) -> Any:
    """The matrix whose diagonal is all values in a row."""
    return diagonal_matrix(operation, ravel(operation, x))


def scatter(operation: Any, indices: Any, values: Any) -> Any:
    """Values at constant places among zeros; those of one place add up."""
    ops, shape = keras_ops(), tuple(operation.shape)
    target = np.arange(math.prod(shape)).reshape(shape)[tuple(np.moveaxis(np.asarray(indices), -1, 0))]
    sums = np.zeros((target.size, math.prod(shape)), np.float32)
    sums[np.arange(target.size), target.ravel()] = 1.0
    return ops.reshape(ops.matmul(ops.reshape(values, (1, target.size)), sums), shape)


def scatter_update(operation: Any, x: Any, indices: Any, updates: Any) -> Any:
    """Values at constant places replaced, or added to and compared with what is there."""
    ops, shape = keras_ops(), tuple(x.shape)
    target = np.arange(math.prod(shape)).reshape(shape)[tuple(np.asarray(indices).T)].ravel()
    combine = {None: None, "add": ops.add, "max": ops.maximum, "min": ops.minimum, "mul": ops.multiply}
    flat = ops.reshape(updates, (-1,)) if is_symbol(updates) else np.ravel(np.broadcast_to(updates, target.shape))
    # What meets one place is laid over it one after the other.
    while target.size:
        _, first = np.unique(target, return_index=True)
        source = np.zeros(math.prod(shape), np.int32)
        source[target[first]] = first
        inside = np.zeros(math.prod(shape), np.bool_)
        inside[target[first]] = True
        laid = ops.take(flat, source.reshape(shape), axis=0) if is_symbol(flat) else flat[source].reshape(shape)
        apply = combine[operation.reduction]
        x = ops.where(inside.reshape(shape), laid if apply is None else apply(x, laid), x)
        left = np.setdiff1d(np.arange(target.size), first)
        target, flat = target[left], ops.take(flat, left, axis=0) if is_symbol(flat) else flat[left]
    return x


FORMS: dict[str, KerasForm] = {
    "ops.Repeat": written(repeat, lambda ops, x: ops.repeat(x, 2, axis=1)),
    "ops.Roll": written(roll, lambda ops, x: ops.roll(x, (1, -2), axis=(1, 2))),
    "ops.Rot90": written(rot90, lambda ops, x: ops.rot90(x, axes=(1, 2))),
    "ops.Flipud": written(lambda operation, x: keras_ops().flip(x, axis=0), lambda ops, x: ops.flipud(x) * 2.0),
    "ops.Fliplr": written(lambda operation, x: keras_ops().flip(x, axis=1), lambda ops, x: ops.fliplr(x)),
    "ops.Tril": written(_triangle(np.tril), lambda ops, x: ops.tril(x)),
    "ops.Triu": written(_triangle(np.triu), lambda ops, x: ops.triu(x, 1)),
    "ops.Diagonal": written(diagonal, lambda ops, x: ops.diagonal(x, axis1=1, axis2=2)),
    "ops.Trace": written(trace, lambda ops, x: ops.trace(x, axis1=1, axis2=2)),
    "ops.Diff": written(difference, lambda ops, x: ops.diff(x, n=2)),
    "ops.Hstack": written(_joining(lambda rank: 1), lambda ops, x, y: ops.hstack([x, y]), (4, 6), (3, 6)),
    "ops.Vstack": written(_joining(lambda rank: 0), lambda ops, x, y: ops.vstack([x, y]), (4, 6), (4, 6)),
    "ops.Dstack": written(_dstack, lambda ops, x, y: ops.dstack([x, y]), (4, 6), (4, 5)),
    "ops.ArraySplit": written(
        _splitting(lambda operation, rank: operation.axis), lambda ops, x: ops.array_split(x, 4, axis=2)[1]
    ),
    "ops.Hsplit": written(_splitting(lambda operation, rank: 1), lambda ops, x: ops.hsplit(x, 2)[1]),
    "ops.Vsplit": written(_splitting(lambda operation, rank: 0), lambda ops, x: ops.vsplit(x, 1)[0] * 2.0),
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
    "ops.SpaceToDepth": replace(
        written(space_to_depth, lambda ops, x: ops.space_to_depth(x, 2), (4, 6, 3)), takes_channels_first=True
    ),
    "ops.DepthToSpace": replace(
        written(depth_to_space, lambda ops, x: ops.depth_to_space(x, 2), (4, 6, 8)), takes_channels_first=True
    ),
    "ops.UnravelIndex": written(
        unravel, lambda ops, x: ops.cast(ops.unravel_index(ops.argmax(x, axis=-1), (2, 3))[0], "float32")
    ),
    "ops.OneHot": written(one_hot, lambda ops, x: ops.one_hot(ops.argmax(x, axis=-1), 6)),
    "ops.Meshgrid": written(
        meshgrid, lambda ops, x: ops.meshgrid(ops.mean(x, axis=(0, 1)), ops.mean(x, axis=(0, 2)))[0]
    ),
    "ops.Ravel": written(ravel, lambda ops, x: ops.ravel(x)),
    "ops.Diag": written(diag, lambda ops, x: ops.diag(ops.mean(x, axis=(0, 1)), k=1)),
    "ops.Diagflat": written(diagflat, lambda ops, x: ops.diagflat(x, k=-1)),
    "ops.Scatter": written(
        scatter, lambda ops, x: ops.scatter(np.array([[1], [3], [1]]), ops.mean(x, axis=(0, 1)), (5,)), (4, 3)
    ),
    "ops.ScatterUpdate": written(
        scatter_update, lambda ops, x: ops.scatter_update(x, [[0, 1, 2], [0, 3, 0]], np.array([0.5, -0.5], np.float32))
    ),
    "ops.MultiHot": written(multi_hot, lambda ops, x: ops.multi_hot(ops.argmax(x, axis=-1), 6)),
}
