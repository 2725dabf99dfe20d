"""Whatever a Keras model is made of, its quantization-aware form is an ordinary model that trains and is deployed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops
from qat_agreement import assert_deployed_as_trained

import octavo
from keras_agreement import random_inputs, spread_weights
from octavo import qat
from octavo.dtypes import DType
from octavo.errors import InputError, NonFiniteError, UnsupportedLayerError

Arrays = list[np.ndarray]
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (16, 6, 6, 2)).astype(np.float32)
Y = RNG.uniform(-1, 1, (16, 3)).astype(np.float32)


def small() -> keras.Model:
    """A convolution, normalized, and a dense layer, on 6x6x2; three outputs; always the same weights."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2), name="image"),
            layers.Conv2D(4, 3, use_bias=False, name="features"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="tanh", name="scores"),
        ],
        name="small",
    )
    spread_weights(model)
    return model


def shared_layer() -> keras.Model:
    a, b = keras.Input((5,)), keras.Input((5,))
    dense, norm = layers.Dense(4, "relu"), layers.LayerNormalization()
    return keras.Model([a, b], layers.Dense(2)(layers.Concatenate()([norm(dense(a)), norm(dense(b))])))


def shared_model() -> keras.Model:
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(4, "relu"), layers.Dense(3)], name="inner")
    a, b = keras.Input((5,)), keras.Input((5,))
    return keras.Model([a, b], layers.Add()([inner(a), inner(b)]))


def nested_model() -> keras.Model:
    block = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(3, 2), layers.BatchNormalization(), layers.ReLU()])
    x = keras.Input((4, 4, 2))
    encoder = keras.Model(x, [block(x), layers.GlobalAveragePooling2D()(x)], name="encoder")
    image = keras.Input((4, 4, 2))
    maps, means = encoder(image)
    head = keras.Sequential([keras.Input((3, 3, 3)), layers.Flatten(), layers.Dense(2)], name="head")
    return keras.Model(image, layers.Dense(2)(layers.Concatenate()([head(maps), means])))


def named_inputs_and_outputs() -> keras.Model:
    inputs = {"left": keras.Input((4,), name="left"), "right": keras.Input((4,), name="right")}
    both = layers.Dense(5, "relu")(layers.Concatenate()([inputs["left"], inputs["right"]]))
    return keras.Model(inputs, {"scores": layers.Dense(3)(both), "gate": layers.Dense(1, "sigmoid")(both)})


def operations() -> keras.Model:
    x = keras.Input((4, 3))
    y = ops.relu(ops.matmul(x, np.linspace(-1, 1, 9, dtype=np.float32).reshape(3, 3)) + 0.5)
    y = ops.concatenate([y[:, :2], ops.transpose(x, (0, 2, 1))[:, :, :3][:, :2]], axis=1)
    return keras.Model(x, layers.Dense(2)(ops.mean(y * 1.5, axis=1)))


def frozen() -> keras.Model:
    model = small()
    model.get_layer("features").trainable = False
    model.get_layer("norm").trainable = False
    return model


def residual() -> keras.Model:
    x = keras.Input((6, 6, 2))
    y = layers.Conv2D(2, 3, padding="same", use_bias=False)(layers.ReLU()(layers.BatchNormalization()(x)))
    y = layers.BatchNormalization()(layers.Add()([x, y]))
    return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.ReLU()(y))))


def activation_layers() -> keras.Model:
    """Activations that are layers with variables of their own; Keras makes these when the model first runs."""
    x = keras.Input((5,))
    y = layers.Dense(4, activation=layers.PReLU())(x)
    model = keras.Model(x, layers.Activation(layers.PReLU("ones"))(layers.Dense(3)(y)))
    model(np.zeros((1, 5), np.float32))
    return model


def integer_inputs() -> keras.Model:
    pixels, numbers = keras.Input((4, 4, 2), dtype="uint8"), keras.Input((3,), dtype="int32")
    image = layers.Flatten()(layers.Conv2D(3, 2)(layers.Rescaling(1 / 9)(pixels)))
    return keras.Model([pixels, numbers], layers.Dense(2)(layers.Concatenate()([image, ops.cast(numbers, "float32")])))


def scalings_in_a_row() -> keras.Model:
    """After training they would be one scaling, with a rounding inside that no Keras layer shows."""
    x = keras.Input((6, 6, 2))
    y = layers.Normalization(mean=[0.1, -0.2], variance=[0.5, 2.0])(layers.Rescaling(0.8, -0.1)(x))
    y = layers.Conv2D(3, 3, padding="same")(y)
    y = layers.BatchNormalization()(layers.LayerNormalization()(layers.Add()([y, layers.Conv2D(3, 1)(x)])))
    return keras.Model(x, layers.Dense(2)(layers.Flatten()(layers.ReLU()(y * 2.0 + 0.5))))


def masks_and_scales() -> keras.Model:
    """Indices with a mask, a mask of samples, steps in time, scores by a variable, and channels in the middle."""
    words, sequence = keras.Input((3,), dtype="int32"), keras.Input((3, 4))
    embedded = layers.SimpleRNN(2)(layers.Embedding(300, 2, mask_zero=True)(words))
    masked = layers.SimpleRNN(2)(layers.Masking()(sequence))
    steps = layers.BatchNormalization(axis=1)(layers.TimeDistributed(layers.Dense(4))(sequence))
    scored = layers.AdditiveAttention()([layers.Attention(use_scale=True)([steps, sequence]), steps])
    meeting = layers.Dot(-1)([embedded, masked])
    volume = layers.Conv3DTranspose(1, 2)(layers.Reshape((1, 2, 2, 3))(sequence))
    return keras.Model([words, sequence], layers.Concatenate()([meeting, *map(layers.Flatten(), (scored, volume))]))


MODELS = [
    activation_layers,
    integer_inputs,
    scalings_in_a_row,
    shared_layer,
    shared_model,
    nested_model,
    named_inputs_and_outputs,
    operations,
    frozen,
    residual,
]


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_a_model_of_any_shape_trains_is_saved_and_deployed(build: Callable[[], keras.Model], tmp_path: Path) -> None:
    original = build()
    spread_weights(original)
    before = original.get_weights()
    inputs = [np.concatenate([array] * 4) for array in random_inputs(original)]
    model = qat.quantize_model(original)
    targets = keras.tree.map_structure(lambda tensor: np.zeros((8, *tensor.shape[1:]), np.float32), model.output)
    model.compile("sgd", "mse")
    model.fit(keras.tree.pack_sequence_as(model.input, inputs), targets, epochs=1, batch_size=4, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    quantized = octavo.quantize(loaded)
    assert quantized.model == octavo.quantize(model).model
    assert not quantized.islands
    assert_deployed_as_trained(loaded, quantized, inputs)
    assert all(np.array_equal(a, b) for a, b in zip(before, original.get_weights(), strict=True)), "the original moved"


def test_masks_times_and_variables_among_operands_are_deployed_as_they_predict() -> None:
    model = masks_and_scales()
    spread_weights(model)
    rng = np.random.default_rng(0)
    sequences = rng.normal(size=(16, 3, 4)).astype(np.float32)
    sequences[3, 1] = 0.0
    data = [rng.integers(0, 300, (16, 3)).astype(np.int32), sequences]
    aware = qat.quantize_model(model, data=data)
    quantized = octavo.quantize(aware)
    words = quantized.graph.tensors[quantized.graph.inputs[0]]
    assert words.dtype is DType.INT32, "indices beyond 255 have steps of their own"
    assert quantized.verification.ok
    assert not [note for note in quantized.notes if "mixes the samples" in note.text]
    assert_deployed_as_trained(aware, quantized, data)


@pytest.mark.every_backend
def test_integer_inputs_are_rounded_like_any_others() -> None:
    x = keras.Input((3,), dtype="int32", name="numbers")
    model = keras.Model(x, layers.Dense(2, name="scores")(x))
    spread_weights(model)
    values = np.random.default_rng(0).integers(0, 10, (32, 3)).astype(np.float32)
    aware = qat.quantize_model(model, data=values)
    quantized = octavo.quantize(aware)
    parity = octavo.parity(aware, quantized, values)
    assert parity.largest_steps <= 1
    assert parity == octavo.parity(aware, quantized, values.astype(np.uint8))


def test_variables_still_at_their_start_are_deployed_as_they_were_planned() -> None:
    x = keras.Input((4, 6))
    model = keras.Model(x, layers.Flatten()(layers.ReLU()(layers.LayerNormalization(name="norm")(x))))
    values = RNG.normal(size=(16, 4, 6)).astype(np.float32)
    aware = qat.quantize_model(model, data=values)
    quantized = octavo.quantize(aware)
    assert [node.op for node in quantized.graph.nodes if node.layer == "norm"][-2:] == ["MUL", "ADD"]
    assert_deployed_as_trained(aware, quantized, [values])


def test_variables_of_one_element_are_traced() -> None:
    x = keras.Input((5, 1))
    model = keras.Model(x, layers.LayerNormalization(name="norm")(x))
    assert qat.quantize_model(model).get_layer("norm") is not None


def test_layer_names_weights_and_what_is_trainable_carry_over() -> None:
    original = frozen()
    model = qat.quantize_model(original)
    names = [layer.name for layer in model.layers]
    assert [name for name in names if name in {layer.name for layer in original.layers}] == [
        layer.name for layer in original.layers
    ]
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == sum(
        int(np.prod(v.shape)) for v in original.trainable_variables
    )
    stripped = qat.strip(model)
    for a, b in zip(original.get_weights(), stripped.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_variable_that_is_not_trained_stays_where_it_is() -> None:
    original = small()
    original.get_layer("features").kernel.trainable = False
    model = qat.quantize_model(original)
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    features, scores = (qat.strip(model).get_layer(name) for name in ("features", "scores"))
    kernels = (features.kernel, original.get_layer("features").kernel)
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, kernels))
    assert not np.array_equal(scores.get_weights()[0], original.get_layer("scores").get_weights()[0])


def test_stripping_gives_the_trained_float_model_on_weights_of_its_own() -> None:
    model = qat.quantize_model(small())
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    stripped = qat.strip(model)
    kernel = next(layer for layer in model.quantized_layers if layer.name == "features").layer.kernel
    np.testing.assert_array_equal(
        ops.convert_to_numpy(kernel), ops.convert_to_numpy(stripped.get_layer("features").kernel)
    )
    before = stripped.predict(X, verbose=0)
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(before, stripped.predict(X, verbose=0))


def test_an_interrupted_training_goes_on_exactly(tmp_path: Path) -> None:
    def fresh() -> keras.Model:
        model = qat.quantize_model(small())
        model.compile(keras.optimizers.Adam(1e-2), "mse")
        return model

    through = fresh()
    through.fit(X, Y, epochs=3, batch_size=4, shuffle=False, verbose=0)
    stopped = fresh()
    stopped.fit(X, Y, epochs=1, batch_size=4, shuffle=False, verbose=0)
    stopped.save(tmp_path / "checkpoint.keras")
    resumed = keras.models.load_model(tmp_path / "checkpoint.keras")
    resumed.fit(X, Y, epochs=3, initial_epoch=1, batch_size=4, shuffle=False, verbose=0)
    for a, b in zip(through.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b), err_msg=a.path)
    assert octavo.quantize(through).model == octavo.quantize(resumed).model


def test_backup_and_restore_brings_the_ranges_back(tmp_path: Path) -> None:
    class Crash(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 1:
                raise RuntimeError("power cut")

    def fitted(*callbacks: keras.callbacks.Callback) -> keras.Model:
        model = qat.quantize_model(small())
        model.compile("sgd", "mse")
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        model.fit(X, Y, epochs=2, batch_size=8, verbose=0, callbacks=[backup, *callbacks])
        return model

    with pytest.raises(RuntimeError, match="power cut"):
        fitted(Crash())
    assert all(quantizer.real_ranges() is not None for quantizer in fitted().fake_quantizers if quantizer.fixed is None)


def test_early_stopping_restores_the_best_ranges_with_the_best_weights() -> None:
    model = qat.quantize_model(small())
    model.compile(keras.optimizers.SGD(0.0), "mse")
    stopping = keras.callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True, start_from_epoch=0)
    model.fit(X, Y, epochs=3, batch_size=8, verbose=0, callbacks=[stopping])
    assert octavo.quantize(model).verification.ok


def test_a_custom_training_loop_moves_weights_and_ranges() -> None:
    model = qat.quantize_model(small())
    optimizer = keras.optimizers.SGD(0.1)
    kernel = model.quantized_layers[0].layer.kernel
    before = np.array(ops.convert_to_numpy(kernel))
    LOOPS[keras.backend.backend()](model, optimizer)
    assert not np.array_equal(before, ops.convert_to_numpy(kernel))
    assert octavo.quantize(model).verification.ok


def loss_of(outputs: object) -> object:
    return ops.mean(ops.square(outputs - ops.convert_to_tensor(Y)))


def loop_in_jax(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    import jax

    def step(trainable: list, untrained: list) -> tuple:
        outputs, untrained = model.stateless_call(trainable, untrained, X, training=True)
        return loss_of(outputs), untrained

    optimizer.build(model.trainable_variables)
    trainable, untrained, state = (
        [v.value for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    )
    for _ in range(2):
        (_, untrained), gradients = jax.jit(jax.value_and_grad(step, has_aux=True))(trainable, untrained)
        trainable, state = optimizer.stateless_apply(state, gradients, trainable)
    for variables, values in ((model.trainable_variables, trainable), (model.non_trainable_variables, untrained)):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def loop_in_tensorflow(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    import tensorflow as tf

    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = loss_of(model(X, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)


def loop_in_torch(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    import torch

    for _ in range(2):
        model.zero_grad()
        loss_of(model(X, training=True)).backward()
        gradients = [variable.value.grad for variable in model.trainable_variables]
        with torch.no_grad():
            optimizer.apply(gradients, model.trainable_variables)


LOOPS = {"jax": loop_in_jax, "tensorflow": loop_in_tensorflow, "torch": loop_in_torch}


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_compiled_step_computes_what_an_eager_one_does(jit_compile: bool) -> None:
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch.compile needs a C++ compiler and minutes")
    losses = []
    for options in ({"jit_compile": jit_compile}, {"run_eagerly": True}):
        model = qat.quantize_model(small(), data=X)
        model.compile("sgd", "mse", **options)
        losses.append(model.train_on_batch(X, Y))
    # One step of the coarsest grid, tanh's, in one of the outputs may fall the other way.
    assert abs(losses[0] - losses[1]) <= 2 / 128 * 2 / Y.size


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_is_deployed(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model = qat.quantize_model(small())
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert octavo.quantize(model).verification.ok


def test_a_model_that_was_not_trained_is_not_deployed() -> None:
    with pytest.raises(InputError, match=r"fix: +call fit first, or start from a calibration"):
        octavo.quantize(qat.quantize_model(small()))


def test_a_calibrated_model_is_deployed_untrained_as_post_training_quantization_would() -> None:
    model = qat.quantize_model(small(), data=X)
    quantized, directly = octavo.quantize(model), octavo.quantize(small(), data=X, effort="fast")
    scale = quantized.graph.tensors[quantized.graph.outputs[0]].quantization.scale[0]
    assert np.abs(quantized.predict(X) - directly.predict(X)).max() <= 2 * scale
    assert_deployed_as_trained(model, quantized, [X])


def test_a_model_whose_loss_became_nan_is_not_deployed() -> None:
    model = qat.quantize_model(small())
    model.compile("sgd", "mse")
    model.fit(np.full_like(X, np.nan), Y, verbose=0)
    with pytest.raises(NonFiniteError, match=r"fix: +train again with a smaller learning rate"):
        octavo.quantize(model)


def test_ranges_that_became_infinite_are_not_deployed() -> None:
    model = qat.quantize_model(shared_layer())
    model([np.full((2, 5), np.inf, np.float32)] * 2, training=True)
    with pytest.raises(NonFiniteError, match=r"range of 'input(.*\n)+ +fix: +train again with a smaller learning rate"):
        octavo.quantize(model)


def test_a_model_that_is_not_built_is_refused() -> None:
    with pytest.raises(InputError, match=r"fix: +begin it with keras\.Input"):
        qat.quantize_model(keras.Sequential([layers.Dense(3)]))


def test_a_quantized_model_is_not_quantized_again() -> None:
    with pytest.raises(InputError, match=r"octavo\.qat\.strip"):
        qat.quantize_model(qat.quantize_model(small()))


def test_a_subclassed_model_is_trained_by_what_its_call_does() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x: object) -> object:
            return self.dense(x)

    model = Own()
    model(np.zeros((1, 4), np.float32))
    assert qat.quantize_model(model).quantized_layers


def test_a_call_on_a_variable_of_the_model_is_refused() -> None:
    x, dense = keras.Input((4,)), layers.Dense(4)
    with pytest.raises(InputError, match=r"fix: +read it by the layer that owns it"):
        qat.quantize_model(keras.Model(x, dense(x) * dense.bias))


@pytest.mark.parametrize("memory", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_a_layer_with_a_memory_trains_and_is_deployed_as_it_trained(memory: type[keras.Layer]) -> None:
    model = keras.Sequential([keras.Input((4, 2)), memory(3), layers.Dense(3)])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 4, 2)).astype(np.float32), rng.normal(size=(64, 3)).astype(np.float32)
    trained = qat.quantize_model(model, data=x)
    trained.compile("adam", "mse")
    trained.fit(x, y, epochs=1, verbose=0)
    quantized = octavo.quantize(trained)
    assert not quantized.islands
    assert octavo.parity(trained, quantized, x).argmax_mismatches == 0


def test_a_form_of_operators_that_training_lacks_is_refused_by_the_layers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octavo.qat.surgery.lowering.on_keras_tensors", lambda op: None)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "silu", name="gated")])
    with pytest.raises(UnsupportedLayerError, match=r"LOGISTIC(.*\n)+ +fix: +keep it in float with skip=\['gated"):
        qat.quantize_model(model)


def test_what_integers_cannot_compute_trains_in_float_and_is_named() -> None:
    x = keras.Input((4,))
    ratio = layers.Dense(5, name="first")(x) / (2 + ops.relu(layers.Dense(5)(x)))
    model = qat.quantize_model(keras.Model(x, layers.Dense(3)(ratio)))
    model.compile("sgd", "mse")
    model.fit(X[:, :4, 0, 0], Y, verbose=0)
    islands = octavo.quantize(model).islands
    assert [(island.op, island.reason) for island in islands] == [("DIV", "DIV has no int8 kernel")]
