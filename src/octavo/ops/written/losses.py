"""The crossentropies of keras.ops."""

from __future__ import annotations

from typing import Any

from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import keras_ops, written


def _binary_crossentropy(operation: Any, target: Any, output: Any) -> Any:
    """`-target log(output) - (1 - target) log(1 - output)`, of logits `softplus(output) - target output`."""
    ops = keras_ops()
    if operation.from_logits:
        return ops.softplus(output) - target * output
    shares = _bounded(ops, output)
    return -target * ops.log(shares) - (1.0 - target) * ops.log(1.0 - shares)


def _categorical_crossentropy(operation: Any, target: Any, output: Any) -> Any:
    """`-sum(target log(output))`, of shares that are made to add up to 1, or of logits."""
    ops, axis = keras_ops(), operation.axis
    if operation.from_logits:
        return -ops.sum(target * ops.log_softmax(output, axis=axis), axis=axis)
    # Of probabilities the function changes nothing; a sum of what is never negative has an integer reciprocal.
    shares = output / ops.sum(ops.relu(output), axis=axis, keepdims=True)
    return -ops.sum(target * ops.log(_bounded(ops, shares)), axis=axis)


def _sparse_categorical_crossentropy(operation: Any, target: Any, output: Any) -> Any:
    ops, axis = keras_ops(), operation.axis
    if len(target.shape) == len(output.shape):
        target = ops.squeeze(target, axis=axis)
    hot = ops.one_hot(ops.cast(target, "int32"), output.shape[axis], axis=axis)
    return _categorical_crossentropy(operation, hot, output)


def _bounded(ops: Any, shares: Any) -> Any:
    return ops.clip(shares, 1e-7, 1 - 1e-7)


FORMS: dict[str, KerasForm] = {
    "ops.BinaryCrossentropy": written(
        _binary_crossentropy, lambda ops, x, y: ops.binary_crossentropy(ops.sigmoid(x), ops.sigmoid(y)), (4, 6), (4, 6)
    ),
    "ops.CategoricalCrossentropy": written(
        _categorical_crossentropy, lambda ops, x, y: ops.categorical_crossentropy(ops.softmax(x), y, True), (6,), (6,)
    ),
    "ops.SparseCategoricalCrossentropy": written(
        _sparse_categorical_crossentropy,
        lambda ops, x, y: ops.sparse_categorical_crossentropy(ops.argmax(x, axis=-1), y, True),
        (4, 6),
        (4, 6),
    ),
}
