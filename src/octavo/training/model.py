"""The model a user trains: an ordinary functional model that remembers how it is to be quantized."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Self

import keras

from octavo.config import QuantizeConfig
from octavo.training.links import connect
from octavo.training.lowered_call import LoweredCall
from octavo.training.observer import FakeQuantize
from octavo.training.quantized_layer import QuantizedLayer


@keras.saving.register_keras_serializable(package="octavo")
class QuantizationAwareModel(keras.Model):
    """A functional model with fake quantization inside; compile, fit, evaluate, save and load it as any other.

    Attributes:
        quantization: The scheme and options its fake quantization stands for.
    """

    quantization: QuantizeConfig

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)
        connect(self.layers)

    def get_config(self) -> dict[str, Any]:
        """The functional model's config and the quantization."""
        return {**super().get_config(), "quantization": asdict(self.quantization)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """The inverse of `get_config`."""
        config = dict(config)
        quantization = QuantizeConfig.from_mapping(config.pop("quantization"))
        model = super().from_config(config, custom_objects)
        model.quantization = quantization
        return model

    @property
    def fake_quantizers(self) -> tuple[FakeQuantize, ...]:
        """Fake quantization of activations, a layer for each group of tensors."""
        inside = [
            quantizer for layer in self.layers if isinstance(layer, LoweredCall) for quantizer in layer.quantizers
        ]
        return (*(layer for layer in self.layers if isinstance(layer, FakeQuantize)), *inside)

    @property
    def quantized_layers(self) -> tuple[QuantizedLayer, ...]:
        """Layers whose weights are fake-quantized."""
        return tuple(layer for layer in self.layers if isinstance(layer, QuantizedLayer))
