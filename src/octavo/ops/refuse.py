"""The error for a Keras call that has no form in operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from octavo.errors import UnsupportedLayerError

AS_CONFIGURED = "has no TensorFlow Lite form as configured."


def is_of_configuration(error: UnsupportedLayerError) -> bool:
    """Whether an error speaks of how a layer is configured, as opposed to the layer, its variables or its use."""
    return error.what.endswith(AS_CONFIGURED)


def refuse(operation: Any, *, got: str, expected: str, fix: str) -> UnsupportedLayerError:
    """An error naming the layer or operation as the user named it; the caller raises it."""
    return UnsupportedLayerError(
        f"layer '{operation.name}' ({type(operation).__name__}) {AS_CONFIGURED}",
        got=got,
        expected=expected,
        fix=fix,
    )


def axes_of_sample(operation: Any, rank: int, does: str) -> list[int]:
    """The axes that an operation names, all of them if it names none, counted from 0, in the order given.

    Args:
        operation: With `axis`: a number, several, or None.
        rank: Of its input, whose first axis is the batch.
        does: What it would do to the batch: "turns the batch round".

    Raises:
        UnsupportedLayerError: if the batch is among them.
    """
    named = range(rank) if operation.axis is None else np.atleast_1d(operation.axis).tolist()
    axes = [axis % rank for axis in named]
    if 0 in axes:
        raise refuse(
            operation,
            got=f"axis={operation.axis}, which {does}",
            expected=f"axes from 1 to {rank - 1}",
            fix=f"name the axes, as in keras.ops.{type(operation).__name__.lower()}(x, axis=-1)",
        )
    return axes


def require_channels_last(operation: Any) -> None:
    """Refuse a layer or operation whose channels come first.

    Raises:
        UnsupportedLayerError: naming the layer.
    """
    import keras

    data_format = operation.data_format or keras.config.image_data_format()
    if data_format != "channels_last":
        raise refuse(
            operation,
            got=f'data_format="{data_format}"',
            expected='data_format="channels_last"',
            fix='set data_format="channels_last" and move its input\'s channels last with keras.layers.Permute',
        )
