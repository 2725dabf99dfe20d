"""Fake quantization of a weight that is no variable, but a part of one or computed of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from octavo.dtypes import DType
from octavo.numerics.fake_quantization import fake_quantize_weight


@keras.saving.register_keras_serializable(package="octavo")
class QuantizedWeight(keras.layers.Layer):
    """Rounds a tensor as its file rounds the weight that it is; gradients pass to what it is computed of.

    Args:
        tensor: The weight's name in the graph.
        integer: "int8" or "int4".
        axes: Dimensions of the tensor that share one scale.
    """

    def __init__(
        self,
        tensor: str,
        integer: str,
        axes: Sequence[int],
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.tensor, self.integer, self.axes = tensor, integer, tuple(axes)
        self.built = True

    def call(self, weight: Any) -> Any:
        """The weight, on the grid of its largest magnitudes."""
        value = ops.cast(weight, "float32")
        magnitude = ops.stop_gradient(ops.max(ops.abs(value), axis=self.axes, keepdims=True))
        return ops.cast(fake_quantize_weight(value, magnitude, DType(self.integer)), weight.dtype)

    def compute_output_spec(self, weight: Any) -> Any:
        """A tensor like the weight."""
        return keras.KerasTensor(weight.shape, weight.dtype)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "tensor": self.tensor, "integer": self.integer, "axes": list(self.axes)}
