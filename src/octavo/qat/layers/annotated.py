"""Marks on layers: which ones of a model are to be quantized, and how."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="octavo")
class Annotated(keras.layers.Layer):
    """A layer marked for quantization; it computes what the layer computes.

    Args:
        layer: The layer.
    """

    def __init__(self, layer: keras.layers.Layer, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name or layer.name, dtype=dtype or layer.dtype_policy)
        self.layer = layer
        # A Sequential asks its first layer for it, of a layer made with `input_shape=`.
        if hasattr(layer, "_input_shape_arg"):
            self._input_shape_arg = layer._input_shape_arg

    def build(self, input_shape: Any) -> None:
        """Build the layer."""
        if not self.layer.built:
            self.layer.build(input_shape)
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer."""
        return self.layer(inputs, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Annotated:
        """The inverse of `get_config`."""
        layer, dtype = (keras.saving.deserialize_keras_object(config[key]) for key in ("layer", "dtype"))
        return cls(layer, config["name"], dtype)
