"""What users of Keras bring along in their first hour with Octavo: forty habits, each with the result it must have."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from octavo import qat
from octavo.errors import ConfigError, DatasetError, OctavoError

sklearn = pytest.importorskip("sklearn.datasets")
IMAGES, LABELS = sklearn.load_digits(return_X_y=True)
IMAGES = (IMAGES / 16).astype(np.float32).reshape(-1, 8, 8, 1)
X, Y, X_TEST, Y_TEST = IMAGES[:1200], LABELS[:1200], IMAGES[1200:], LABELS[1200:]
DATA = X[:96]
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
Network = Callable[[], keras.Model]


def network() -> keras.Model:
    """The tutorial's network for digits."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(8, 3, activation="relu", name="conv"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(10, name="scores"),
        ],
        name="digits",
    )


def fitted(model: keras.Model, epochs: int = 6, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    model.compile("adam", LOSS, metrics=["accuracy"])
    model.fit(X, Y, epochs=epochs, batch_size=64, verbose=0, **options)
    return model


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return fitted(network())


@pytest.fixture(scope="module")
def int8(model: keras.Model) -> octavo.QuantizedModel:
    return octavo.quantize(model, data=DATA)


@pytest.fixture(scope="module")
def aware(model: keras.Model) -> keras.Model:
    return fitted(qat.quantize_model(model, data=DATA), epochs=1)


def agrees(aware: keras.Model, data: Any = X_TEST) -> octavo.QuantizedModel:
    """The file of a trained model, which predicts what the model predicts."""
    quantized = octavo.quantize(aware)
    assert octavo.parity(aware, quantized, data).within_one_step > 0.999
    return quantized


def accuracy(model: keras.Model) -> float:
    return float((model.predict(X_TEST, verbose=0).argmax(1) == Y_TEST).mean())


# Representative data: whatever its form, the same bytes.


def batches() -> Iterator[np.ndarray]:
    yield from (DATA[i : i + 10] for i in range(0, len(DATA), 10))


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(16 * index, 16 * index + 16)
        return DATA[part], Y[part]


def image_flow() -> Any:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator().flow(DATA, Y[: len(DATA)], batch_size=32, shuffle=False)


def tf_data() -> Any:
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((DATA, Y[: len(DATA)])).batch(20)


def data_loader() -> Any:
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.from_numpy(DATA), torch.from_numpy(Y[: len(DATA)]))
    return torch.utils.data.DataLoader(data, batch_size=20)


FORMS: dict[str, Callable[[], Any]] = {
    "an array": lambda: DATA,
    "an array of doubles": lambda: DATA.astype(np.float64),
    "a list of samples": lambda: list(DATA),
    "samples and labels": lambda: (DATA, Y[: len(DATA)]),
    "a dict by the input's name": lambda: {"image": DATA},
    "a generator": batches,
    "a function that returns a generator": lambda: batches,
    "the converter's representative dataset": lambda: lambda: ([x[np.newaxis]] for x in DATA),
    "a PyDataset": Batches,
    "an image flow, which starts over for ever": image_flow,
    "a tf.data.Dataset": tf_data,
    "a DataLoader": data_loader,
}


@pytest.mark.parametrize("form", FORMS)
def test_representative_data_in_any_form_gives_the_same_file(
    model: keras.Model, int8: octavo.QuantizedModel, form: str
) -> None:
    # A generator that is spent after one reading serves ranges alone, and the notes say so.
    once = form == "a generator"
    wanted = octavo.quantize(model, data=DATA, effort="fast", verify="off") if once else int8
    made = octavo.quantize(model, data=FORMS[form](), verify="off")
    assert made.model == wanted.model
    assert once == any(note.stage == "effort" and "reads no sample twice" in note.text for note in made.notes)


@pytest.mark.parametrize("ending", ["npz", "npy"])
def test_representative_data_in_a_file_gives_the_same_file(
    model: keras.Model, int8: octavo.QuantizedModel, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"data.{ending}"
    np.save(path, DATA) if ending == "npy" else np.savez(path, x_train=DATA)
    assert octavo.quantize(model, data=str(path), verify="off").model == int8.model


def test_pixels_of_bytes_are_divided_as_they_were_for_training_or_refused(model: keras.Model) -> None:
    pixels = np.round(DATA * 255).astype(np.uint8)
    with pytest.raises(DatasetError, match="integer_divisor=255"):
        octavo.quantize(model, data=pixels)
    divided = octavo.quantize(model, data=pixels, integer_divisor=255, verify="off")
    assert divided.model == octavo.quantize(model, data=(pixels / 255).astype(np.float32), verify="off").model


def test_an_endless_generator_ends(model: keras.Model) -> None:
    result = octavo.quantize(model, data=itertools.cycle(batches()), verify="off")
    assert any("does not say where it ends" in note.text for note in result.notes)


def test_samples_in_the_place_of_the_scheme_are_told(model: keras.Model) -> None:
    with pytest.raises(ConfigError, match=r"data=x_train"):
        octavo.quantize(model, DATA)


# Test sets: whatever their form, the same accuracy.

TESTS: dict[str, Callable[[], Any]] = {
    "arrays": lambda: (X_TEST, Y_TEST),
    "one-hot labels": lambda: (X_TEST, np.eye(10)[Y_TEST]),
    "a column of labels": lambda: (X_TEST, Y_TEST[:, np.newaxis]),
    "a list of pairs": lambda: list(zip(X_TEST, Y_TEST, strict=True)),
    "a generator of batches": lambda: ((X_TEST[i : i + 50], Y_TEST[i : i + 50]) for i in range(0, len(Y_TEST), 50)),
    "a tf.data.Dataset": lambda: (
        pytest.importorskip("tensorflow").data.Dataset.from_tensor_slices((X_TEST, Y_TEST)).batch(64)
    ),
}


@pytest.mark.parametrize("form", TESTS)
def test_a_test_set_in_any_form_gives_the_same_accuracy(
    model: keras.Model, int8: octavo.QuantizedModel, form: str
) -> None:
    test = TESTS[form]()
    found = int8.evaluate(*test, time_it=False) if isinstance(test, tuple) else int8.evaluate(test, time_it=False)
    assert found.samples == len(Y_TEST)
    assert found.accuracy == (int8.predict(X_TEST).argmax(1) == Y_TEST).mean()  # type: ignore[union-attr]
    assert abs(found.accuracy - accuracy(model)) < 0.01


def test_a_comparison_takes_samples_alone_and_shows_itself_in_a_notebook(model: keras.Model) -> None:
    table = octavo.compare(model, DATA, X_TEST, schemes=["float32", "int8"], time_it=False)
    assert table.best(None, None).row.name == "int8"  # type: ignore[union-attr]
    assert "Without labels" in table.best().reason
    assert table._repr_html_().count("<tr>") >= 3
    assert [row["name"] for row in table.to_dict()["rows"]] == ["float32", "int8"]  # type: ignore[index, union-attr]


# Training.


def test_callbacks_stop_save_and_restore(model: keras.Model, tmp_path: Path) -> None:
    aware = qat.quantize_model(model, data=DATA)
    best = tmp_path / "best.keras"
    callbacks = [
        keras.callbacks.EarlyStopping("val_accuracy", patience=1, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(best, "val_accuracy", save_best_only=True),
        keras.callbacks.ReduceLROnPlateau(),
    ]
    fitted(aware, epochs=3, validation_split=0.1, callbacks=callbacks)
    # What was restored is what was saved.
    assert agrees(aware).model == octavo.quantize(best, verify="off").model


def test_weights_of_classes_and_samples_are_taken(model: keras.Model) -> None:
    aware = qat.quantize_model(model, data=DATA)
    agrees(fitted(aware, epochs=1, class_weight={label: 1.0 + (label == 3) for label in range(10)}))


def test_training_goes_on_after_it_was_deployed(aware: keras.Model) -> None:
    before = octavo.quantize(aware).model
    copy = type(aware).from_config(aware.get_config())
    copy.set_weights(aware.get_weights())
    fitted(copy, epochs=1)
    assert agrees(copy).model != before


def test_one_hot_labels_train(model: keras.Model) -> None:
    aware = qat.quantize_model(model, data=DATA)
    aware.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    aware.fit(X, np.eye(10)[Y], verbose=0)
    agrees(aware)


def test_a_model_is_trained_without_data_and_learns_its_ranges(model: keras.Model) -> None:
    agrees(fitted(qat.quantize_model(model), epochs=1))


# Saving and loading.

LOADS = """
import sys, keras, octavo
from octavo import qat
model = keras.models.load_model(sys.argv[1])
open(sys.argv[2], "wb").write(octavo.quantize(model).model)
"""


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("ending", ["keras", pytest.param("h5", marks=pytest.mark.exhaustive)])
def test_a_trained_model_is_saved_and_deployed_in_a_new_process(
    aware: keras.Model, tmp_path: Path, ending: str
) -> None:
    aware.save(tmp_path / f"trained.{ending}")
    command = [sys.executable, "-c", LOADS, tmp_path / f"trained.{ending}", tmp_path / "trained.tflite"]
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert (tmp_path / "trained.tflite").read_bytes() == octavo.quantize(aware).model


def test_weights_alone_are_saved_and_loaded(model: keras.Model, aware: keras.Model, tmp_path: Path) -> None:
    aware.save_weights(tmp_path / "trained.weights.h5")
    other = qat.quantize_model(model)
    other.load_weights(tmp_path / "trained.weights.h5")
    assert octavo.quantize(other).model == octavo.quantize(aware).model


def test_the_file_runs_in_litert_as_it_predicts(int8: octavo.QuantizedModel, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(int8.save(tmp_path / "model.tflite")))
    interpreter.allocate_tensors()
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = entry["quantization"]
    interpreter.set_tensor(entry["index"], np.round(X_TEST[:1] / scale + zero_point).astype(np.int8))
    interpreter.invoke()
    scale, zero_point = result["quantization"]
    answer = (interpreter.get_tensor(result["index"]).astype(np.float32) - zero_point) * scale
    np.testing.assert_allclose(answer, int8.predict(X_TEST[:1]), atol=scale * 1e-3)


# Models.


def transferred() -> keras.Model:
    """A frozen base in a model of its own, and a new head."""
    x = keras.Input((8, 8, 1))
    base = keras.Model(x, layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(x)), name="base")
    base.trainable = False
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, layers.Dense(10)(base(inputs, training=False)))


def with_dropout_and_augmentation() -> keras.Model:
    augmented = [keras.Input((8, 8, 1)), layers.RandomFlip(seed=0), layers.Conv2D(8, 3, activation="relu")]
    return keras.Sequential([*augmented, layers.Flatten(), layers.Dropout(0.2, seed=1), layers.Dense(10)])


@keras.saving.register_keras_serializable(package="first_hour")
class Scaled(layers.Layer):
    """A layer of one's own."""

    def call(self, x: Any) -> Any:
        return keras.ops.relu(x) * 0.5


def with_an_own_layer() -> keras.Model:
    first = [keras.Input((8, 8, 1)), layers.Conv2D(8, 3), Scaled(name="scaled")]
    return keras.Sequential([*first, layers.Flatten(), layers.Dense(10)])


def with_a_lambda() -> keras.Model:
    first = [keras.Input((8, 8, 1)), layers.Lambda(lambda x: x * 2.0 - 1.0), layers.Conv2D(8, 3, activation="relu")]
    return keras.Sequential([*first, layers.Flatten(), layers.Dense(10)])


def residual() -> keras.Model:
    x = keras.Input((8, 8, 1))
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(x))
    y = layers.add([layers.ReLU()(y), layers.Conv2D(8, 1)(x)])
    return keras.Model(x, layers.Dense(10)(layers.GlobalAveragePooling2D()(y)))


class Subclassed(keras.Model):
    """A model with a call of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.flat, self.scores = layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(10)

    def call(self, x: Any) -> Any:
        return self.scores(self.flat(self.conv(x)))


def subclassed() -> keras.Model:
    model = Subclassed()
    model(X[:1])
    return model


MODELS: dict[str, Network] = {
    "transfer learning": transferred,
    "dropout and augmentation": with_dropout_and_augmentation,
    "a layer of one's own": with_an_own_layer,
    "a Lambda in memory": with_a_lambda,
    "a residual block": residual,
    "a subclassed model": subclassed,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_quantized_after_training_and_trained(name: str) -> None:
    keras.utils.set_random_seed(0)
    model = fitted(MODELS[name](), epochs=2)
    loaded = octavo.quantize(model, "float32")
    np.testing.assert_allclose(loaded.predict(X_TEST), model.predict(X_TEST, verbose=0), atol=1e-4)
    after = octavo.quantize(model, data=DATA)
    assert abs(after.evaluate(X_TEST, Y_TEST, time_it=False).accuracy - accuracy(model)) < 0.03  # type: ignore[operator]
    aware = fitted(qat.quantize_model(model, data=DATA), epochs=1)
    agrees(aware)
    frozen = {layer.name for layer in model.layers if not layer.trainable and layer.weights}
    assert bool(frozen) == (name == "transfer learning")


def test_mixed_precision_is_read_in_float32_and_told(model: keras.Model) -> None:
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        half = network()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    half.set_weights(model.get_weights())
    result = octavo.quantize(half, data=DATA)
    assert result.model == octavo.quantize(model, data=DATA).model
    assert any("float16 in Keras, in float32 here" in note.text for note in result.notes)


def test_several_outputs_have_a_row_each() -> None:
    x = keras.Input((8, 8, 1))
    y = layers.Flatten()(x)
    heads = {"digit": layers.Dense(10, name="digit")(y), "odd": layers.Dense(1, activation="sigmoid", name="odd")(y)}
    model = keras.Model(x, heads)
    model.compile("adam", {"digit": LOSS, "odd": "binary_crossentropy"})
    model.fit(X, {"digit": Y, "odd": Y % 2}, epochs=3, verbose=0)
    found = octavo.quantize(model, data=DATA).evaluate(X_TEST, {"digit": Y_TEST, "odd": Y_TEST % 2}, time_it=False)
    assert [output.name for output in found.outputs] == ["digit", "odd"]
    outputs = model.predict(X_TEST, verbose=0)
    wanted = outputs["digit"].argmax(1) == Y_TEST, (outputs["odd"][:, 0] > 0.5) == Y_TEST % 2
    for output, right in zip(found.outputs, wanted, strict=True):
        assert output.value == pytest.approx(right.mean(), abs=0.02)


def test_several_inputs_are_given_by_name_or_in_order() -> None:
    left, right = keras.Input((8, 8, 1), name="left"), keras.Input((8, 8, 1), name="right")
    flat = layers.concatenate([layers.Flatten()(left), layers.Flatten()(right)])
    model = keras.Model([left, right], layers.Dense(3)(flat))
    named = octavo.quantize(model, data={"right": DATA[::-1], "left": DATA}, verify="off")
    assert named.model == octavo.quantize(model, data=[DATA, DATA[::-1]], verify="off").model


def test_a_clone_of_a_trained_model_says_how_to_deploy_it(aware: keras.Model) -> None:
    with pytest.raises(OctavoError, match=r"original\.set_weights\(copy\.get_weights\(\)\)"):
        octavo.quantize(keras.models.clone_model(aware))


def test_the_migrating_user_changes_one_import(model: keras.Model) -> None:
    from octavo.tfmot.quantization.keras import quantize_model

    agrees(fitted(quantize_model(model), epochs=1))


def test_a_layer_is_kept_in_float_by_its_name_and_a_typing_error_is_told(model: keras.Model) -> None:
    result = octavo.quantize(model, data=DATA, skip="scores")
    assert [island.layer for island in result.islands] == ["scores"]
    with pytest.raises(ConfigError, match="did you mean 'scores'"):
        octavo.quantize(model, data=DATA, skip="score")
