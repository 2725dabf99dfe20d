"""What a Keras model file says of itself, read without constructing anything."""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.errors import ModelFileError
from octavo.limits import limits, raised
from octavo.load.keras_files.hdf5 import Misplaced, refused, weight_bytes

ZIP_PARTS = ("config.json", "metadata.json", "model.weights.h5")
# Weights up to this size are looked over without a file on the disk.
_IN_MEMORY = 1 << 28


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model file.

    Attributes:
        path: The file.
        config: The model's configuration: "class_name", "config", and what else its Keras wrote.
        keras_version: The Keras that wrote it, "" where it does not say.
        weight_bytes: Size of what its HDF5 part holds, unpacked.
    """

    path: Path
    config: dict[str, Any]
    keras_version: str
    weight_bytes: int


def read_stored(path: Path) -> StoredModel:
    """Open a .keras, .h5 or .hdf5 file.

    Raises:
        ModelFileError: if it is truncated, of another format, larger than `Limits` allow, not self-contained, or
            holds weights only.
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
            _check_members(path, archive)
            config, metadata = (_json(path, _unpacked(path, archive, part)) for part in ZIP_PARTS[:2])
            size = _archived_weights(path, archive)
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        struct.error,
    ) as error:
        raise broken(path, f"{path.stat().st_size} bytes that are no zip archive: {error}") from error
    return StoredModel(path, config, str(metadata.get("keras_version", "")), size)


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """All parts are there, once each, under names that stay in their folder."""
    names = [member.filename for member in archive.infolist()]
    missing = sorted(set(ZIP_PARTS).difference(names))
    if missing:
        raise broken(path, f"a zip without {', '.join(missing)}")
    if len(set(names)) < len(names) or len(names) > limits().objects:
        raise broken(path, "a zip that has a name twice" if len(names) <= limits().objects else "too many parts")
    for name in names:
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or ":" in parts[0]:
            raise broken(path, f"a zip with a part outside its folder, '{name}'")


def _unpacked(path: Path, archive: zipfile.ZipFile, part: str) -> bytes:
    """A small part; what it says of its own size is not believed."""
    most = limits().config_bytes
    with archive.open(part) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise broken(path, f"a {part} of more than the {most} bytes that {raised('config_bytes')} allows")
    return content


def _archived_weights(path: Path, archive: zipfile.ZipFile) -> int:
    """Size of the weights of a .keras file, read once through its checksum into a temporary file."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as copy:
        for member in archive.infolist():
            left = limits().weights_bytes
            try:
                with archive.open(member) as stream:
                    while block := stream.read(min(1 << 20, left + 1)):
                        left -= len(block)
                        if left < 0:
                            raise broken(path, f"a {member.filename} of more than {raised('weights_bytes')} allows")
                        if member.filename == ZIP_PARTS[2]:
                            copy.write(block)
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise broken(path, f"a zip whose {member.filename} is damaged") from error
        copy.seek(0)
        return _hdf5(path, copy)[2]


def _read_hdf5(path: Path) -> StoredModel:
    """A .h5 file: an HDF5 archive of weights, with the configuration as an attribute."""
    with open(path, "rb") as stream:
        config, version, size = _hdf5(path, stream)
    if not config:
        raise ModelFileError(
            f"'{path.name}' holds weights only, without the model they belong to.",
            got="an HDF5 file without a model configuration",
            expected="a file written by model.save(...)",
            fix="build the model in Python, call model.load_weights(...) and give the model, or save all of it with "
            "model.save('model.keras')",
        )
    return StoredModel(path, _json(path, config), version, size)


def _hdf5(path: Path, stream: Any) -> tuple[str, str, int]:
    """Configuration, version and size of the weights of an HDF5 file, once all of it has been looked over."""
    import h5py

    try:
        with h5py.File(stream, "r") as file:
            size = weight_bytes(file)
            config, version = (_text(file.attrs.get(name, "")) for name in ("model_config", "keras_version"))
    except Misplaced as error:
        raise refused(path, error) from error
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, MemoryError, OverflowError) as error:
        raise broken(path, f"{path.stat().st_size} bytes that are no HDF5 file: {error}") from error
    if len(config) > limits().config_bytes:
        raise broken(path, f"a configuration of more than {raised('config_bytes')} allows")
    return config, version, size


def _json(path: Path, text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise broken(path, f"a configuration that is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise broken(path, f"a configuration that is a {type(value).__name__} instead of an object")
    return value


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def broken(path: Path, got: str) -> ModelFileError:
    """The error for a file that is not what model.save(...) writes."""
    return ModelFileError(
        f"'{path.name}' is not a whole Keras model file.",
        got=got,
        expected="a .keras file (zip) or a .h5 file (HDF5), as model.save(...) writes them",
        fix="copy or download the file again, or save the model again with model.save('model.keras')",
    )
