"""tfmot's names: what they make of a model, and what they refuse."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from octavo import tfmot
from octavo.errors import ConfigError

quantization = tfmot.quantization.keras
quantizers = quantization.quantizers


def network(*, dense: Any = None) -> keras.Model:
    """A convolution and a dense layer, the latter as given."""
    dense = dense or layers.Dense(3, name="scores")
    return keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(4, 3, name="conv"), layers.Flatten(name="flat"), dense]
    )


class Config(quantization.QuantizeConfig):
    """A config with these bits for the kernel, and these quantizers for the outputs."""

    def __init__(self, bits: tuple[int, ...] = (), outputs: tuple[Any, ...] = ()) -> None:
        self.bits, self.outputs = bits, outputs

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return [(layer, quantizers.LastValueQuantizer(num_bits=bits, per_axis=True)) for bits in self.bits]

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return list(self.outputs)


def applied(*configs: Config) -> keras.Model:
    """The quantization-aware model of dense layers annotated with these configs, one after the other."""
    dense = [layers.Dense(3, name=f"dense_{number}") for number in range(len(configs))]
    annotated = map(quantization.quantize_annotate_layer, dense, configs)
    return quantization.quantize_apply(keras.Sequential([keras.Input((4,)), *annotated]))


def test_a_whole_model_is_quantized_as_when_all_its_layers_are_annotated() -> None:
    model = network()
    whole = quantization.quantize_model(model)
    annotated = quantization.quantize_apply(quantization.quantize_annotate_model(model))
    assert [layer.name for layer in whole.quantized_layers] == ["conv", "scores"]
    assert [layer.name for layer in annotated.quantized_layers] == ["conv", "scores"]
    conv = annotated.quantized_layers[0].layer
    for before, after in zip(model.get_layer("conv").get_weights(), conv.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_config_decides_the_bits_of_weights_and_the_kind_of_range() -> None:
    model = applied(Config((4,), (quantizers.AllValuesQuantizer(),)), Config((8,), (quantizers.LastValueQuantizer(),)))
    assert [layer.weight_quantizers[0].integer for layer in model.quantized_layers] == ["int4", "int8"]
    observers = {name: quantizer.observer for quantizer in model.fake_quantizers for name in quantizer.tensors}
    assert (observers["dense_0"], observers["dense_1"]) == ("all", "last")


def test_a_config_is_found_inside_a_nested_model() -> None:
    marked = quantization.quantize_annotate_layer(layers.Dense(3, name="dense"), Config((4,)))
    x = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), marked], name="inner")
    model = quantization.quantize_apply(keras.Model(x, layers.Dense(2)(inner(x))))
    assert [layer.weight_quantizers[0].integer for layer in model.quantized_layers] == ["int4"]


def test_the_guides_listing_of_an_annotated_first_layer_with_its_input_shape_runs() -> None:
    with pytest.warns(UserWarning, match="Do not pass an `input_shape`"):
        first = quantization.quantize_annotate_layer(layers.Dense(20, input_shape=(20,), name="first"))
    model = quantization.quantize_apply(keras.Sequential([first, layers.Flatten()]))
    assert [layer.name for layer in model.quantized_layers] == ["first"]
    assert model.input_shape == (None, 20)


def test_names_are_imported_from_where_tfmot_has_them() -> None:
    from octavo.tfmot.quantization.keras import quantize_model
    from octavo.tfmot.quantization.keras.default_8bit import Default8BitQuantizeScheme
    from octavo.tfmot.quantization.keras.quantizers import LastValueQuantizer

    assert quantize_model is quantization.quantize_model
    assert LastValueQuantizer is quantizers.LastValueQuantizer
    assert Default8BitQuantizeScheme is quantization.default_8bit.Default8BitQuantizeScheme


@pytest.mark.parametrize("marked", [network(), "scores"], ids=["a model", "a name"])
def test_only_a_layer_is_annotated(marked: Any) -> None:
    with pytest.raises(ConfigError, match=r"fix: +annotate each layer, or the whole model"):
        quantization.quantize_annotate_layer(marked)


def test_a_scheme_that_is_not_tfmots_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"fix: +leave scheme out, or use octavo\.qat\.quantize_model"):
        quantization.quantize_apply(network(), scheme="int8x4")


@pytest.mark.parametrize("bits", [(16,), (8, 4)], ids=str)
def test_bits_that_no_kernel_has_are_refused_by_the_layers_name(bits: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"'dense_0'(.*\n)+ +fix: +use num_bits=8 or num_bits=4 for all weights"):
        applied(Config(bits))


def test_two_kinds_of_range_of_one_layer_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"fix: +use MovingAverageQuantizer for each"):
        applied(Config(outputs=(quantizers.LastValueQuantizer(), quantizers.MovingAverageQuantizer())))
