"""What recipes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from octavo.ir.types import Shape
from octavo.ops.refuse import refuse
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


def of_samples(operation: Any, rank: int, axis: int | Sequence[int] | None = None) -> tuple[int, ...]:
    """The axes that an operation names, from 1 on.

    Raises:
        UnsupportedLayerError: if the batch is among them, as it is where none is named.
    """
    named = range(rank) if axis is None else np.atleast_1d(axis).tolist()
    axes = tuple(sorted(each % rank for each in named))
    if 0 in axes:
        raise refuse(
            operation,
            got=f"axis={axis}, which mixes samples of a batch",
            expected=f"axes from 1 to {rank - 1}",
            fix="name the axes of a sample, as in axis=-1",
        )
    return axes


def is_symbol(value: Any) -> bool:
    """Whether a value is a tensor of the model, as opposed to an array or a number."""
    import keras

    return isinstance(value, keras.KerasTensor)
