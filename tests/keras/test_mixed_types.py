"""Layers of one network on different types: int16 between int8, float between integers, after training and by it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from qat_agreement import assert_deployed_as_trained

import octavo
from octavo import qat
from octavo.config import LayerConfig
from octavo.errors import ConfigError
from octavo.ops.table import spec_of

MIDDLE_INT16 = (LayerConfig("middle*", activations="int16"),)
ENDS_FLOAT = (LayerConfig("stem", activations="float32"), LayerConfig("scores", activations="float32"))
EACH_ANOTHER = (LayerConfig("stem", activations="int16"), LayerConfig("sum", activations="float32"))
TRAINED = [
    pytest.param(scheme, own, id=f"{scheme}-{name}")
    for scheme in ("int8", "int8x4", "int16x8")
    for name, own in {"middle": MIDDLE_INT16, "ends": ENDS_FLOAT, "each": EACH_ANOTHER}.items()
]
# The types meet alike in every scheme; one of them is trained on every backend.
TRAINED[0] = pytest.param("int8", MIDDLE_INT16, id="int8-middle", marks=pytest.mark.every_backend)


def network() -> keras.Model:
    """A stem, a residual block and a head; the block begins with a batch normalization that folds."""
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    stem = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(x)
    y = layers.Conv2D(8, 3, padding="same", name="middle_1")(stem)
    y = layers.BatchNormalization(name="middle_norm")(y)
    y = layers.ReLU(name="middle_relu")(y)
    y = layers.Conv2D(8, 3, padding="same", name="middle_2")(y)
    y = layers.Add(name="sum")([stem, y])
    y = layers.Concatenate(name="join")([y, stem])
    y = layers.Conv2D(8, 3, activation="relu6", name="head")(y)
    y = layers.GlobalAveragePooling2D(name="mean")(y)
    return keras.Model(x, layers.Dense(5, activation="softmax", name="scores")(y), name="mixed")


def samples() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(48, 8, 8, 3)).astype(np.float32)


def types_by_layer(quantized: octavo.QuantizedModel) -> dict[str, str]:
    """Type of the result of each layer's last operator; conversions left out."""
    graph = quantized.graph
    computing = (node for node in graph.nodes if not spec_of(node.op).converts)
    return {node.layer: graph.tensors[node.outputs[0]].dtype.value for node in computing}


def test_a_middle_block_runs_on_int16_between_int8_ends() -> None:
    quantized = octavo.quantize(network(), "int8", samples(), layers=MIDDLE_INT16)
    types = types_by_layer(quantized)
    assert {name for name, dtype in types.items() if dtype == "int16"} == {"middle_1", "middle_2"}
    assert {dtype for name, dtype in types.items() if not name.startswith("middle")} == {"int8"}
    assert [node.op for node in quantized.graph.nodes].count("QUANTIZE") == 2
    micro, reference, default = quantized.verification.runtimes
    assert micro.exact
    assert reference.exact
    assert default.ok
    assert quantized.islands == ()


def test_float_by_configuration_is_skip_by_another_name() -> None:
    model, x = network(), samples()
    by_layer = octavo.quantize(model, "int8", x, layers=ENDS_FLOAT)
    assert by_layer.model == octavo.quantize(model, "int8", x, skip=["stem", "scores"]).model
    assert {island.reason for island in by_layer.islands} == {"float32 by the layer's configuration"}


def test_a_block_of_int16_loses_less_than_one_of_int8() -> None:
    model, x = network(), samples()
    wide = octavo.quantize(model, "int8", x, layers=[LayerConfig("*", activations="int16")])
    assert set(types_by_layer(wide).values()) == {"int16"}
    assert wide.fidelity.rounding[0].rms_error < octavo.quantize(model, "int8", x).fidelity.rounding[0].rms_error


@pytest.mark.parametrize(("scheme", "own"), TRAINED)
def test_a_network_of_several_types_is_deployed_as_it_was_trained(
    scheme: str, own: tuple[LayerConfig, ...], tmp_path: Path
) -> None:
    x = samples()
    model = qat.quantize_model(network(), scheme, data=x, layers=own)
    model.compile("adam", "mse")
    model.fit(x, np.eye(5)[np.arange(48) % 5], epochs=1, batch_size=16, verbose=0)
    quantized = octavo.quantize(model)
    assert_deployed_as_trained(model, quantized, [x])
    parity = octavo.parity(model, quantized, x)
    # A step of int16 is next to nothing, and rounding in front of it several of them.
    assert parity.within_one_step > 0.99 or scheme == "int16x8"
    model.save(tmp_path / "model.keras")
    assert octavo.quantize(keras.models.load_model(tmp_path / "model.keras")).model == quantized.model


def test_a_type_that_cannot_be_had_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'int16'\?"):
        LayerConfig("stem", activations="int61")
    with pytest.raises(ConfigError, match=r"fix: +use scheme='int8', and activations='float32'"):
        octavo.QuantizeConfig("dynamic", layers=(LayerConfig("stem", activations="int16"),))
    with pytest.raises(ConfigError, match=r"fix: +use scheme='int8', or leave these weights in int8"):
        octavo.QuantizeConfig("int8x4", layers=(LayerConfig("stem", "int4", activations="int16"),))


def test_int4_weights_beside_int16_activations_are_told_to_be_int8() -> None:
    quantized = octavo.quantize(network(), "int8x4", samples(), layers=MIDDLE_INT16)
    told = {note.subject: note.text for note in quantized.notes if note.stage == "plan"}
    assert set(told) == {"middle_1", "middle_2"}
    assert "has int8 weights: not every runtime has an int4 kernel for it beside int16 activations" in told["middle_1"]
