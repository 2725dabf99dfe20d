"""The model a user trains: an ordinary functional model that remembers how it is to be quantized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType, SimpleNamespace
from typing import Any, Self

import keras

from octavo.config import QuantizeConfig
from octavo.errors import InputError
from octavo.ir.notes import Note
from octavo.qat.layers.fake_quantize import FakeQuantize
from octavo.qat.layers.kernel_rounding import KernelRounding
from octavo.qat.layers.lowered_call import LoweredCall
from octavo.qat.layers.neighbours import connect
from octavo.qat.layers.quantized_layer import QuantizedLayer


@keras.saving.register_keras_serializable(package="octavo")
class QuantizationAwareModel(keras.Model):
    """A functional model with fake quantization inside; compile, fit, evaluate, save and load it as any other.

    Attributes:
        paths: For layers that are called otherwise here, the path of the layer in the user's model.
        notes: What conditioning before training brought, and what is to be doubted of the data it started from.
    """

    paths: Mapping[str, str] = MappingProxyType({})
    notes: tuple[Note, ...] = ()

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)
        # Keras counts the variables of a model that is an attribute among this one's.
        self._held = SimpleNamespace(teacher=None, quantization=None)
        connect(self.layers)

    @property
    def quantization(self) -> QuantizeConfig:
        """The scheme and options its fake quantization stands for.

        Raises:
            InputError: for what `keras.models.clone_model` makes of such a model: it copies layers and nothing else.
        """
        if self._held.quantization is None:
            raise InputError(
                f"this copy of model '{self.name}' does not know what it was trained for.",
                got="a model that keras.models.clone_model made",
                expected="a model of octavo.qat.quantize_model, or one loaded from its file",
                fix="take the weights back, original.set_weights(copy.get_weights()), and go on with the original; to "
                "copy a model with all it knows, call type(model).from_config(model.get_config())",
            )
        return self._held.quantization

    def trained_for(self, quantization: QuantizeConfig) -> None:
        """Say what the fake quantization stands for.

        No setter: on TensorFlow, Keras reads an attribute before it sets it, which here is an error until it is known.
        """
        self._held.quantization = quantization

    def distill(self, teacher: keras.Model | None) -> None:
        """Let a float model's outputs take the place of the labels in the loss; None takes the labels again.

        The teacher is not saved with the model, and its weights do not change.
        """
        self._held.teacher = teacher

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The compiled loss, between the outputs and the teacher's where there is one, else the labels."""
        if self._held.teacher is not None:
            y = keras.tree.map_structure(keras.ops.stop_gradient, self._held.teacher(x, training=False))
        return super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)

    def get_config(self) -> dict[str, Any]:
        """The functional model's config, the quantization, the paths and the notes."""
        own = {"quantization": asdict(self.quantization), "paths": dict(self.paths)}
        return {**super().get_config(), **own, "notes": [asdict(note) for note in self.notes]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """The inverse of `get_config`."""
        config = dict(config)
        quantization, paths = QuantizeConfig.from_mapping(config.pop("quantization")), config.pop("paths")
        notes = tuple(Note(**note) for note in config.pop("notes", ()))
        model = super().from_config(config, custom_objects)
        model.trained_for(quantization)
        model.paths, model.notes = paths, notes
        return model

    @property
    def fake_quantizers(self) -> tuple[FakeQuantize, ...]:
        """Fake quantization of activations, a layer for each group of tensors."""
        inside = [
            quantizer for layer in self.layers if isinstance(layer, LoweredCall) for quantizer in layer.quantizers
        ]
        return (*(layer for layer in self.layers if isinstance(layer, FakeQuantize)), *inside)

    @property
    def kernel_roundings(self) -> tuple[KernelRounding, ...]:
        """What rounding adds to biases, a layer for each."""
        return tuple(layer for layer in self.layers if isinstance(layer, KernelRounding))

    @property
    def quantized_layers(self) -> tuple[QuantizedLayer, ...]:
        """Layers whose weights are fake-quantized."""
        return tuple(layer for layer in self.layers if isinstance(layer, QuantizedLayer))


# Files of HDF5 name a model's class without its package.
keras.saving.get_custom_objects()[QuantizationAwareModel.__name__] = QuantizationAwareModel
