"""What recipes share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from octavo.ir.types import Shape
from octavo.ops.spec import Emitter, KerasCall, KerasForm

Recipe = Callable[..., Any]


def written(recipe: Recipe, example: Callable[..., Any], *shapes: Shape) -> KerasForm:
    """The form of an operation by a recipe.

    Args:
        recipe: Given the operation and what it was called on.
        example: A call of it on symbolic inputs of these shapes, given `keras.ops` first.
        shapes: Without batch.
    """

    def lower(b: Emitter, call: KerasCall) -> tuple[str, ...]:
        return b.calls(partial(recipe, call.operation), call.args, call.kwargs)

    return KerasForm(lower, lambda keras: (partial(example, keras.ops), shapes or ((4, 6),)))


def along_one(x: Any, axis: int | None) -> tuple[Any, int]:
    """A tensor and the axis that an operation works along; where it names none, that of all values in a row."""
    if axis is None:
        return keras_ops().reshape(x, (-1,)), 0
    return x, axis % len(x.shape)


def counted(real: Any) -> Any:
    """A count, a real tensor, as int32: a cast cuts off, and what integers stand for may lie a bit too low."""
    return keras_ops().cast(real + 0.5, "int32")


def by_two(function: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """A recipe of a function of keras.ops and two tensors."""
    return lambda operation, x1, x2: function(keras_ops(), x1, x2)


def keras_ops() -> Any:
    """`keras.ops`, imported once it is needed."""
    import keras

    return keras.ops


def is_symbol(value: Any) -> bool:
    """Whether a value is a tensor of the model, as opposed to an array or a number."""
    import keras

    return isinstance(value, keras.KerasTensor)
