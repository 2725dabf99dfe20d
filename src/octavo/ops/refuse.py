"""The error for a Keras call that has no form in operators."""

from __future__ import annotations

from typing import Any

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
