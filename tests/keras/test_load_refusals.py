"""What the loader refuses: each error names the layer as the user named it, and says what to do."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from octavo.errors import ConfigError, InputError, OctavoError, OpenShapeError, UnsupportedLayerError
from octavo.load.keras_graph import load_keras


def refusal(model: Any, kind: type[OctavoError] = UnsupportedLayerError, **options: Any) -> OctavoError:
    with pytest.raises(kind) as caught:
        load_keras(model, **options)
    return caught.value


def model_of(*called: Any, shape: tuple[int | None, ...] = (6,), **options: Any) -> Any:
    x = keras.Input(shape, name="x", **options)
    y = x
    for call in called:
        y = call(y)
    return keras.Model(x, y)


def test_a_layer_of_keras_that_runs_on_data_alone_is_told_to_run_before_the_model() -> None:
    words = layers.Hashing(4, name="hash")
    error = refusal(model_of(words, shape=(6,)))
    assert "'hash' (Hashing)" in error.what
    assert error.fix.startswith("call the Hashing on the data, before the model, and begin the model with")
    x = keras.Input((6,), dtype="int32")
    graph = load_keras(keras.Model(x, layers.Embedding(4, 3)(x))).graph
    assert [node.op for node in graph.nodes] == ["GATHER"]


def test_an_operation_without_a_form_is_told_with_the_nearest_that_have_one() -> None:
    error = refusal(model_of(lambda x: ops.nextafter(x, 1.0)))
    assert error.expected.startswith("one of keras.ops: ")
    assert error.expected.endswith("more; `octavo ops` shows all")
    assert error.expected.count(",") < 8


def test_a_layer_of_a_nested_model_is_named_by_its_path() -> None:
    inner = keras.Sequential([keras.Input((6, 6, 3)), layers.Hashing(4, name="hash")], name="encoder")
    assert "'encoder/hash'" in refusal(model_of(inner, shape=(6, 6, 3))).what


def test_a_vocabulary_with_several_indices_for_others_is_refused() -> None:
    pytest.importorskip("tensorflow")
    lookup = layers.IntegerLookup(vocabulary=[3, 5], num_oov_indices=2)
    error = refusal(model_of(lambda x: lookup(ops.cast(x, "int32"))))
    assert error.got == "num_oov_indices=2"
    assert "look the numbers up before the model" in error.fix


@pytest.mark.parametrize(("mode", "made"), [("int", "0, the index of the first"), ("one_hot", "zeros")])
def test_a_vocabulary_without_an_index_for_others_says_what_becomes_of_them(mode: str, made: str) -> None:
    pytest.importorskip("tensorflow")
    lookup = layers.IntegerLookup(vocabulary=[3, 5], num_oov_indices=0, output_mode=mode, name="words")
    x = keras.Input((1,), dtype="int32")
    (note,) = (note for note in load_keras(keras.Model(x, lookup(x))).notes if note.subject == "words")
    assert f"becomes {made}" in note.text
    assert "num_oov_indices=1" in note.text


def test_a_configuration_without_a_form_is_named_by_its_path_too() -> None:
    with pytest.warns(UserWarning, match="rms_scaling"):
        roots = layers.LayerNormalization(rms_scaling=True, name="roots")
    error = refusal(model_of(keras.Sequential([keras.Input((6, 4)), roots], name="encoder"), shape=(6, 4)))
    assert "'encoder/roots'" in error.what
    assert "rms_scaling=True" in error.got
    assert "RMSNormalization" in error.fix


def test_a_cast_to_integers_that_may_wrap_is_refused() -> None:
    x = keras.Input((4,))
    error = refusal(keras.Model(x, keras.ops.cast(x, "uint8")))
    assert "dtype uint8" in error.got
    assert 'cast to "int32"' in error.fix


def test_a_lambda_of_a_file_is_refused_unless_it_is_allowed() -> None:
    model = model_of(layers.Lambda(lambda x: x + 1.0, name="shift"))
    error = refusal(model, stored=True)
    assert "'shift' (Lambda)" in error.what
    assert "allow=('shift',)" in error.fix
    assert [node.op for node in load_keras(model, allow=("shift",), stored=True).graph.nodes] == ["ADD"]


def test_a_lambda_that_leaves_keras_ops_is_refused() -> None:
    model = model_of(layers.Lambda(lambda x: np.tanh(x) if hasattr(x, "numpy") else float(x), (6,), name="own"))
    error = refusal(model)
    assert "'own' (Lambda)" in error.what
    assert "write the code with keras.ops" in error.fix


class Inverse(layers.Layer):
    """A layer that calls an operation without a form."""

    def call(self, x: Any) -> Any:
        return ops.nextafter(x, 1.0)


def test_an_operation_without_a_form_names_the_layer_whose_code_calls_it() -> None:
    error = refusal(model_of(Inverse(name="inverse")))
    assert "'inverse' (Nextafter)" in error.what
    assert "keras.ops calls" in error.fix


def test_an_activation_function_that_leaves_keras_ops_is_refused() -> None:
    model = model_of(layers.Dense(2, name="own"))
    model.get_layer("own").activation = lambda x: np.asarray(x) * 2
    error = refusal(model)
    assert "'own'" in error.what
    assert "octavo.lowering" not in error.fix


class Constant(layers.Layer):
    """A layer whose result depends on its input's shape alone."""

    def call(self, x: Any) -> Any:
        return ops.ones_like(x)


def test_an_output_that_depends_on_no_input_is_refused() -> None:
    assert "put the constant where the output is used" in refusal(model_of(Constant(name="ones"))).fix


def test_arguments_that_a_form_does_not_know_are_refused_by_name() -> None:
    limits = np.zeros(6, np.float32), np.ones(6, np.float32)
    error = refusal(model_of(lambda x: ops.clip(x, *limits)))
    assert "cannot be read" in error.what
    assert "fixed shape" in error.fix


def test_an_activation_layer_that_keras_has_not_built_is_refused_until_it_has_run() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation=layers.PReLU(), name="hidden")])
    with pytest.raises(UnsupportedLayerError, match=r"fix: +call the model once on samples, or put the PReLU behind"):
        load_keras(model)
    model(np.zeros((1, 4), np.float32))
    assert [node.op for node in load_keras(model).graph.nodes] == ["FULLY_CONNECTED", "PRELU"]


def test_an_activation_layer_without_variables_needs_no_run() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation=layers.ReLU(6.0))])
    assert [node.op for node in load_keras(model).graph.nodes] == ["FULLY_CONNECTED", "RELU6"]


def test_allowing_a_layer_that_is_not_there_is_an_error() -> None:
    error = refusal(model_of(layers.Dense(2, name="scores")), ConfigError, allow=("score",))
    assert "did you mean 'scores'?" in error.fix


def test_an_input_of_unknown_size_is_refused_with_the_line_that_fixes_it() -> None:
    error = refusal(model_of(layers.GlobalAveragePooling2D(), shape=(None, None, 3)), OpenShapeError)
    assert "input 'x'" in error.what
    assert "input_shape=(96, 96, 3)" in error.fix


def test_a_model_of_unknown_size_loads_once_it_is_called_on_a_known_one() -> None:
    model = model_of(layers.GlobalAveragePooling2D(), shape=(None, None, 3))
    image = keras.Input((8, 8, 3), name="image")
    graph = load_keras(keras.Model(image, model(image))).graph
    assert graph.tensors["image"].shape == (1, 8, 8, 3)


@pytest.mark.parametrize("dtype", ["string", "bool"])
def test_an_input_that_holds_no_numbers_is_refused(dtype: str) -> None:
    error = refusal(model_of(layers.Identity(), dtype=dtype), InputError)
    assert "dtype='float32'" in error.fix


def test_a_nested_model_called_on_another_rank_is_refused() -> None:
    inner = keras.Sequential([keras.Input((6, 1)), layers.Flatten()], name="inner")
    assert "keras.layers.Reshape" in refusal(model_of(inner), InputError).fix


def test_a_model_that_was_never_built_is_refused() -> None:
    error = refusal(keras.Sequential([layers.Dense(2)], name="deferred"))
    assert "'deferred' is not built" in error.what
    assert "begin it with keras.Input" in error.fix


class Subclassed(keras.Model):
    """A model whose graph is Python code."""

    def __init__(self) -> None:
        super().__init__(name="subclassed")
        self.dense = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_a_subclassed_model_has_no_graph_of_its_own_and_is_read_inside_another() -> None:
    model = Subclassed()
    model(np.zeros((1, 6), np.float32))
    with pytest.raises(UnsupportedLayerError, match=r"'subclassed' \(Subclassed\)") as raised:
        load_keras(model)
    assert "keras.Model(x, model(x))" in raised.value.fix
    assert [node.op for node in load_keras(model_of(model)).graph.nodes] == ["FULLY_CONNECTED"]


class Named(keras.Model):
    """A functional model of an own class that leaves `call` alone."""


def test_a_functional_model_of_an_own_class_is_read() -> None:
    x = keras.Input((6,))
    assert [node.op for node in load_keras(Named(x, layers.Dense(2)(x))).graph.nodes] == ["FULLY_CONNECTED"]


def test_a_model_that_keras_has_quantized_is_refused() -> None:
    model = model_of(layers.Dense(4, name="dense"))
    model.get_layer("dense").quantize("int8")
    error = refusal(model)
    assert "'dense' (Dense)" in error.what
    assert "before model.quantize" in error.fix
