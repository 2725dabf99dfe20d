"""Reads Keras model files, and runs nothing that is stored in them."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from octavo.errors import MissingDependencyError, ModelFileError
from octavo.ir.notes import Note
from octavo.load.keras_files.repair import repair
from octavo.load.keras_files.screen import screen
from octavo.load.keras_files.stored import StoredModel, broken, read_stored, write_config
from octavo.load.keras_files.weigh import weigh
from octavo.load.paths import existing_file


def read_keras(path: str | Path, allow: Collection[str] = ()) -> tuple[Any, tuple[Note, ...]]:
    """Load a Keras model from a file, uncompiled.

    Args:
        path: Of a .keras file of Keras 3, or of a .h5 or .hdf5 file of Keras 2 or 3.
        allow: Names of Lambda layers whose functions, Keras's own or registered ones, may run. Code stored in the file
            never does.

    Returns:
        The keras.Model, and a note on each repair of what Keras 2 wrote.

    Raises:
        ModelFileError: if the file is missing, truncated, not a model, or one that Keras cannot read.
        UnsupportedLayerError: for stored code, own classes and layers without a form.
        MissingDependencyError: if Keras finds no backend.
    """
    _import_keras()
    stored = read_stored(existing_file(Path(path)))
    try:
        config, notes = _mended(stored)
        screen(replace(stored, config=config), allow)
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise broken(stored.path, f"a configuration of another form ({type(error).__name__}: {error})") from error
    weigh(stored, config)
    with tempfile.TemporaryDirectory() as folder:
        place = write_config(stored, config, Path(folder)) if notes else stored.path
        return _construct(stored, place), notes


def stored_class(path: Path) -> str:
    """The name of the class that a file says its model is of, "" if it does not say.

    Raises:
        ModelFileError: if the file is truncated or not a model.
    """
    return str(read_stored(path).config.get("class_name", ""))


def stored_training(path: Path) -> Any:
    """How a .keras file says its model was compiled, as plain values; None if it does not say.

    Raises:
        ModelFileError: if the file is truncated or not a model.
    """
    return read_stored(path).config.get("compile_config")


def _mended(stored: StoredModel) -> tuple[dict[str, Any], tuple[Note, ...]]:
    """The configuration of a file as Keras 3 reads it; only HDF5 files of Keras 2 need mending."""
    if stored.path.suffix == ".keras" or stored.keras_version.startswith("3."):
        return stored.config, ()
    return repair(stored.config)


def _construct(stored: StoredModel, place: Path) -> Any:
    """Let Keras build the model; its remarks on old files are dropped, its errors told in one line.

    Raises:
        ModelFileError: for whatever Keras raises.
    """
    import keras

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return keras.models.load_model(place, compile=False, safe_mode=True)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelFileError(
            f"'{stored.path.name}' cannot be read by Keras {keras.__version__}.",
            got=f"{type(error).__name__}: {lines[0] if lines else 'no message'}",
            expected="a file this version of Keras can read"
            + (f"; this one was written by Keras {stored.keras_version}" if stored.keras_version else ""),
            fix="open it with the Keras that wrote it and save it again with model.save('model.keras')",
        ) from error


def _import_keras() -> None:
    """Import Keras, saying what to do where its backend is absent.

    Raises:
        MissingDependencyError: if Keras or its backend is not installed.
    """
    try:
        import keras  # noqa: F401
    except (ImportError, ValueError) as error:
        raise MissingDependencyError(
            "Keras, which reads this file, does not start.",
            got=f"{type(error).__name__}: {error}",
            expected="Keras with one of the backends jax, torch and tensorflow",
            fix="pip install 'octavo[jax]' and set the environment variable KERAS_BACKEND=jax",
        ) from error
