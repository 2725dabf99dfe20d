"""What can be chosen of quantization-aware training does what it says, and is deployed so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from qat_agreement import assert_deployed_as_trained

import octavo
from combinations import combined
from keras_agreement import spread_weights
from octavo import qat
from octavo.config import LayerConfig
from octavo.dtypes import DType
from octavo.errors import ConfigError, InputError
from octavo.ir.types import PerAxis, PerTensor
from octavo.qat.layers.fake_quantize import OBSERVERS, FakeQuantize

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (32, 6, 6, 2)).astype(np.float32)
Y = RNG.uniform(-1, 1, (32, 3)).astype(np.float32)
STEPS = 4


def network() -> keras.Model:
    """An encoder in the model: convolution, batch normalization, depthwise convolution; then two dense layers."""
    keras.utils.set_random_seed(5)
    encoder = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, use_bias=False, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.DepthwiseConv2D(2, activation="relu", name="depthwise"),
        ],
        name="encoder",
    )
    x = keras.Input((6, 6, 2), name="image")
    y = layers.Dense(6, activation="relu", name="hidden")(layers.Flatten(name="flat")(encoder(x)))
    model = keras.Model(x, layers.Dense(3, name="scores")(y))
    spread_weights(model)
    return model


def fitted(model: keras.Model, epochs: int = 1, rate: float = 0.01) -> keras.Model:
    """Trained for some steps of 8 samples, always the same ones."""
    model.compile(keras.optimizers.SGD(rate), "mse")
    model.fit(X, Y, batch_size=len(X) // STEPS, epochs=epochs, shuffle=False, verbose=0)
    return model


def weight_of(quantized: octavo.QuantizedModel, name: str) -> object:
    """The weight tensor of a layer of the file."""
    return next(tensor for tensor in quantized.graph.tensors.values() if tensor.name.startswith(f"{name}/kernel"))


@pytest.mark.parametrize(
    ("scheme", "activations", "weights"), combined(["int8", "int16x8", "int8x4"], OBSERVERS, ["current", "learned"])
)
def test_every_observer_trains_under_every_scheme_and_is_deployed(
    scheme: str, activations: qat.Observer, weights: qat.WeightObserver
) -> None:
    config = qat.TrainingConfig(activations, weights)
    model = fitted(qat.quantize_model(network(), scheme, config, data=X))
    assert_deployed_as_trained(model, octavo.quantize(model), [X])


def observed(observer: qat.Observer, batches: list[np.ndarray], momentum: float = 0.5) -> tuple[float, float]:
    """The range after these batches."""
    layer = FakeQuantize(["x"], observer=observer, momentum=momentum)
    for batch in batches:
        layer(batch, site=0, training=True)
    ranges = layer.real_ranges()
    assert ranges is not None
    return ranges[0]


BATCHES = [np.array([[low, high]], np.float32) for low, high in ((-1.0, 4.0), (-3.0, 2.0), (-2.0, 8.0))]


def test_observers_take_the_average_the_last_or_all_of_the_batches() -> None:
    rounding = 8 * float(np.finfo(np.float32).eps) * 8.0
    # With momentum 1/2 the weights of three batches are 1, 2 and 4 of 7: the bias of starting at 0 is gone.
    average = (-(1 * 1 + 3 * 2 + 2 * 4) / 7, (4 * 1 + 2 * 2 + 8 * 4) / 7)
    assert observed("moving_average", BATCHES) == pytest.approx(average, abs=rounding)
    assert observed("last", BATCHES) == (-2.0, 8.0)
    assert observed("all", BATCHES) == (-3.0, 8.0)


def test_the_first_batch_alone_is_the_average() -> None:
    assert observed("moving_average", BATCHES[:1], momentum=0.99) == pytest.approx((-1.0, 4.0), rel=1e-5)


def test_ranges_stay_where_they_are_at_inference_and_while_frozen() -> None:
    model = fitted(qat.quantize_model(network()))
    ranges = [quantizer.real_ranges() for quantizer in model.fake_quantizers]
    model.predict(10 * X, verbose=0)
    for quantizer in model.fake_quantizers:
        quantizer.trainable = False
    model.compile("sgd", "mse")
    model.fit(10 * X, Y, verbose=0)
    assert ranges == [quantizer.real_ranges() for quantizer in model.fake_quantizers]


@pytest.mark.parametrize("integer", ["int8", "int16"])
def test_zero_is_always_representable(integer: str) -> None:
    layer = FakeQuantize(["x"], integer)
    layer(np.array([[0.3, 0.37, 0.9]], np.float32), site=0, training=True)
    assert float(ops.convert_to_numpy(layer(np.zeros((1, 3), np.float32), site=0))[0, 0]) == 0.0


def test_learned_ranges_and_limits_move_by_gradient() -> None:
    model = qat.quantize_model(network(), "int8x4", qat.TrainingConfig("learned", "learned"), data=X)
    start = [ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    names = [variable.name for variable in model.trainable_variables]
    fitted(model, epochs=2, rate=0.1)
    moved = {
        name
        for name, before, variable in zip(names, start, model.trainable_variables, strict=True)
        if not np.array_equal(before, ops.convert_to_numpy(variable))
    }
    assert {"low", "high", "kernel_limit", "depthwise_kernel_limit"} & set(names) <= moved


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"training": "learned"}, r"training=octavo\.qat\.TrainingConfig\(\)"),
        ({"methods": 3}, r"methods=\["),
        ({"allow": 3}, r"allow=\["),
        ({"distill": "x"}, "distill=True"),
        ({"model": {}}, r"give a keras\.Model"),
    ],
)
def test_arguments_of_other_kinds_are_refused(options: dict[str, Any], fix: str) -> None:
    with pytest.raises(InputError, match=f"fix: +.*{fix}"):
        qat.quantize_model(**{"model": network(), **options})


def test_learned_ranges_without_a_calibration_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"fix: +pass data=x_train\[:500\]"):
        qat.quantize_model(network(), training=qat.TrainingConfig("learned"))
    own = qat.TrainingConfig(layers=(qat.LayerTraining("hidden", "learned"),))
    with pytest.raises(ConfigError, match=r"fix: +pass data="):
        qat.quantize_model(network(), training=own)


@pytest.mark.parametrize("options", [{"activations": "mean"}, {"weights": "lerned"}])
def test_an_unknown_observer_is_refused_with_the_closest_known(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="expected: "):
        qat.TrainingConfig(**options)
    with pytest.raises(ConfigError, match="expected: "):
        qat.TrainingConfig(layers=(qat.LayerTraining("hidden", **options),))


def test_a_scheme_with_float_activations_has_nothing_to_train() -> None:
    with pytest.raises(ConfigError, match=r"fix: +use scheme='int8'"):
        qat.quantize_model(network(), "dynamic")


def test_layers_are_observed_as_they_are_told() -> None:
    own = (qat.LayerTraining("encoder/*", "all"), qat.LayerTraining("hidden", "last", "learned"))
    model = qat.quantize_model(network(), training=qat.TrainingConfig(layers=own))
    observers = {name: each.observer for each in model.fake_quantizers for name in each.tensors}
    assert observers == {
        "image": "moving_average",
        "relu": "all",
        "depthwise_activation": "all",
        "hidden_activation": "last",
        "scores": "moving_average",
    }
    weights = {layer.name: layer.weight_quantizers[0].observer for layer in model.quantized_layers}
    assert weights == {"conv": "current", "depthwise": "current", "hidden": "learned", "scores": "current"}


def test_an_observer_for_an_unknown_layer_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'hidden'"):
        qat.quantize_model(network(), training=qat.TrainingConfig(layers=(qat.LayerTraining("hiden", "last"),)))


@pytest.mark.parametrize("train", [True, False], ids=["trained", "calibrated"])
def test_layers_have_the_weights_they_are_told(train: bool) -> None:
    own = (LayerConfig("encoder/conv", per_axis=False), LayerConfig("hidden", weights="int4"))
    if train:
        model = fitted(qat.quantize_model(network(), layers=own))
        quantized = octavo.quantize(model)
        assert_deployed_as_trained(model, quantized, [X])
    else:
        quantized = octavo.quantize(network(), data=X, layers=own)
    names = ("conv", "hidden", "scores") if train else ("encoder/conv", "hidden", "scores")
    conv, hidden, scores = (weight_of(quantized, name) for name in names)
    assert (conv.dtype, conv.quantization.granularity) == (DType.INT8, PerTensor())
    assert (hidden.dtype, hidden.quantization.granularity) == (DType.INT4, PerTensor())
    assert (scores.dtype, scores.quantization.granularity) == (DType.INT8, PerAxis(0))


def test_a_skipped_layer_trains_and_stays_in_float() -> None:
    model = fitted(qat.quantize_model(network(), skip=["encoder/depthwise", "hidden"]))
    quantized = octavo.quantize(model)
    assert {island.layer for island in quantized.islands} == {"encoder/depthwise", "hidden"}
    assert {layer.name for layer in model.quantized_layers} == {"conv", "scores"}
    assert_deployed_as_trained(model, quantized, [X])


def test_only_annotated_layers_are_quantized(tmp_path: Path) -> None:
    x = keras.Input((6, 6, 2))
    y = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    y = qat.annotate(layers.Dense(5, activation="relu", name="hidden"))(layers.Flatten()(y) * 0.5)
    model = keras.Model(x, layers.Dense(3, name="scores")(y))
    fitted(model)
    model.save(tmp_path / "annotated.keras")
    loaded = keras.models.load_model(tmp_path / "annotated.keras")
    trained = fitted(qat.apply(loaded))
    assert [layer.name for layer in trained.quantized_layers] == ["hidden"]
    quantized = octavo.quantize(trained)
    assert {island.layer for island in quantized.islands} >= {"conv", "scores"}
    assert "hidden" not in {island.layer for island in quantized.islands}
    assert_deployed_as_trained(trained, quantized, [X])


def test_what_only_moves_values_between_annotated_layers_is_integer_and_nothing_else_is() -> None:
    x = keras.Input((6, 6, 2))
    y = qat.annotate(layers.Conv2D(4, 3, name="conv"))(x)
    y = layers.Flatten(name="flat")(layers.Permute((2, 1, 3), name="turned")(y))
    y = layers.Reshape((6, 6), name="end")(qat.annotate(layers.Dense(36, name="hidden"))(y))
    trained = qat.apply(keras.Model(x, layers.Dense(3, name="scores")(y)), data=X)
    quantized = octavo.quantize(trained)
    assert {island.layer for island in quantized.islands} == {"end", "scores"}
    assert [node.op for node in quantized.graph.nodes[:4]] == ["CONV_2D", "TRANSPOSE", "RESHAPE", "FULLY_CONNECTED"]


def test_layers_inside_nested_models_can_be_annotated() -> None:
    inner = keras.Sequential([keras.Input((6,)), qat.annotate(layers.Dense(4, name="first")), layers.Dense(3)])
    x = keras.Input((6,))
    trained = qat.apply(keras.Model(x, layers.Dense(3, name="scores")(inner(x))))
    assert [layer.name for layer in trained.quantized_layers] == ["first"]


def test_applying_without_annotations_is_refused() -> None:
    with pytest.raises(InputError, match=r"fix: +wrap the layers"):
        qat.apply(network())


def test_batch_normalization_is_live_until_it_is_frozen() -> None:
    model = qat.quantize_model(network())
    norm = next(layer for layer in model.layers if layer.name == "norm")
    seen: list[list[np.ndarray]] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            variables = (norm.layer.moving_mean, norm.layer.moving_variance, norm.layer.gamma)
            seen.append([np.array(ops.convert_to_numpy(variable)) for variable in variables])

    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, Y, batch_size=8, epochs=4, verbose=0, callbacks=[qat.FreezeBatchNorm(2), Watch()])
    (mean, variance, _), (frozen_mean, frozen_variance, frozen_gamma) = seen[0], seen[1]
    assert not np.array_equal(mean, frozen_mean)
    assert not np.array_equal(variance, frozen_variance)
    for later in seen[2:]:
        np.testing.assert_array_equal(later[0], frozen_mean)
        np.testing.assert_array_equal(later[1], frozen_variance)
        assert not np.array_equal(later[2], frozen_gamma)
    assert_deployed_as_trained(model, octavo.quantize(model), [X])


def test_distillation_learns_from_the_float_model_without_labels(tmp_path: Path) -> None:
    teacher = network()
    model = qat.quantize_model(teacher, "int8x4", data=X, distill=True)
    model.compile(keras.optimizers.SGD(0.02), "mse")
    assert len(model.trainable_variables) == len(teacher.trainable_variables)
    history = model.fit(X, batch_size=8, epochs=8, verbose=0).history["loss"]
    outputs = model.predict(X, verbose=0) - teacher.predict(X, verbose=0)
    assert history[-1] < history[0]
    assert model.evaluate(X, verbose=0) == pytest.approx(float(np.mean(outputs**2)), rel=1e-4)
    model.save(tmp_path / "student.keras")
    student = keras.models.load_model(tmp_path / "student.keras")
    with pytest.raises((ValueError, TypeError)):
        student.fit(X, verbose=0)
    student.distill(teacher)
    student.fit(X, batch_size=8, epochs=1, verbose=0)


def test_distillation_fits_any_structure_of_outputs() -> None:
    x = keras.Input((6,))
    teacher = keras.Model(x, {"a": layers.Dense(2)(x), "b": layers.Dense(3, activation="softmax")(x)})
    model = qat.quantize_model(teacher, distill=True)
    model.compile("sgd", {"a": "mse", "b": "kl_divergence"})
    assert np.isfinite(model.fit(X[:, :, 0, 0], verbose=0).history["loss"][0])


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_a_range_ends_in_training_where_the_activation_is_flat(activation: str, scheme: str) -> None:
    """Ranges this wide would leave the activation a single step, which TensorFlow Lite Micro takes for its lowest."""
    inputs = keras.Input((8,), name="x")
    dense = keras.layers.Dense(4, name="dense", kernel_initializer=keras.initializers.RandomNormal(0, 300, seed=1))
    model = keras.Model(inputs, keras.layers.Activation(activation, name="gate")(dense(inputs)))
    x = np.random.default_rng(4).normal(size=(200, 8)).astype(np.float32)
    aware = qat.quantize_model(model, scheme, data=x)
    by_training, by_calibration = octavo.quantize(aware, data=x), octavo.quantize(model, scheme, x)
    for result in (by_training, by_calibration):
        scale = result.graph.tensors["dense"].quantization.scale[0]
        assert scale <= np.float32({"sigmoid": 24, "tanh": 12}[activation] / (255 if scheme == "int8" else 65534))
    assert_deployed_as_trained(aware, by_training, [x[:50]])
