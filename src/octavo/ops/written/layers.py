"""Pooling to a fixed number of places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from octavo.ops.refuse import refuse
from octavo.ops.spec import KerasForm
from octavo.ops.written.products import hiding
from octavo.ops.written.recipe import keras_ops, written


def _keras() -> Any:
    import keras

    return keras


def adaptive(reduce: str) -> Callable[[Any, Any], Any]:
    """Pooling whose windows divide an axis as evenly as they can.

    An average is a product with a constant matrix where windows differ, and a maximum one of each window.
    """

    def run(operation: Any, x: Any) -> Any:
        first = 2 if operation.data_format == "channels_first" else 1
        sizes = operation.output_size
        count = len(x.shape) - 2
        sizes = (sizes,) * count if isinstance(sizes, int) else tuple(sizes)[:count]
        for axis, size in enumerate(sizes, start=first):
            x = _pooled(x, axis, size, reduce)
        return x

    return run


def _pooled(x: Any, axis: int, size: int, reduce: str) -> Any:
    ops, length = keras_ops(), x.shape[axis]
    bounds = [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
    if length % size == 0:
        parts = ops.reshape(x, (*x.shape[:axis], size, length // size, *x.shape[axis + 1 :]))
        return getattr(ops, reduce)(parts, axis=axis + 1)
    if reduce == "mean":
        shares = np.zeros((length, size), np.float32)
        for i, (low, high) in enumerate(bounds):
            shares[low:high, i] = 1 / (high - low)
        return ops.moveaxis(ops.matmul(ops.moveaxis(x, axis, -1), shares), -1, axis)
    before = (slice(None),) * axis
    windows = (x[(*before, slice(low, high))] for low, high in bounds)
    return ops.concatenate([ops.max(window, axis=axis, keepdims=True) for window in windows], axis=axis)


def softmax(layer: Any, x: Any, mask: Any = None) -> Any:
    """keras.layers.Softmax along one or more axes, of what a mask does not hide."""
    return keras_ops().softmax(x if mask is None else x + hiding(mask), axis=layer.axis)


def discretization(layer: Any, x: Any) -> Any:
    """keras.layers.Discretization into the number of the bin."""
    places = keras_ops().digitize(x, np.asarray(list(layer.bin_boundaries), np.float32))
    return _encoded(layer, places, len(layer.bin_boundaries) + 1)


def category_encoding(layer: Any, x: Any, count_weights: Any = None) -> Any:
    """keras.layers.CategoryEncoding."""
    if count_weights is not None:
        raise refuse(layer, got="count_weights", expected="no weights", fix="multiply the result by the weights")
    return _encoded(layer, x, layer.num_tokens)


def integer_lookup(layer: Any, x: Any) -> Any:
    """keras.layers.IntegerLookup: a column for each index, true where the number is the one that has it."""
    missing = {
        "invert=True": layer.invert,
        'output_mode="tf_idf"': layer.output_mode == "tf_idf",
        f"num_oov_indices={layer.num_oov_indices}": layer.num_oov_indices > 1,
        "pad_to_max_tokens=True": layer.pad_to_max_tokens,
    }
    if any(missing.values()):
        raise refuse(
            layer,
            got=", ".join(name for name, given in missing.items() if given),
            expected="indices of numbers, with one for all others at most",
            fix="look the numbers up before the model",
        )
    ops, whole = keras_ops(), keras_ops().expand_dims(keras_ops().cast(x, "int32"), -1)
    known = np.asarray(layer.get_vocabulary(include_special_tokens=False), np.int32)
    found, others = ops.equal(whole, known), layer.num_oov_indices
    if layer.output_mode != "int":
        hot = ops.cast(found, "float32")
        alone = 1.0 - ops.max(hot, axis=-1, keepdims=True)
        return _gathered(layer, ops.concatenate([alone, hot], axis=-1) if others else hot)
    first = 0 if layer.mask_token is None else 1
    indices = np.arange(len(known), dtype=np.int32) + first + others
    places = ops.max(ops.where(found, indices, np.int32(first)), axis=-1)
    return ops.where(ops.equal(whole[..., 0], layer.mask_token), 0, places) if first else places


def _without_others(layer: Any) -> str:
    """What a file makes of numbers that an IntegerLookup without an index for them refuses in Keras."""
    if layer.num_oov_indices:
        return ""
    first = int(layer.mask_token is not None)
    made = f"{first}, the index of the first one in it," if layer.output_mode == "int" else "zeros"
    return (
        f"a number outside the vocabulary, which Keras refuses, becomes {made} in the file: have your program look for "
        "such numbers, or build the layer with num_oov_indices=1"
    )


def _encoded(layer: Any, places: Any, count: int) -> Any:
    """Indices as they are, or one-hot, which occur, or how often, along the last axis."""
    return places if layer.output_mode == "int" else _gathered(layer, keras_ops().one_hot(places, count))


def _gathered(layer: Any, hot: Any) -> Any:
    """Of one-hot indices themselves, which occur, or how often, along the last axis."""
    ops, mode = keras_ops(), layer.output_mode
    if mode == "one_hot":
        return ops.squeeze(hot, axis=-2) if len(hot.shape) > 2 and hot.shape[-2] == 1 else hot
    if len(hot.shape) < 3:
        return hot
    return ops.max(hot, axis=-2) if mode == "multi_hot" else ops.sum(hot, axis=-2)


FORMS: dict[str, KerasForm] = {
    "layers.Discretization": written(
        discretization, lambda ops, x: ops.cast(_keras().layers.Discretization([-0.5, 0.0, 0.5])(x), "float32")
    ),
    "layers.CategoryEncoding": written(
        category_encoding,
        lambda ops, x: _keras().layers.CategoryEncoding(6, output_mode="multi_hot")(ops.argmax(x, axis=-1)),
    ),
    "layers.IntegerLookup": replace(
        written(
            integer_lookup,
            lambda ops, x: _keras().layers.IntegerLookup(vocabulary=[3, 1, 2])(ops.cast(4.0 * x, "int32")),
            (6,),
        ),
        remark=_without_others,
    ),
    "layers.Softmax": replace(
        written(softmax, lambda ops, x: _keras().layers.Softmax(axis=1)(x), (6, 4)), takes_mask=True
    ),
    "ops.AdaptiveAveragePool": written(
        adaptive("mean"), lambda ops, x: ops.adaptive_average_pool(x, (2, 3)), (5, 6, 2)
    ),
    "ops.AdaptiveMaxPool": written(adaptive("max"), lambda ops, x: ops.adaptive_max_pool(x, (2, 3)), (5, 6, 2)),
}
