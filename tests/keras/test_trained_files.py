"""Files and copies of quantization-aware models: deployed as what they were trained for, wherever a model is taken."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from keras_agreement import spread_weights
from octavo import qat
from octavo.errors import ConfigError, InputError

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (24, 6, 6, 2)).astype(np.float32)
Y = RNG.integers(0, 3, 24)
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def network() -> keras.Model:
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, use_bias=False, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Flatten(name="flat"),
            layers.Dense(3, name="scores"),
        ],
        name="net",
    )
    spread_weights(model)
    return model


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    """Trained for some steps, so that its ranges are its own."""
    model = qat.quantize_model(network(), "int8x4", data=X)
    model.compile("sgd", "mse")
    model.fit(X, RNG.uniform(-1, 1, (24, 3)), verbose=0)
    return model


@pytest.fixture(params=[".keras", ".h5"])
def saved(trained: keras.Model, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / f"trained{request.param}"
    trained.save(path)
    return path


def test_a_file_is_deployed_by_the_ranges_it_was_trained_with(trained: keras.Model, saved: Path) -> None:
    quantized = octavo.quantize(str(saved))
    assert quantized.scheme.name == "int8x4"
    assert quantized.model == octavo.quantize(trained).model


def test_a_file_stands_in_a_table_beside_its_float_model(saved: Path) -> None:
    options = {"schemes": ["float32", "int8"], "time_it": False}
    alone = octavo.compare(saved, X, (X, Y), **options)
    assert [row.name for row in alone.rows] == ["float32", "int8", "int8x4 QAT"]
    beside = octavo.compare(network(), X, (X, Y), also={"mine": saved}, **options)
    assert beside.rows[-1].name == "mine"
    assert beside.rows[-1].quantized.model == alone.rows[-1].quantized.model


def test_ranges_that_were_trained_are_not_measured_again(saved: Path) -> None:
    with pytest.raises(InputError, match=r"fix: +quantize it as it is, octavo\.quantize\(model\)"):
        octavo.calibrate(saved, X)


def test_a_clone_keeps_its_weights_and_says_how_to_take_them_back(trained: keras.Model) -> None:
    clone = keras.models.clone_model(trained)
    clone.set_weights(trained.get_weights())
    np.testing.assert_array_equal(clone.predict(X, verbose=0), trained.predict(X, verbose=0))
    with pytest.raises(InputError, match=r"fix: +take the weights back, original\.set_weights"):
        octavo.quantize(clone)
    copy = type(trained).from_config(trained.get_config())
    copy.set_weights(clone.get_weights())
    assert octavo.quantize(copy).model == octavo.quantize(trained).model


def test_a_model_is_made_for_training_from_its_file(tmp_path: Path) -> None:
    model = network()
    model.save(tmp_path / "float.keras")
    from_file = qat.quantize_model(tmp_path / "float.keras", data=X)
    assert octavo.quantize(from_file).model == octavo.quantize(qat.quantize_model(model, data=X)).model


def test_parity_takes_the_file_or_its_bytes_and_samples_in_any_form(trained: keras.Model, tmp_path: Path) -> None:
    quantized = octavo.quantize(trained)
    path = quantized.save(tmp_path / "trained.tflite")
    found = octavo.parity(trained, quantized, X)
    assert found == octavo.parity(trained, quantized.model, X) == octavo.parity(trained, path, X)
    np.save(tmp_path / "x.npy", X)
    pairs = ((X[i : i + 16], np.zeros(len(X[i : i + 16]))) for i in range(0, len(X), 16))
    assert found == octavo.parity(trained, quantized, tmp_path / "x.npy") == octavo.parity(trained, quantized, pairs)


def test_parity_of_several_outputs_names_each() -> None:
    x = keras.Input((6,), name="x")
    heads = [layers.Dense(3, name="first")(x), layers.Softmax(name="second")(layers.Dense(2)(x))]
    data = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32)
    aware = qat.quantize_model(keras.Model(x, heads), data=data)
    quantized = octavo.quantize(aware)
    both = octavo.parity(aware, quantized, data)
    assert [both.output, *(each.output for each in both.others)] == ["first", "second"]
    assert both.others == (octavo.parity(aware, quantized, data, output="second"),)
    assert octavo.parity(aware, quantized, data, output=1).output == "second"
    assert [each["output"] for each in both.to_dict()["others"]] == ["second"]  # type: ignore[index, union-attr]
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'second'\?"):
        octavo.parity(aware, quantized, data, output="secnd")


def test_what_was_decided_before_training_is_refused_and_the_seed_is_used(trained: keras.Model) -> None:
    cases: dict[str, object] = {"percentile": 99.0, "allow": ["scores"], "input_shape": (1, 8)}
    for name, value in cases.items():
        with pytest.raises(ConfigError, match=f"fix: +leave {name} out"):
            octavo.quantize(trained, **{name: value})  # type: ignore[arg-type]
    assert octavo.quantize(trained, seed=1).model != octavo.quantize(trained, seed=2).model


@pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")
def test_keys_name_the_inputs_in_data() -> None:
    inputs = {"k2": keras.Input((6,), name="second"), "k1": keras.Input((6,))}
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()([inputs["k1"], inputs["k2"]])))
    rng = np.random.default_rng(0)
    data = {name: rng.normal(size=(20, 6)).astype(np.float32) for name in ("k1", "k2")}
    for made in (octavo.quantize(model, data=data), octavo.quantize(qat.quantize_model(model, data=data))):
        assert made.graph.inputs == ("k1", "k2")
        np.testing.assert_allclose(made.predict(data), model.predict(data, verbose=0), atol=0.2)


def test_results_read_like_sentences(trained: keras.Model) -> None:
    quantized = octavo.quantize(trained)
    assert str(octavo.parity(trained, quantized, X)).startswith("On 24 samples the file's largest output is another")
    assert str(quantized.fidelity).startswith("The file against the float graph on ")
    assert "<p>" in quantized.fidelity._repr_html_()
    assert "TensorFlow Lite Micro: equal to the reference" in quantized._repr_html_()


def test_parity_of_a_float_model_is_refused(trained: keras.Model) -> None:
    with pytest.raises(InputError, match=r"fix: +of a float model, ask quantized\.evaluate"):
        octavo.parity(network(), octavo.quantize(trained), X)


def test_parity_with_the_file_of_another_model_is_refused(trained: keras.Model) -> None:
    x = keras.Input((6, 6, 2))
    other = octavo.quantize(keras.Model(x, layers.ReLU(name="another")(x)), data=X)
    with pytest.raises(InputError, match=r"fix: +give what octavo\.quantize\(model\) returns"):
        octavo.parity(trained, other, X)


def test_samples_in_the_place_of_the_scheme_are_told() -> None:
    for call in (octavo.quantize, qat.quantize_model):
        with pytest.raises(ConfigError, match=r"fix: +name what it is: data=x_train\[:500\] for samples"):
            call(network(), X)


class Own(keras.Model):
    """A model with a call of its own, of one input or of several under names or in a list."""

    def __init__(self, first: object = None, second: object = None) -> None:
        super().__init__()
        self.places = first, second
        self.hidden, self.scores = layers.Dense(4, activation="relu"), layers.Dense(3)

    def call(self, x: object) -> object:
        first, second = (x if place is None else x[place] for place in self.places)  # type: ignore[index]
        return self.scores(self.hidden(first)) + self.scores(self.hidden(second))


@pytest.mark.every_backend
@pytest.mark.parametrize("places", [(None, None), (0, 1), ("left", "right")], ids=str)
def test_a_model_with_its_own_call_is_read_and_trained_by_calling_it(places: tuple[object, object]) -> None:
    keras.utils.set_random_seed(1)
    model, x = Own(*places), RNG.uniform(-1, 1, (16, 5)).astype(np.float32)
    data = x if places[0] is None else [x, x] if places[0] == 0 else {"left": x, "right": x}
    wanted = keras.ops.convert_to_numpy(model(data))
    with pytest.MonkeyPatch.context() as patch:
        # TensorFlow has a converter of its own for these.
        patch.setattr(keras.backend, "backend", lambda: "jax")
        quantized = octavo.quantize(model, "float32", data)
    np.testing.assert_allclose(quantized.predict(data), wanted, atol=1e-5)
    aware = qat.quantize_model(model, data=data)
    assert octavo.parity(aware, octavo.quantize(aware), data).within_one_step == 1.0


def test_a_model_that_was_never_called_says_so() -> None:
    for call in (octavo.quantize, qat.quantize_model):
        with pytest.raises(InputError, match=r"fix: +call it once on a batch of data, model\(x\[:1\]\)"):
            call(Own(), data=X)


def test_a_call_that_cannot_be_traced_says_what_it_raised() -> None:
    class Numpy(keras.Model):
        def call(self, x: object) -> object:
            raise ZeroDivisionError("no symbols here") if isinstance(x, keras.KerasTensor) else None

        def build(self, shape: object) -> None:
            self.built = True

    model = Numpy()
    model.build((None, 4))
    with pytest.raises(InputError, match=r"got: +\w+: .*\n.*\n +fix: +compute with keras\.ops and layers in call\(\)"):
        octavo.quantize(model, data=X)
