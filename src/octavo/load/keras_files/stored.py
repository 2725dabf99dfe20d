"""What a Keras model file says of itself, read without constructing anything."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.errors import ModelFileError

ZIP_PARTS = ("config.json", "metadata.json", "model.weights.h5")


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model file.

    Attributes:
        path: The file.
        config: The model's configuration: "class_name", "config", and what else its Keras wrote.
        keras_version: The Keras that wrote it, "" where it does not say.
    """

    path: Path
    config: dict[str, Any]
    keras_version: str


def read_stored(path: Path) -> StoredModel:
    """Open a .keras, .h5 or .hdf5 file.

    Raises:
        ModelFileError: if it is truncated, of another format, or holds weights only.
    """
    return _read_zip(path) if path.suffix == ".keras" else _read_hdf5(path)


def write_config(stored: StoredModel, config: dict[str, Any], folder: Path) -> Path:
    """A copy of an HDF5 model file in `folder`, with another configuration."""
    import h5py

    copy = Path(shutil.copyfile(stored.path, folder / "model.h5"))
    with h5py.File(copy, "r+") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
    return copy


def _read_zip(path: Path) -> StoredModel:
    """A .keras file: a zip of the configuration, the weights and a word on who wrote it."""
    try:
        with zipfile.ZipFile(path) as archive:
            missing = sorted(set(ZIP_PARTS).difference(archive.namelist()))
            if missing:
                raise broken(path, f"a zip without {', '.join(missing)}")
            config, metadata = (json.loads(archive.read(part)) for part in ZIP_PARTS[:2])
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise broken(path, f"{path.stat().st_size} bytes that are no zip archive: {error}") from error
    if damaged is not None:
        raise broken(path, f"a zip whose {damaged} is damaged")
    return StoredModel(path, config, str(metadata.get("keras_version", "")))


def _read_hdf5(path: Path) -> StoredModel:
    """A .h5 file: an HDF5 archive of weights, with the configuration as an attribute."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            config, version = (_text(file.attrs.get(name, "")) for name in ("model_config", "keras_version"))
    except OSError as error:
        raise broken(path, f"{path.stat().st_size} bytes that are no HDF5 file: {error}") from error
    if not config:
        raise ModelFileError(
            f"'{path.name}' holds weights only, without the model they belong to.",
            got="an HDF5 file without a model configuration",
            expected="a file written by model.save(...)",
            fix="build the model in Python, call model.load_weights(...) and give the model, or save all of it with "
            "model.save('model.keras')",
        )
    try:
        return StoredModel(path, json.loads(config), version)
    except ValueError as error:
        raise broken(path, f"a configuration that is no JSON: {error}") from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def broken(path: Path, got: str) -> ModelFileError:
    """The error for a file that is not what model.save(...) writes."""
    return ModelFileError(
        f"'{path.name}' is not a whole Keras model file.",
        got=got,
        expected="a .keras file (zip) or a .h5 file (HDF5), as model.save(...) writes them",
        fix="copy or download the file again, or save the model again with model.save('model.keras')",
    )
