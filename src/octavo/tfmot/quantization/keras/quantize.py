"""tfmot's functions, and the config of one layer, over `octavo.qat`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from octavo import qat
from octavo.config import LayerConfig
from octavo.errors import ConfigError
from octavo.qat.layers.fake_quantize import Observer
from octavo.qat.surgery.flatten import annotated_layers
from octavo.tfmot.quantization.keras.default_8bit import Default8BitQuantizeScheme
from octavo.tfmot.quantization.keras.quantizers import OBSERVERS, Quantizer

WEIGHT_TYPES_BY_BITS = {8: "int8", 4: "int4"}


class QuantizeConfig:
    """How one layer is quantized; override what differs, as with tfmot.

    Of the weights' quantizers, bits and per_axis count, of the outputs' and activations' quantizers the kind of
    range. Where fake quantization stands is decided by the plan, so that training and deployment agree.
    """

    def get_weights_and_quantizers(self, layer: keras.layers.Layer) -> list[tuple[Any, Quantizer]]:
        """Pairs of a weight and its quantizer."""
        return []

    def get_activations_and_quantizers(self, layer: keras.layers.Layer) -> list[tuple[Any, Quantizer]]:
        """Pairs of an activation and its quantizer."""
        return []

    def set_quantize_weights(self, layer: keras.layers.Layer, quantize_weights: list[Any]) -> None:
        """Never called: weights are replaced where the layer reads them."""

    def set_quantize_activations(self, layer: keras.layers.Layer, quantize_activations: list[Any]) -> None:
        """Never called, likewise."""

    def get_output_quantizers(self, layer: keras.layers.Layer) -> list[Quantizer]:
        """Quantizers of the outputs."""
        return []

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {}


def quantize_model(to_quantize: keras.Model, quantized_layer_name_prefix: str = "quant_") -> qat.QuantizationAwareModel:
    """Make a whole model quantization aware, as tfmot's.

    Args:
        to_quantize: Built, Sequential or Functional; also nested, shared, subclassed and with keras.ops calls.
        quantized_layer_name_prefix: Accepted and not used: layers keep their names.

    Raises:
        InputError, UnsupportedLayerError: as `octavo.qat.quantize_model`.
    """
    return qat.quantize_model(to_quantize)


def quantize_annotate_layer(
    to_annotate: keras.layers.Layer, quantize_config: QuantizeConfig | None = None
) -> keras.layers.Layer:
    """Mark a layer for `quantize_apply`.

    Raises:
        ConfigError: for something that is no layer, or a config that no kernel has.
    """
    if not isinstance(to_annotate, keras.layers.Layer) or isinstance(to_annotate, keras.Model):
        raise ConfigError(
            "only a layer can be annotated.",
            got=type(to_annotate).__name__,
            expected="an instance of keras.layers.Layer",
            fix="annotate each layer, or the whole model with quantize_annotate_model",
        )
    annotated = qat.annotate(to_annotate)
    annotated.quantize_config = quantize_config
    return annotated


def quantize_annotate_model(to_annotate: keras.Model) -> keras.Model:
    """A copy of a model with every layer marked for `quantize_apply`; those already marked keep their configs."""

    def mark(layer: keras.layers.Layer) -> keras.layers.Layer:
        known = isinstance(layer, (qat.Annotated, keras.Model, keras.layers.InputLayer))
        return layer if known else quantize_annotate_layer(type(layer).from_config(layer.get_config()))

    copy = keras.models.clone_model(to_annotate, clone_function=mark)
    copy.set_weights(to_annotate.get_weights())
    return copy


def quantize_apply(
    model: keras.Model,
    scheme: Any = None,
    quantized_layer_name_prefix: str = "quant_",
) -> qat.QuantizationAwareModel:
    """Make the annotated layers of a model quantization aware; the others stay in float.

    Args:
        model: With layers marked by `quantize_annotate_layer` or `quantize_annotate_model`.
        scheme: None or a `Default8BitQuantizeScheme`.
        quantized_layer_name_prefix: Accepted and not used.

    Raises:
        InputError: if no layer is marked.
        ConfigError: for a scheme or config that no kernel has.
    """
    if scheme is not None and not isinstance(scheme, Default8BitQuantizeScheme):
        raise ConfigError(
            "unknown tfmot scheme.",
            got=type(scheme).__name__,
            expected="Default8BitQuantizeScheme",
            fix="leave scheme out, or use octavo.qat.quantize_model(model, scheme='int8x4') and its like",
        )
    configs = [
        (path, mark.layer, config)
        for path, mark in annotated_layers(model)
        if (config := getattr(mark, "quantize_config", None)) is not None
    ]
    training = qat.TrainingConfig(layers=tuple(qat.LayerTraining(path, observer_of(*rest)) for path, *rest in configs))
    return qat.apply(model, "int8", training, layers=[layer_config(*each) for each in configs])


def layer_config(path: str, layer: keras.layers.Layer, config: QuantizeConfig) -> LayerConfig:
    """What a tfmot config says of the weights of the layer at `path`.

    Raises:
        ConfigError: for a number of bits that no kernel has.
    """
    quantizers = [quantizer for _, quantizer in config.get_weights_and_quantizers(layer)]
    if not quantizers:
        return LayerConfig(path)
    bits = {quantizer.num_bits for quantizer in quantizers}
    if len(bits) > 1 or not bits <= WEIGHT_TYPES_BY_BITS.keys():
        raise ConfigError(
            f"the weights of layer '{path}' cannot have these bits.",
            got=", ".join(map(str, sorted(bits))),
            expected="8, or 4",
            fix="use num_bits=8 or num_bits=4 for all weights of the layer",
        )
    return LayerConfig(path, WEIGHT_TYPES_BY_BITS[bits.pop()], any(q.per_axis for q in quantizers) or None)


def observer_of(layer: keras.layers.Layer, config: QuantizeConfig) -> Observer | None:
    """The kind of range that a tfmot config asks for a layer's results; None if it does not say.

    Raises:
        ConfigError: if it asks for several.
    """
    activations = (quantizer for _, quantizer in config.get_activations_and_quantizers(layer))
    kinds = {OBSERVERS[type(quantizer)] for quantizer in (*activations, *config.get_output_quantizers(layer))}
    if len(kinds) > 1:
        raise ConfigError(
            f"the results of layer '{layer.name}' are observed in one way.",
            got=", ".join(sorted(kinds)),
            expected="one kind of quantizer for its activations and outputs",
            fix="use MovingAverageQuantizer for each",
        )
    return kinds.pop() if kinds else None


@contextmanager
def quantize_scope(*custom_objects: dict[str, Any]) -> Iterator[None]:
    """Load quantization-aware models inside; importing this module already registers all of Octavo's layers."""
    with keras.saving.custom_object_scope({name: value for each in custom_objects for name, value in each.items()}):
        yield
