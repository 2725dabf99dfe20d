"""keras.ops.conv_transpose in a functional model."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="octavo")
class TransposedConvolution(keras.layers.Layer):
    """Calls the function with its options.

    Keras's own operation, which a call on symbols leaves in a model, hands `padding` and `output_padding` over in each
    other's place when the model runs.

    Args:
        strides, padding, output_padding, data_format, dilation_rate: As for the function.
    """

    def __init__(
        self,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype, autocast=False)
        self.options = {
            "strides": strides,
            "padding": padding,
            "output_padding": output_padding,
            "data_format": data_format,
            "dilation_rate": dilation_rate,
        }

    def call(self, x: Any, kernel: Any) -> Any:
        """The function of `x` (batch, ..., channels) and a kernel (..., outputs, channels)."""
        return keras.ops.conv_transpose(x, kernel, **self.options)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), **self.options}


def runs_as(operation: Any) -> Any:
    """What stands in a functional model for an operation: itself, but where Keras's does not run."""
    if type(operation).__name__ != "ConvTranspose" or not type(operation).__module__.startswith("keras.src.ops."):
        return operation
    names = ("strides", "padding", "output_padding", "data_format", "dilation_rate")
    return TransposedConvolution(**{name: getattr(operation, name) for name in names})
