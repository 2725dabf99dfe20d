"""What the loader makes of Keras models of every shape."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_agreement import assert_computes_the_same, spread_weights
from octavo.dtypes import DType
from octavo.ir.types import Graph
from octavo.load.keras_graph import load_keras
from octavo.load.loaded import Loaded
from octavo.ops.text import format_graph

pytestmark = pytest.mark.every_backend


def loads_the_same(model: Any, **options: Any) -> Loaded:
    """Load a model and check what its graph computes."""
    spread_weights(model)
    loaded = load_keras(model, **options)
    assert_computes_the_same(model, loaded.graph)
    return loaded


def ops_and_layers(graph: Graph) -> list[tuple[str, str]]:
    return [(node.op, node.layer) for node in graph.nodes]


def convolutional(name: str = "features") -> Any:
    return keras.Sequential(
        [keras.Input((8, 8, 3), name="image"), layers.Conv2D(4, 3, activation="relu", name="conv")], name=name
    )


def test_a_sequential_model_becomes_a_graph_in_order() -> None:
    model = convolutional()
    model.add(layers.BatchNormalization(name="norm"))
    model.add(layers.Dropout(0.5, name="drop"))
    model.add(layers.Flatten(name="flat"))
    model.add(layers.Dense(5, activation="softmax", name="scores"))
    graph = loads_the_same(model).graph
    assert graph.inputs == ("image",)
    assert graph.outputs == ("scores",)
    assert ops_and_layers(graph) == [
        ("CONV_2D", "conv"),
        ("RELU", "conv"),
        ("MUL", "norm"),
        ("ADD", "norm"),
        ("RESHAPE", "flat"),
        ("FULLY_CONNECTED", "scores"),
        ("SOFTMAX", "scores"),
    ]


def test_a_layers_result_bears_its_name_and_what_precedes_the_activation_the_operators() -> None:
    graph = load_keras(convolutional()).graph
    assert [node.outputs[0] for node in graph.nodes] == ["conv/conv_2d", "conv"]
    assert {"conv/kernel", "conv/bias"} < set(graph.tensors)


def test_a_nested_model_gives_its_layers_a_path() -> None:
    image = keras.Input((8, 8, 3), name="image")
    model = keras.Model(image, layers.GlobalAveragePooling2D(name="mean")(convolutional("encoder")(image)))
    graph = loads_the_same(model).graph
    assert {node.layer for node in graph.nodes} == {"encoder/conv", "mean"}
    assert "encoder/conv/kernel" in graph.tensors


def test_models_nest_to_any_depth() -> None:
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(6, name="dense")], name="inner")
    middle = keras.Sequential([keras.Input((6,)), inner], name="middle")
    x = keras.Input((6,))
    graph = loads_the_same(keras.Model(x, middle(x))).graph
    assert ops_and_layers(graph) == [("FULLY_CONNECTED", "middle/inner/dense")]


def test_a_shared_layer_has_one_kernel() -> None:
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3, name="shared")
    graph = loads_the_same(keras.Model([a, b], layers.Add(name="sum")([shared(a), shared(b)]))).graph
    assert [node.inputs[1:] for node in graph.nodes[:2]] == [("shared/kernel", "shared/bias")] * 2


def test_a_nested_model_called_twice_has_one_kernel_and_two_results() -> None:
    x, encoder = keras.Input((8, 8, 3)), convolutional("encoder")
    graph = loads_the_same(keras.Model(x, [encoder(x), encoder(layers.Activation("tanh")(x))])).graph
    assert sum(name.endswith("kernel") for name in graph.tensors) == 1
    assert len(set(graph.outputs)) == 2


def test_a_layer_used_inside_and_outside_a_nested_model_has_one_kernel() -> None:
    shared = layers.Dense(4, name="shared")
    inner = keras.Sequential([keras.Input((4,)), shared], name="inner")
    x = keras.Input((4,))
    graph = loads_the_same(keras.Model(x, shared(inner(x)))).graph
    assert sum(tensor.is_constant and len(tensor.shape) == 2 for tensor in graph.tensors.values()) == 1


def test_a_branch_is_finished_before_the_next_begins() -> None:
    x = keras.Input((6,), name="x")
    first = layers.Dense(3, name="first_2")(layers.Dense(3, name="first_1")(x))
    second = layers.Dense(3, name="second_2")(layers.Dense(3, name="second_1")(x))
    graph = load_keras(keras.Model(x, layers.Add(name="sum")([first, second]))).graph
    assert [node.layer for node in graph.nodes] == ["first_1", "first_2", "second_1", "second_2", "sum"]


def test_dicts_of_inputs_and_outputs_name_the_graphs() -> None:
    image, age = keras.Input((8, 8, 3), name="image"), keras.Input((2,), name="age")
    features = layers.GlobalMaxPooling2D()(image)
    outputs = {"risk": layers.Dense(1)(layers.Concatenate()([features, age])), "features": features}
    graph = loads_the_same(keras.Model({"image": image, "age": age}, outputs)).graph
    assert graph.inputs == ("age", "image")
    assert graph.outputs == ("features", "risk")


def test_a_nested_model_finds_its_inputs_by_name() -> None:
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    inner = keras.Model([b, a], layers.Subtract()([b, a]), name="difference")
    first, second = keras.Input((3,), name="first"), keras.Input((3,), name="second")
    loads_the_same(keras.Model([first, second], inner({"a": first, "b": second})))


def test_keras_ops_and_python_operators_between_layers_are_read() -> None:
    x = keras.Input((6, 4), name="x")
    scaled = x * 2.0 + np.arange(4, dtype=np.float32)
    shifted = ops.concatenate([1.0 - scaled[:, 1:, :], ops.maximum(scaled, ops.ones((4,)))[:, :1]], axis=1)
    loads_the_same(keras.Model(x, layers.Dense(2)(ops.relu(shifted))))


def test_an_activation_may_be_a_layer_or_a_function_of_keras_ops() -> None:
    x = keras.Input((6,))
    graph = loads_the_same(
        keras.Model(x, layers.Dense(5, activation=ops.tanh)(layers.Dense(4, activation=layers.ReLU(6.0))(x)))
    ).graph
    assert [node.op for node in graph.nodes] == ["FULLY_CONNECTED", "RELU6", "FULLY_CONNECTED", "TANH"]


def test_every_symbolic_tensor_has_its_graph_tensor() -> None:
    image, encoder = keras.Input((8, 8, 3), name="image"), convolutional("encoder")
    encoded = encoder(image)
    dropped = layers.Dropout(0.1)(encoded)
    scores = layers.Dense(2, name="scores")(layers.Flatten(name="flat")(dropped))
    loaded = load_keras(keras.Model(image, scores))
    assert [loaded.names[id(tensor)] for tensor in (image, encoded, dropped, scores)] == [
        "image",
        "encoder/conv",
        "encoder/conv",
        "scores",
    ]
    assert loaded.names[id(encoder.inputs[0])] == "image"
    assert loaded.names[id(encoder.get_layer("conv").output)] == "encoder/conv"
    assert set(loaded.names.values()) <= set(loaded.graph.tensors)


def test_inside_a_model_called_twice_names_are_those_of_the_first_call() -> None:
    x, encoder = keras.Input((8, 8, 3), name="x"), convolutional("encoder")
    first = encoder(x)
    second = encoder(layers.Activation("tanh")(x))
    names = load_keras(keras.Model(x, [first, second])).names
    assert names[id(encoder.outputs[0])] == names[id(first)] != names[id(second)]


def test_the_batch_dimension_becomes_1() -> None:
    model = keras.Sequential([layers.Dense(3)])
    model(np.zeros((32, 4), np.float32))
    graph = load_keras(model).graph
    assert [graph.tensors[name].shape for name in (*graph.inputs, *graph.outputs)] == [(1, 4), (1, 3)]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_another_dtype_policy_is_read_as_float32_and_said_so(policy: str) -> None:
    model = keras.Sequential([keras.Input((4,), dtype="float32"), layers.Dense(3, dtype=policy, name="half")])
    loaded = load_keras(model)
    assert {tensor.dtype for tensor in loaded.graph.tensors.values()} == {DType.FLOAT32}
    kernel = keras.ops.convert_to_numpy(ops.cast(model.layers[0].kernel, "float32"))
    np.testing.assert_array_equal(loaded.graph.tensors["half/kernel"].data, kernel.T)
    assert [note.subject for note in loaded.notes] == ["half"]


# Keras builds recurrence all in float16 on TensorFlow alone.
HALVES = ["mixed_float16", "mixed_bfloat16", *["float16"] * (keras.backend.backend() == "tensorflow")]


@pytest.mark.parametrize("policy", HALVES)
@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_recurrence_in_half_precision_is_read_as_float32(kind: Any, policy: str) -> None:
    model = keras.Sequential([keras.Input((3, 2), dtype="float32"), kind(2, dtype=policy, name="half")])
    assert {tensor.dtype for tensor in load_keras(model).graph.tensors.values()} <= {DType.FLOAT32, DType.INT32}


def test_an_input_of_integers_is_one_of_float32() -> None:
    model = keras.Sequential([keras.Input((2, 2), dtype="uint8", name="image"), layers.Rescaling(1 / 255)])
    loaded = load_keras(model)
    assert loaded.graph.tensors["image"].dtype is DType.FLOAT32
    assert "uint8" in loaded.notes[0].text


def test_loading_twice_gives_the_same_graph() -> None:
    x = keras.Input((6,), name="x")
    y = layers.Lambda(lambda x: ops.tanh(x) * 2.0, name="twist")(layers.Dense(6, activation="relu", name="dense")(x))
    model = keras.Model(x, y, name="model")
    texts = {format_graph(load_keras(model).graph) for _ in range(2)}
    assert len(texts) == 1


def test_loading_does_not_change_the_model() -> None:
    x = keras.Input((6,))
    model = keras.Model(x, layers.Lambda(lambda x: x + 1.0, name="shift")(convolutional_free(x)))
    calls = {operation.name: len(operation._inbound_nodes) for operation in model.operations}
    load_keras(model)
    assert {operation.name: len(operation._inbound_nodes) for operation in model.operations} == calls


def convolutional_free(x: Any) -> Any:
    return layers.Dense(6, activation="relu")(x)


def test_a_graph_keeps_its_weights_when_the_model_trains_on() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="dense", bias_initializer="ones")])
    graph = load_keras(model).graph
    model.layers[0].bias.assign(np.full(4, 7.0))
    np.testing.assert_array_equal(graph.tensors["dense/bias"].data, np.ones(4))


def test_other_values_can_stand_in_the_place_of_variables() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense")])
    numbers = np.arange(12).reshape(4, 3)
    graph = load_keras(model, values={id(model.layers[0].kernel): numbers}).graph
    np.testing.assert_array_equal(graph.tensors["dense/kernel"].data, numbers.T)


def test_a_lambda_is_read_by_what_it_does_to_symbols() -> None:
    x = keras.Input((6,))
    model = keras.Model(x, layers.Lambda(lambda x, by: ops.relu(x) * by + x, arguments={"by": 3.0}, name="mix")(x))
    graph = loads_the_same(model).graph
    assert ops_and_layers(graph) == [("RELU", "mix"), ("MUL", "mix"), ("ADD", "mix")]
    assert graph.outputs == ("mix",)


def test_a_lambda_may_do_nothing() -> None:
    x = keras.Input((6,))
    model = keras.Model(x, layers.Dense(2)(layers.Lambda(lambda x: x, name="nothing")(x)))
    assert [node.op for node in loads_the_same(model).graph.nodes] == ["FULLY_CONNECTED"]


class Scale(layers.Layer):
    """A layer of an own class with a weight and a training argument."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, x: Any, training: bool = True) -> Any:
        return x if training else ops.tanh(x * self.factor)


def test_a_layer_of_an_own_class_is_read_at_inference() -> None:
    x = keras.Input((6,))
    model = keras.Model(x, Scale(name="scale")(x))
    graph = loads_the_same(model).graph
    assert [node.op for node in graph.nodes] == ["MUL", "TANH"]


def test_an_activation_function_is_read() -> None:
    x = keras.Input((6,))
    model = keras.Model(x, layers.Dense(6, activation=lambda x: ops.minimum(ops.relu(x), 2.0), name="clipped")(x))
    assert [node.op for node in loads_the_same(model).graph.nodes][:2] == [
        "FULLY_CONNECTED",
        "RELU",
    ]
