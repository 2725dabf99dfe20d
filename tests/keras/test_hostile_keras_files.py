"""Keras model files made to harm: nothing they name runs, nothing outside them is read, and no size is believed."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from octavo.errors import ConfigError, ModelFileError, OctavoError, UnsupportedLayerError
from octavo.limits import limits
from octavo.load.keras_files import read_keras

Config = dict[str, Any]


def saved(folder: Path, name: str = "model.keras") -> Path:
    model = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(3, name="dense")], name="small")
    model.save(folder / name)
    return folder / name


def with_config(path: Path, change: Callable[[Config], None]) -> Path:
    """The file with its configuration changed."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config).encode()
        return path
    with zipfile.ZipFile(path) as old:
        kept = {name: old.read(name) for name in old.namelist()}
    config = json.loads(kept["config.json"])
    change(config)
    return with_parts(path, {**kept, "config.json": json.dumps(config).encode()})


def with_parts(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, content)
    return path


def with_weights(path: Path, change: Callable[[h5py.File], None]) -> Path:
    """The file with its HDF5 part changed."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            change(file)
        return path
    with zipfile.ZipFile(path) as old:
        kept = {name: old.read(name) for name in old.namelist()}
    inner = path.with_name("inner.h5")
    inner.write_bytes(kept["model.weights.h5"])
    with h5py.File(inner, "r+") as file:
        change(file)
    return with_parts(path, {**kept, "model.weights.h5": inner.read_bytes()})


def refusal(path: Path, kind: type[OctavoError], allow: tuple[str, ...] = ()) -> OctavoError:
    with pytest.raises(kind) as caught:
        read_keras(path, allow)
    return caught.value


def function(module: str, name: str) -> Config:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


# What a file may name ------------------------------------------------------------------------------------------------

RUNS = {
    "a function of the system": function("os", "system"),
    "a function of Keras that runs more than sums": function("keras.src.utils.file_utils", "get_file"),
    "a public function of Keras that loads": function("keras.saving", "load_model"),
    "a class from anywhere": {"module": "subprocess", "class_name": "Popen", "config": {"args": ["true"]}},
    "a class below Keras that no model needs": {
        "module": "keras.src.utils.progbar", "class_name": "Progbar", "config": {"target": 1},
    },
    "a layer that loads a folder": {
        "module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "elsewhere"},
    },
    "a layer that reads a vocabulary": {
        "module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"},
    },
    "a Lambda deep inside": {
        "module": "keras.layers", "class_name": "Lambda",
        "config": {"name": "deep", "function": function("os", "system")},
    },
    "a specification of types": {
        "class_name": "__typespec__", "spec_name": "system", "module": "os", "registered_name": None, "config": [],
    },
    "a name that is no text": {"class_name": ["Dense"], "config": {}},
}  # fmt: skip
PLACES = ("activation", "kernel_initializer", "kernel_regularizer", "dtype", "something_new")


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
@pytest.mark.parametrize("part", RUNS.values(), ids=RUNS)
def test_what_is_no_part_of_a_model_is_refused_wherever_it_stands(tmp_path: Path, name: str, part: Config) -> None:
    for place in PLACES:

        def change(config: Config, place: str = place) -> None:
            config["config"]["layers"][1]["config"][place] = [{"deeper": part}] if place == "something_new" else part

        assert refusal(with_config(saved(tmp_path, name), change), UnsupportedLayerError).fix
    for key in ("inbound_nodes", "build_config"):

        def change_layer(config: Config, key: str = key) -> None:
            config["config"]["layers"][1][key] = [[[part]]] if key == "inbound_nodes" else {"x": part}

        assert refusal(with_config(saved(tmp_path, name), change_layer), UnsupportedLayerError).fix


@pytest.mark.parametrize(
    "part",
    [
        {"module": "keras.initializers", "class_name": "HeNormal", "config": {"seed": None}, "registered_name": None},
        function("builtins", "relu"),
        {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.01}, "registered_name": None},
        {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None},
    ],
)
def test_parts_of_models_in_keras_are_read(tmp_path: Path, part: Config) -> None:
    name = {"HeNormal": "kernel_initializer", "L2": "kernel_regularizer", "DTypePolicy": "dtype"}
    place = name.get(part["class_name"], "activation")

    def change(config: Config) -> None:
        config["config"]["layers"][1]["config"][place] = part

    model, _ = read_keras(with_config(saved(tmp_path), change))
    assert model.output_shape == (None, 3)


def in_a_lambda(config: Config, of: Config) -> None:
    config["config"]["layers"].append(
        {"module": "keras.layers", "class_name": "Lambda", "registered_name": None,
         "config": {"name": "named", "function": of, "arguments": {}}}
    )  # fmt: skip


def test_a_lambda_with_a_named_function_never_runs_it_nor_imports_its_module(tmp_path: Path) -> None:
    (tmp_path / "payload.py").write_text("open('ran', 'w').close()\ndef go(x): return x\n")
    path = with_config(saved(tmp_path), lambda config: in_a_lambda(config, function("payload", "go")))
    program = (
        "import sys; sys.path.append('.')\nfrom octavo.load.keras_files import read_keras\n"
        "for allow in ([], ['named']):\n"
        "    try:\n        read_keras(sys.argv[1], allow)\n"
        "    except Exception as error:\n        print('refused:', error)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, cwd=tmp_path)
    refusals = ended.stdout.split("refused:")[1:]
    assert ["payload.go" in each for each in refusals] == [True, True], ended.stdout + ended.stderr
    assert not (tmp_path / "ran").exists()
    assert "allow=('named',)" in refusal(path, UnsupportedLayerError).fix


def test_a_lambda_is_read_where_it_is_allowed_and_its_function_is_registered(tmp_path: Path) -> None:
    path = with_config(saved(tmp_path), lambda config: in_a_lambda(config, function("mine", "mine>halve")))
    with keras.saving.custom_object_scope({"mine>halve": halve}):
        refusal(path, UnsupportedLayerError)
        model, _ = read_keras(path, ("named",))
    assert model.get_layer("named").output.shape == (None, 3)


def halve(x: Any) -> Any:
    return x / 2


# Where weights lie ---------------------------------------------------------------------------------------------------


def _external(file: h5py.File) -> None:
    file.create_dataset("more", (4,), "f4", external=[("/etc/hostname", 0, 16)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("more", layout)


def _huge(file: h5py.File) -> None:
    file.create_dataset("more", (1 << 20, 1 << 20), "f4", chunks=(1, 1 << 10), compression="gzip")


def _references(file: h5py.File) -> None:
    file.create_dataset("more", (1,), h5py.ref_dtype)[0] = file.ref


def _reference_attribute(file: h5py.File) -> None:
    file.attrs["more"] = file.ref


def _type(file: h5py.File) -> None:
    file["more"] = np.dtype("f8")


def _soft(file: h5py.File) -> None:
    file["more"] = h5py.SoftLink("/")


def _elsewhere(file: h5py.File) -> None:
    file["more"] = h5py.ExternalLink("/etc/hostname", "/")


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
@pytest.mark.parametrize(
    "change", [_external, _virtual, _huge, _references, _reference_attribute, _type, _soft, _elsewhere]
)
def test_weights_that_do_not_all_lie_in_the_file_are_refused(
    tmp_path: Path, name: str, change: Callable[[h5py.File], None]
) -> None:
    error = refusal(with_weights(saved(tmp_path, name), change), ModelFileError)
    assert "'/more'" in error.got or "'more'" in error.got
    assert "save the model again" in error.fix


def test_a_group_that_holds_itself_is_walked_once(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["again"] = file["/"]

    read_keras(with_weights(saved(tmp_path), change))


# How much they ask for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_layers_far_larger_than_the_weights_are_refused_before_they_are_made(tmp_path: Path, name: str) -> None:
    def change(config: Config) -> None:
        config["config"]["layers"][1]["config"]["units"] = 10**11

    error = refusal(with_config(saved(tmp_path, name), change), ModelFileError)
    assert "far larger than its weights" in error.what
    assert "OCTAVO_LIMIT_WEIGHTS_BYTES" in error.fix


@pytest.mark.parametrize(
    ("variable", "most"), [("CONFIG_BYTES", 100), ("WEIGHTS_BYTES", 40), ("FILE_BYTES", 10), ("OBJECTS", 2)]
)
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_more_than_a_bound_is_refused_naming_the_bound(
    tmp_path: Path, name: str, variable: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, name)
    monkeypatch.setenv(f"OCTAVO_LIMIT_{variable}", str(most))
    error = refusal(path, ModelFileError)
    assert f"OCTAVO_LIMIT_{variable}" in str(error) or "too many parts" in str(error)


def test_a_bound_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_LIMIT_OBJECTS", "many")
    with pytest.raises(ConfigError, match=r"fix: +unset it"):
        limits()


@pytest.mark.parametrize("text", ["[" * 100_000, "\x00", '{"class_name": "Sequential", "config": ' * 3])
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_configuration_that_cannot_be_parsed_is_refused(tmp_path: Path, name: str, text: str) -> None:
    path = saved(tmp_path, name)
    if name == "model.h5":
        with h5py.File(path, "r+") as file:
            del file.attrs["model_config"]
            file.create_dataset("model_config", data=0)
            file.attrs["model_config"] = text[: 1 << 15].replace("\x00", "?")
    else:
        with zipfile.ZipFile(path) as old:
            kept = {part: old.read(part) for part in old.namelist()}
        with_parts(path, {**kept, "config.json": text.encode()})
    assert "no JSON" in refusal(path, ModelFileError).got


@pytest.mark.parametrize("part", ["../outside", "/absolute", "a/../../b", "c:\\windows"])
def test_a_zip_with_a_part_outside_its_folder_is_refused(tmp_path: Path, part: str) -> None:
    path = saved(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(part, b"x")
    assert "outside its folder" in refusal(path, ModelFileError).got


def test_a_zip_that_has_a_part_twice_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", b"{}")
    assert "a name twice" in refusal(path, ModelFileError).got
