"""Layers of users' own, and those of Keras's without a form: read by what their code calls, or by a lowering."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from qat_agreement import assert_deployed_as_trained

import octavo
from combinations import shared_out
from keras_agreement import assert_computes_the_same, spread_weights
from octavo import qat
from octavo.errors import ConfigError, UnsupportedLayerError
from octavo.load.keras_graph import load_keras
from octavo.ops.elementwise_kernels import AddOptions, MulOptions

pytestmark = pytest.mark.every_backend


class Trivial(layers.Dense):
    """A Dense under another name."""

    def __init__(self, units: int, note: str = "", **options: Any) -> None:
        super().__init__(units, **options)
        self.note = note


class Doubled(layers.Conv2D):
    """A subclass that computes something else."""

    def call(self, x: Any) -> Any:
        return 2 * x[..., :1] + self.bias


class Affine(layers.Layer):
    """Variables on either side of operators, and a value that is computed of one alone."""

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")
        self.gain = self.add_weight(shape=(4,), name="gain")

    def call(self, x: Any) -> Any:
        return self.gain * ops.matmul(x, self.kernel) * ops.exp(self.gain) + (1 - self.gain)


class Scalar(layers.Layer):
    """A variable that the code reads as a number."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, x: Any) -> Any:
        return x * float(self.factor)


class Block(layers.Layer):
    """Holds layers, two of one name, a model and a layer of an own class; has two results and takes a keyword."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dense = [layers.Dense(6, activation="relu", name="d"), layers.Dense(6, name="d")]
        self.affine = Affine()
        self.model = keras.Sequential([layers.Dense(5), layers.Dropout(0.5)])

    def call(self, x: Any, other: Any = None, training: Any = None, mask: Any = None) -> Any:
        batch = ops.shape(x)[0]
        for layer in self.dense:
            x = x + layer(x)
        y = self.model(self.affine(x), training=training)
        joined = ops.concatenate([x, ops.ones_like(x) if other is None else other], axis=-1)
        return ops.reshape(y, (batch, 5, 1)), joined


class Inner(keras.Model):
    """A model whose graph is Python code."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x: Any) -> Any:
        return ops.tanh(self.dense(x))


CALLS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "a subclass that changes nothing": (lambda x: Trivial(3, "note")(x), (6,)),
    "a subclass with a call of its own": (lambda x: Doubled(1, 1)(x), (4, 4, 3)),
    "variables on either side": (lambda x: Affine()(x), (6,)),
    "a layer that holds layers": (lambda x: Block()(x), (6,)),
    "a tensor by keyword": (lambda x: Block()(x, other=ops.relu(x)), (6,)),
    "a model with a call of its own": (lambda x: Inner()(x), (6,)),
    "a Lambda": (lambda x: layers.Lambda(lambda y: y + 1.0)(x), (6,)),
    "an activation of one's own": (lambda x: layers.Dense(3, activation=lambda y: y * y)(x), (6,)),
}


def twice(x: Any) -> Any:
    """A layer called on two tensors."""
    layer = Block()
    return [*layer(x), *layer(ops.tanh(x))]


CALLS["a layer called twice"] = (twice, (6,))


@pytest.mark.parametrize("name", CALLS)
def test_own_code_is_read_by_what_it_calls(name: str) -> None:
    call, shape = CALLS[name]
    x = keras.Input(shape)
    model = keras.Model(x, call(x))
    spread_weights(model)
    records = {layer.path: len(layer._inbound_nodes) for layer in model._flatten_layers()}
    assert_computes_the_same(model, load_keras(model).graph)
    assert records == {layer.path: len(layer._inbound_nodes) for layer in model._flatten_layers()}


def test_a_subclass_that_changes_nothing_is_read_by_the_form_of_its_base() -> None:
    model = keras.Sequential([keras.Input((6,)), Trivial(3, name="scores")])
    assert {"scores/kernel", "scores/bias"} <= set(load_keras(model).graph.tensors)


def test_the_layers_in_a_layer_are_named_by_their_paths() -> None:
    x = keras.Input((6,))
    tensors = load_keras(keras.Model(x, Block(name="block")(x))).graph.tensors
    assert {"block/d/kernel", "block/d_1/kernel"} <= set(tensors)


def test_equal_constants_of_an_own_layer_stay_apart() -> None:
    x = keras.Input((6,))
    model = keras.Model(x, Affine(name="own")(x))
    values = {id(variable): np.zeros(variable.shape, np.float32) for variable in model.variables}
    names = set(load_keras(model).graph.tensors)
    assert set(load_keras(model, values=values).graph.tensors) == names


@pytest.mark.parametrize("name", ["a layer that holds layers", "variables on either side"])
def test_own_layers_become_integers(name: str) -> None:
    call, shape = CALLS[name]
    x = keras.Input(shape)
    model = keras.Model(x, call(x))
    data = np.random.default_rng(0).normal(size=(30, *shape)).astype(np.float32)
    assert not octavo.quantize(model, data=data).islands


class Gated(layers.Layer):
    """A layer that only its own backend computes."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x: Any) -> Any:
        return x * ops.sigmoid(x) + self.scale

    def get_config(self) -> Any:
        return super().get_config()


@octavo.lowering(Gated)
def lower_gated(b: Any, call: Any) -> str:
    """x * sigmoid(x) + scale."""
    (x,) = call.inputs
    product = b.emit("MUL", [x, b.emit("LOGISTIC", [x], suffix="gate")], MulOptions(), suffix="product")
    return str(b.emit("ADD", [product, b.constant(call.weight("scale"), "scale")], AddOptions()))


def gated_model() -> Any:
    model = keras.Sequential([keras.Input((6,)), Gated(name="gated"), layers.Dense(3, name="scores")])
    spread_weights(model)
    return model


def test_a_registered_lowering_is_what_a_layer_becomes() -> None:
    model = gated_model()
    graph = load_keras(model).graph
    assert {"gated/gate", "gated/product", "gated/scale"} <= set(graph.tensors)
    assert_computes_the_same(model, graph)


def test_a_second_lowering_for_a_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="keep one of them"):
        octavo.lowering(Gated)(lambda b, call: call.inputs[0])


@pytest.mark.parametrize("kind", [Gated(), "Gated", dict])
def test_a_lowering_is_registered_for_a_class_of_layers(kind: Any) -> None:
    with pytest.raises(ConfigError, match="with the class and not a layer of it"):
        octavo.lowering(kind)


def test_a_layer_that_has_a_form_keeps_it() -> None:
    with pytest.raises(ConfigError, match="derive a class from Dense"):
        octavo.lowering(layers.Dense)


def trained(model: Any, shape: tuple[int, ...]) -> tuple[Any, np.ndarray]:
    """A quantization-aware model after one epoch, and its data."""
    data = np.random.default_rng(0).normal(size=(32, *shape)).astype(np.float32)
    aware = qat.quantize_model(model, data=data)
    aware.compile("sgd", ["mse"] * len(model.outputs))
    aware.fit(data, [np.zeros((32, *output.shape[1:]), np.float32) for output in model.outputs], verbose=0)
    return aware, data


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
@pytest.mark.filterwarnings("ignore:The object being serialized includes a")
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("name", shared_out(sorted(CALLS), 3))
def test_own_code_trains_and_is_deployed_as_it_trained(name: str) -> None:
    call, shape = CALLS[name]
    x = keras.Input(shape)
    model = keras.Model(x, call(x))
    spread_weights(model)
    aware, data = trained(model, shape)
    quantized = octavo.quantize(aware)
    assert not quantized.islands
    # A constant of the code may be as large as a batch of 1.
    assert_deployed_as_trained(aware, quantized, [data[:1]])


def test_the_variables_of_an_own_layer_train_and_are_saved(tmp_path: Any) -> None:
    x = keras.Input((6,))
    model = keras.Model(x, Affine(name="own")(x))
    aware, data = trained(model, (6,))
    before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    after = {
        variable.path: keras.ops.convert_to_numpy(variable)
        for layer in aware.layers
        for variable in layer.trainable_variables
    }
    assert len(after) == len(before) == 2
    for value in before:
        (moved,) = (each for each in after.values() if each.shape == value.shape)
        assert np.abs(moved - value).max() > 0
    aware.save(tmp_path / "aware.keras")
    again = keras.models.load_model(tmp_path / "aware.keras")
    np.testing.assert_allclose(again.predict(data, verbose=0), aware.predict(data, verbose=0), atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="Keras itself cannot call such a layer on symbols there")
def test_a_variable_that_the_code_reads_as_a_number_is_read_and_does_not_train() -> None:
    model = keras.Sequential([keras.Input((6,)), Scalar(name="scalar")])
    spread_weights(model)
    assert_computes_the_same(model, load_keras(model).graph)
    with pytest.raises(UnsupportedLayerError, match=r"'scalar' \(Scalar\)"):
        qat.quantize_model(model)


class Tied(layers.Layer):
    """Reads the kernel of a layer that it holds."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dense = layers.Dense(4)

    def call(self, x: Any) -> Any:
        return ops.matmul(self.dense(x), ops.transpose(self.dense.kernel))


def test_code_that_reads_a_variable_of_another_layer_is_read_and_not_trained() -> None:
    x = keras.Input((6,))
    model = keras.Model(x, Tied(name="tied")(x))
    assert_computes_the_same(model, load_keras(model).graph)
    with pytest.raises(UnsupportedLayerError, match="call the layer that owns the variable"):
        qat.quantize_model(model)


def test_a_registered_lowering_trains_and_is_deployed_as_it_trained() -> None:
    aware, data = trained(gated_model(), (6,))
    assert_deployed_as_trained(aware, octavo.quantize(aware), [data[:4]])


def test_names_to_allow_are_checked_wherever_they_are_given() -> None:
    x, data = keras.Input((6,)), np.zeros((4, 6), np.float32)
    model = keras.Model(x, layers.Lambda(lambda y: y + 1.0, name="shift")(x))
    for run in (
        lambda allow: octavo.calibrate(model, data, allow=allow),
        lambda allow: octavo.compare(model, test=(data, None), schemes=("float32",), time_it=False, allow=allow),
        lambda allow: qat.quantize_model(model, allow=allow),
    ):
        run(("shift",))
        with pytest.raises(ConfigError, match="did you mean 'shift'"):
            run(("shif",))
