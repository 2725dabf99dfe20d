"""Files of Keras 2 are mended, said to be, and compute what they did."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from keras_agreement import assert_computes_the_same, spread_weights
from octavo.load import load
from octavo.load.keras_files import read_keras
from octavo.load.keras_files.repair import repair


def layer_2(kind: str, name: str, inbound: Any, **config: Any) -> dict[str, Any]:
    """A layer as Keras 2 writes it."""
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": inbound}


def functional_2(*stored: dict[str, Any], inputs: list[str], output: list[Any]) -> dict[str, Any]:
    config = {
        "name": "model",
        "layers": list(stored),
        "input_layers": [[name, 0, 0] for name in inputs],
        "output_layers": [output],
    }
    return {"class_name": "Functional", "config": config}


def written_2(folder: Path, model: Any, config: dict[str, Any]) -> Path:
    """The weights of a Keras 3 model in a file with a configuration of Keras 2."""
    path = folder / "model.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.15.0"
    return path


def loads_the_same(folder: Path, model: Any, config: dict[str, Any]) -> set[str]:
    """Check what the file computes; returns what was said of it."""
    spread_weights(model)
    loaded = load(written_2(folder, model, config))
    assert_computes_the_same(model, loaded.graph)
    return {f"{note.subject}: {note.text}" for note in loaded.notes}


def test_leftovers_of_keras_2_are_mended_and_said(tmp_path: Path) -> None:
    config = functional_2(
        layer_2("InputLayer", "in/put", [], batch_input_shape=[None, 6, 6, 2], dtype="float32", ragged=False),
        layer_2("DepthwiseConv2D", "block/dw", [[["in/put", 0, 0, {}]]], kernel_size=[3, 3], groups=1),
        layer_2("BatchNormalization", "block/bn", [[["block/dw", 0, 0, {}]]], axis=[3]),
        layer_2("LeakyReLU", "leaky", [[["block/bn", 0, 0, {}]]], alpha=0.25),
        layer_2(
            "SeparableConv2D",
            "sep",
            [[["leaky", 0, 0, {}]]],
            filters=3,
            kernel_size=[1, 1],
            groups=1,
            kernel_initializer={"class_name": "GlorotUniform", "config": {"seed": None}},
            kernel_regularizer=None,
        ),
        inputs=["in/put"],
        output=["sep", 0, 0],
    )
    x = keras.Input((6, 6, 2))
    y = layers.BatchNormalization()(layers.DepthwiseConv2D(3)(x))
    notes = loads_the_same(tmp_path, keras.Model(x, layers.SeparableConv2D(3, 1)(layers.LeakyReLU(0.25)(y))), config)
    assert notes == {
        "in_put, block_dw, block_bn: its name has '_' for every '/' of the file's",
        "block_dw: its groups, an argument DepthwiseConv2D has no more in Keras 3, asked for nothing",
        "leaky: its alpha is called negative_slope in Keras 3",
        "sep: its groups, an argument SeparableConv2D has no more in Keras 3, asked for nothing",
        "sep: its kernel_initializer, an argument SeparableConv2D has no more in Keras 3, asked for nothing",
        "sep: its kernel_regularizer, an argument SeparableConv2D has no more in Keras 3, asked for nothing",
    }


def test_functions_of_tensorflow_between_layers_become_operations(tmp_path: Path) -> None:
    config = functional_2(
        layer_2("InputLayer", "x", [], batch_input_shape=[None, 4], dtype="float32"),
        layer_2("Dense", "dense", [[["x", 0, 0, {}]]], units=4),
        layer_2("TFOpLambda", "sum", [["dense", 0, 0, {"y": ["x", 0, 0], "name": None}]], function="__operators__.add"),
        layer_2("TFOpLambda", "less", [["_CONSTANT_VALUE", -1, 1.5, {"y": ["sum", 0, 0]}]], function="math.subtract"),
        layer_2("TFOpLambda", "relu", [["less", 0, 0, {"name": None}]], function="nn.relu"),
        inputs=["x"],
        output=["relu", 0, 0],
    )
    x = keras.Input((4,))
    notes = loads_the_same(tmp_path, keras.Model(x, keras.ops.relu(1.5 - (layers.Dense(4)(x) + x))), config)
    assert "sum: tf.__operators__.add became the Keras operation Add" in notes


@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
@pytest.mark.parametrize("nested_last", [True, False])
def test_calls_of_nested_models_are_found(tmp_path: Path, kind: str, nested_last: bool) -> None:
    dense = layer_2("Dense", "dense", [[["inner_x", 0, 0, {}]]], units=4)
    inner_input = layer_2("InputLayer", "inner_x", [], batch_input_shape=[None, 4], dtype="float32")
    inner = functional_2(inner_input, dense, inputs=["inner_x"], output=["dense", 0, 0])
    inner["config"]["name"] = "inner"
    if kind == "Sequential":
        inner = {"class_name": kind, "config": {"name": "inner", "layers": [inner_input, dense]}}
    calls = [[["x", 0, 0, {}]], [["inner", 1, 0, {}]]]
    outer = [
        layer_2("InputLayer", "x", [], batch_input_shape=[None, 4], dtype="float32"),
        {**inner, "name": "inner", "inbound_nodes": calls},
        layer_2("Activation", "tanh", [[["inner", 2, 0, {}]]], activation="tanh"),
    ]
    output = ["inner", 2, 0] if nested_last else ["tanh", 0, 0]
    config = functional_2(*(outer[:2] if nested_last else outer), inputs=["x"], output=output)
    x = keras.Input((4,))
    nested = keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    y = nested(nested(x))
    notes = loads_the_same(tmp_path, keras.Model(x, y if nested_last else layers.Activation("tanh")(y)), config)
    assert "inner: its calls are counted from 0, as in Keras 3" in notes


def test_a_sequential_model_whose_first_layer_says_the_input_shape_gets_an_input_layer(tmp_path: Path) -> None:
    dense = layer_2("Dense", "dense", None, units=3, batch_input_shape=[None, 4])
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": [dense]}}
    notes = loads_the_same(tmp_path, keras.Sequential([keras.Input((4,)), layers.Dense(3)]), config)
    assert notes == {"dense: its input shape became an input layer of the model"}


def test_a_policy_is_written_as_its_name(tmp_path: Path) -> None:
    policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    dense = layer_2("Dense", "dense", None, units=3, dtype=policy, batch_input_shape=[None, 4])
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": [dense]}}
    model, notes = read_keras(written_2(tmp_path, keras.Sequential([keras.Input((4,)), layers.Dense(3)]), config))
    assert model.layers[0].compute_dtype == "float16"
    assert "its dtype policy is written as 'mixed_float16'" in {note.text for note in notes}


def test_an_argument_that_asks_for_something_is_left_for_keras_to_judge() -> None:
    stored = functional_2(layer_2("DepthwiseConv2D", "dw", [], kernel_size=[3, 3], groups=2), inputs=[], output=[])
    assert repair(stored) == (stored, ())


def test_what_is_said_of_many_layers_is_said_once() -> None:
    stored = functional_2(*(layer_2("DepthwiseConv2D", f"dw{i}", [], groups=1) for i in range(9)), inputs=[], output=[])
    before = copy.deepcopy(stored)
    (note,) = repair(stored)[1]
    assert note.subject == "dw0, dw1, dw2 and 6 more"
    assert stored == before


def test_two_names_that_would_become_one_stay_two() -> None:
    stored = functional_2(*(layer_2("Dense", name, []) for name in ("a/b", "a_b", "a/b/c")), inputs=[], output=[])
    mended, _ = repair(stored)
    assert [layer["name"] for layer in mended["config"]["layers"]] == ["a_b_1", "a_b", "a_b_c"]


def test_weights_go_to_the_layers_they_were_saved_for(tmp_path: Path) -> None:
    config = functional_2(
        layer_2("InputLayer", "x", [], batch_input_shape=[None, 4], dtype="float32"),
        layer_2("Dense", "top/first", [[["x", 0, 0, {}]]], units=4),
        layer_2("Dense", "second", [[["top/first", 0, 0, {}]]], units=4),
        inputs=["x"],
        output=["second", 0, 0],
    )
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(4)])
    graph = load(written_2(tmp_path, model, config)).graph
    for name, layer in zip(("top_first", "second"), model.layers, strict=True):
        kernel = keras.ops.convert_to_numpy(layer.kernel.value)
        np.testing.assert_array_equal(graph.tensors[f"{name}/kernel"].data, kernel.T)
