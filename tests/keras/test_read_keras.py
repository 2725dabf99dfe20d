"""Keras model files: read whole, refused when broken, and nothing stored in them runs."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.src.saving.serialization_lib import SafeModeScope

from keras_agreement import assert_computes_the_same, spread_weights
from octavo.errors import MissingDependencyError, ModelFileError, OctavoError, UnsupportedLayerError
from octavo.load import load
from octavo.load.keras_files import read_keras

pytestmark = pytest.mark.every_backend


def small_model(*more: Any) -> Any:
    x = keras.Input((6, 6, 2), name="x")
    y = layers.Conv2D(3, 3, activation="relu", name="conv")(x)
    for layer in more:
        y = layer(y)
    model = keras.Model(x, layers.Flatten(name="flat")(y), name="small")
    spread_weights(model)
    return model


def saved(folder: Path, name: str, *more: Any) -> Path:
    model = small_model(*more)
    model.compile("sgd", "mse")
    model.save(folder / name)
    return folder / name


def refusal(path: Path, kind: type[OctavoError] = ModelFileError) -> OctavoError:
    with pytest.raises(kind) as caught:
        read_keras(path)
    return caught.value


def rewritten(path: Path, part: str, change: Any) -> Path:
    """The .keras file with one of its JSON parts changed; None leaves it out."""
    copy = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            value = old.read(name)
            if name == part:
                value = None if change is None else json.dumps(change(json.loads(value))).encode()
            if value is not None:
                new.writestr(name, value)
    return copy


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.hdf5"])
def test_a_saved_model_computes_the_same_from_its_file(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, name)
    loaded = load(path)
    assert_computes_the_same(keras.models.load_model(path, compile=False), loaded.graph)
    assert not loaded.notes
    assert not loaded.names, "ids of a model that is gone would name other tensors"


def test_a_model_from_a_file_is_not_compiled(tmp_path: Path) -> None:
    model, notes = read_keras(saved(tmp_path, "model.keras"))
    assert not model.compiled
    assert notes == ()


def test_a_missing_file_is_told_with_the_closest_name_beside_it(tmp_path: Path) -> None:
    path = saved(tmp_path, "model.keras")
    assert f"did you mean '{path}'?" in refusal(tmp_path / "modle.keras").fix
    assert "no folder" in refusal(tmp_path / "absent" / "model.keras").got


def test_a_pickle_in_a_keras_files_clothes_is_refused_and_not_opened(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / "model.keras"
    path.write_bytes(pickle.dumps(Payload()))
    error = refusal(path)
    assert "no zip archive" in error.got
    assert "download the file again" in error.fix
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    path = saved(tmp_path, name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert "download the file again" in refusal(path).fix


@pytest.mark.parametrize("part", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_keras_file_that_lacks_a_part_is_refused(tmp_path: Path, part: str) -> None:
    error = refusal(rewritten(saved(tmp_path, "model.keras"), part, None))
    assert f"a zip without {part}" in error.got


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, "model.keras")
    with zipfile.ZipFile(path) as archive:
        middle = archive.getinfo("model.weights.h5").header_offset + 2000
    content = bytearray(path.read_bytes())
    content[middle] ^= 0xFF
    path.write_bytes(content)
    assert "model.weights.h5 is damaged" in refusal(path).got


def test_a_file_of_weights_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    small_model().save_weights(path)
    error = refusal(path)
    assert "weights only" in error.what
    assert "model.load_weights" in error.fix


def test_a_configuration_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, "model.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = "{"
    assert "no JSON" in refusal(path).got


def test_what_keras_cannot_read_is_told_in_one_line(tmp_path: Path) -> None:
    def change(config: Any) -> Any:
        config["config"]["layers"][1]["config"]["padding"] = "sideways"
        return config

    error = refusal(rewritten(saved(tmp_path, "model.keras"), "config.json", change))
    assert f"cannot be read by Keras {keras.__version__}" in error.what
    assert "\n" not in error.got
    assert "open it with the Keras that wrote it" in error.fix


@pytest.mark.parametrize(
    "config", [[], {}, {"config": {"layers": [1]}}, {"class_name": "Functional", "config": {"layers": [{}]}}]
)
def test_a_configuration_of_another_form_is_refused(tmp_path: Path, config: Any) -> None:
    path = saved(tmp_path, "model.keras")
    assert refusal(rewritten(path, "config.json", lambda _: config)).fix


def test_a_keras_file_of_keras_2_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, "model.keras")
    error = refusal(rewritten(path, "metadata.json", lambda data: {**data, "keras_version": "2.15.0"}))
    assert "written by Keras 2" in error.what
    assert "model.save('model.h5')" in error.fix


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_stored_code_is_refused_even_where_safe_mode_is_switched_off(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, name, layers.Lambda(lambda x: x + 1.0, name="shift"))
    with SafeModeScope(safe_mode=False):
        error = refusal(path, UnsupportedLayerError)
    assert "Python code" in error.what
    assert "process that built it" in error.fix


class Twice(layers.Layer):
    """A layer that no file can be read with unless it is registered."""

    def call(self, x: Any) -> Any:
        return ops.add(x, x)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_class_that_is_not_registered_is_refused(tmp_path: Path, name: str) -> None:
    error = refusal(saved(tmp_path, name, Twice(name="twice")), UnsupportedLayerError)
    assert "'twice' is of class Twice" in error.what
    assert "register_keras_serializable" in error.fix


def test_a_registered_class_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, "model.keras", Twice(name="twice"))
    with keras.saving.custom_object_scope({"Twice": Twice}):
        graph = load(path).graph
    assert "ADD" in {node.op for node in graph.nodes}


def test_a_layer_of_another_framework_is_refused_before_it_is_made(tmp_path: Path) -> None:
    path = saved(tmp_path, "model.keras", layers.UnitNormalization(name="unit"))
    error = refusal(rewritten(path, "config.json", with_a_saved_model), UnsupportedLayerError)
    assert "'unit' (TFSMLayer)" in error.what


def with_a_saved_model(config: Any) -> Any:
    return json.loads(json.dumps(config).replace('"UnitNormalization"', '"TFSMLayer"'))


def test_a_lambda_on_a_function_of_kerass_own_is_read_where_it_is_allowed(tmp_path: Path) -> None:
    path = saved(tmp_path, "model.keras", layers.Lambda(ops.relu, name="clipped"))
    with pytest.raises(UnsupportedLayerError, match=r"allow=\('clipped',\)"):
        load(path)
    assert "RELU" in {node.op for node in load(path, allow=("clipped",)).graph.nodes}


@pytest.mark.parametrize("backend", ["torch", "theano"])
def test_keras_without_its_backend_says_what_to_install(tmp_path: Path, backend: str) -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from octavo.errors import MissingDependencyError\n"
        "from octavo.load import load\n"
        "try:\n    load(sys.argv[1])\n"
        "except MissingDependencyError as error:\n    print(error.fix)"
    )
    path = saved(tmp_path, "model.keras")
    finished = subprocess.run(
        [sys.executable, "-c", program, str(path)], env={"KERAS_BACKEND": backend}, capture_output=True, text=True
    )
    assert "pip install 'octavo[jax]'" in finished.stdout, finished.stderr


def test_without_keras_a_model_file_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingDependencyError, match=r"fix: +pip install 'octavo\[jax\]'"):
        read_keras(tmp_path / "model.keras")


def test_weights_read_from_a_file_are_the_files(tmp_path: Path) -> None:
    path = saved(tmp_path, "model.h5")
    with h5py.File(path) as file:
        kernels = [
            np.asarray(value) for value in _datasets(file["model_weights/conv"]) if value.name.endswith("kernel")
        ]
    np.testing.assert_array_equal(load(path).graph.tensors["conv/kernel"].data, kernels[0].transpose(3, 0, 1, 2))


def _datasets(group: Any) -> list[Any]:
    found: list[Any] = []
    group.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found
