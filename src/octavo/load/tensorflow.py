"""What only TensorFlow can read: SavedModel folders, and Keras models whose `call` is Python code.

TensorFlow's own converter makes a float .tflite of them, in memory, which is then read like any other.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from octavo.errors import ConfigError, MissingDependencyError, ModelFileError, OctavoError, UnsupportedLayerError
from octavo.limits import PREFIX, limits, raised, unreadable
from octavo.load.batch import with_batch
from octavo.load.input_shape import InputShape, fixed_shapes
from octavo.load.loaded import Loaded
from octavo.load.paths import model_bytes
from octavo.load.tflite import load_tflite
from octavo.run.quiet import native_stderr

SIGNATURE = "serving_default"
# What a process needs of the caller's environment to start; credentials and the like stay behind.
_KEPT = frozenset({"PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT"})


def load_saved_model(
    path: str | os.PathLike[str], signature: str | None = None, input_shape: InputShape | None = None
) -> Loaded:
    """Read one signature of a SavedModel folder: the one named, the default one, or its only one.

    TensorFlow runs what a SavedModel's initializers say, so it does that in a process of its own, on a copy, once the
    graph has been found to hold nothing that reaches outside (`saved_model_ops`, `confine`).

    Raises:
        MissingDependencyError: if TensorFlow is not installed.
        ModelFileError: if the folder holds no SavedModel, or one with several signatures and no default.
        UnsupportedLayerError: if the converter, or Octavo, has no form for an operator; if the SavedModel would do more
            than compute.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise _no_tensorflow()
    folder = Path(path)
    if not any((folder / f"saved_model.{ending}").is_file() for ending in ("pb", "pbtxt", "cpb")):
        raise ModelFileError(
            f"'{folder}' is a folder without a SavedModel.",
            got="no saved_model.pb in it",
            expected="a folder written by model.export('folder') or tf.saved_model.save",
            fix="give the folder that saved_model.pb lies in, or the path of a .keras file",
        )
    with tempfile.TemporaryDirectory() as place:
        copy, out = Path(place, "saved"), Path(place, "out")
        out.mkdir()
        _copy(folder, copy)
        return _as_batch(load_tflite(_converted(copy, out, folder.resolve().name, signature, input_shape)), input_shape)


def _as_batch(loaded: Loaded, input_shape: InputShape | None) -> Loaded:
    """What was converted for batch 1, for the batch that is asked for."""
    shapes = {name: (None, *loaded.graph.tensors[name].shape[1:]) for name in loaded.graph.inputs}
    return replace(loaded, graph=with_batch(loaded.graph, fixed_shapes(input_shape, shapes).batch))


def load_in_memory(model: Any, signature: str | None = None, input_shape: InputShape | None = None) -> Loaded:
    """Read what TensorFlow holds in memory: a concrete function, a tf.function with an input signature, a tf.Module.

    A module has one such method, or is a model of Keras 2. It is saved to a temporary folder, and read from there as
    any SavedModel is.

    Raises:
        UnsupportedLayerError: if TensorFlow cannot save it; for its operators as `load_saved_model`.
        ModelFileError, ConfigError: as `load_saved_model`.
    """
    tensorflow, name = _tensorflow(), str(getattr(model, "name", None) or type(model).__name__)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, name.replace("/", "_"))
        try:
            with warnings.catch_warnings(), native_stderr():
                warnings.simplefilter("ignore")
                _save(tensorflow, model, folder)
        except Exception as error:
            raise UnsupportedLayerError(
                f"'{name}' cannot be saved by TensorFlow.",
                got=f"{type(model).__name__}: {_first_line(error)}",
                expected="a concrete function, or a tf.Module with one tf.function that has an input signature",
                fix="give function.get_concrete_function(tf.TensorSpec((1, ...), tf.float32)), or a saved folder",
            ) from error
        return load_saved_model(folder, signature, input_shape)


def _save(tensorflow: Any, model: Any, folder: Path) -> None:
    """Save an object with a signature."""
    if isinstance(model, tensorflow.Module):
        tensorflow.saved_model.save(model, str(folder))
        return
    function = model if hasattr(model, "structured_input_signature") else model.get_concrete_function()
    holder = tensorflow.Module()
    # What is not reachable from the module is not saved.
    holder.held = (function, list(function.graph.variables))
    tensorflow.saved_model.save(holder, str(folder), signatures={SIGNATURE: function})


def _copy(folder: Path, copy: Path) -> None:
    """Copy regular files only, so that nothing in the copy points out of it."""
    left = limits().file_bytes
    for source in sorted(folder.rglob("*")):
        if source.is_dir() and not source.is_symlink():
            continue
        problem = "a symbolic link" if source.is_symlink() else unreadable(source)
        left -= 0 if problem else source.stat().st_size
        if problem or left < 0:
            raise ModelFileError(
                f"SavedModel '{folder.name}' holds what cannot be copied.",
                got=f"{problem or 'more than ' + raised('file_bytes') + ' allows'}, '{source.relative_to(folder)}'",
                expected="regular files, as tf.saved_model.save writes them",
                fix="export the model again into an empty folder",
            )
        target = copy / source.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _converted(copy: Path, out: Path, name: str, signature: str | None, input_shape: InputShape | None) -> bytes:
    """Run the converter in a child with an environment of its own; its death is an error here."""
    wanted = json.dumps(input_shape)
    command = [sys.executable, "-m", "octavo.load.convert_child", str(copy), str(out), name, signature or "", wanted]
    kept = {key: value for key, value in os.environ.items() if key in _KEPT or key.startswith(PREFIX)}
    environment = {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HOME": str(out), "TMPDIR": str(out)}
    with open(out / "log", "wb") as log:
        try:
            ended = subprocess.run(
                command, cwd=out, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                timeout=limits().convert_seconds, check=False,
            )  # fmt: skip
            problem = f"a process that ended with {ended.returncode}"
        except subprocess.TimeoutExpired:
            problem = f"no end after {limits().convert_seconds} seconds"
    if (out / "error.json").is_file():
        told = json.loads((out / "error.json").read_text())
        kinds = {kind.__name__: kind for kind in (ModelFileError, ConfigError)}
        kind = kinds.get(told.pop("kind"), UnsupportedLayerError)
        raise kind(told.pop("what"), **told)
    if not (out / "model.tflite").is_file():
        raise cannot_convert(name, RuntimeError(problem))
    return model_bytes(out / "model.tflite")


def load_subclassed(model: Any, input_shape: InputShape | None = None) -> Loaded:
    """Read a built keras.Model that has no graph of layers: one with a `call` of its own.

    It is traced once and exported to a temporary folder, which needs Keras's TensorFlow backend.

    Raises:
        MissingDependencyError: if TensorFlow is not installed.
        UnsupportedLayerError: if Keras cannot export the model, or the converter or Octavo has no form for an operator.
    """
    tensorflow = _tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with warnings.catch_warnings(), native_stderr():
                warnings.simplefilter("ignore")
                model.export(folder, format="tf_saved_model", verbose=False)
        except Exception as error:
            raise UnsupportedLayerError(
                f"model '{model.name}' cannot be exported by Keras.",
                got=_first_line(error),
                expected="a built model that model.export('folder') can trace",
                fix="call the model once on a batch of data before handing it over",
            ) from error
        content = convert(tensorflow, Path(folder), model.name, None, input_shape)
        return _as_batch(load_tflite(content), input_shape)


def convert(
    tensorflow: Any, folder: Path, name: str, signature: str | None = None, input_shape: InputShape | None = None
) -> bytes:
    """The float .tflite that TensorFlow's converter makes of a SavedModel's signature, for batch 1.

    Raises:
        ModelFileError: if no signature is chosen.
        UnsupportedLayerError: if TensorFlow cannot load or convert it.
    """
    try:
        # The converter prints what it does, and warns of its own deprecated parts; its errors come as exceptions.
        with warnings.catch_warnings(), native_stderr():
            warnings.simplefilter("ignore")
            model = tensorflow.saved_model.load(str(folder))
            function = _signature(model, name, signature)
            single = _with_batch_of_one(tensorflow, function, input_shape)
            return tensorflow.lite.TFLiteConverter.from_concrete_functions([single], model).convert()
    except OctavoError:
        raise
    except Exception as error:
        raise cannot_convert(name, error) from error


def cannot_convert(name: str, error: Exception) -> UnsupportedLayerError:
    """The error for a SavedModel that TensorFlow fails on."""
    return UnsupportedLayerError(
        f"TensorFlow cannot convert the SavedModel '{name}' to a .tflite.",
        got=_first_line(error),
        expected="a whole SavedModel of operators that TensorFlow Lite has, with fixed shapes but for the batch",
        fix="build the model of Keras layers and give the .keras file, which needs no conversion",
    )


def _signature(model: Any, name: str, wanted: str | None) -> Any:
    """The function behind the signature wanted, or behind a SavedModel's default or only one."""
    functions = dict(model.signatures)
    only = next(iter(functions.values())) if len(functions) == 1 else None
    chosen = functions.get(SIGNATURE, only) if wanted is None else functions.get(wanted)
    if chosen is None:
        raise ModelFileError(
            f"SavedModel '{name}' does not say which signature to read.",
            got=f"signatures {', '.join(map(repr, functions)) or 'none'}",
            expected=f"one signature, or one named '{wanted or SIGNATURE}'",
            fix=f"export it with tf.saved_model.save(model, folder, signatures={{'{SIGNATURE}': function}})",
        )
    return chosen


def _with_batch_of_one(tensorflow: Any, function: Any, input_shape: InputShape | None) -> Any:
    """The function traced for batch 1, so that no shape is left to be computed when the model runs."""
    known = function.structured_input_signature[1]
    if any(spec.shape.rank is None for spec in known.values()):
        fixed = {name: spec.shape for name, spec in known.items()}
    else:
        shapes = fixed_shapes(input_shape, {name: tuple(spec.shape) for name, spec in known.items()}).shapes
        fixed = {name: [own or 1 for own in known[name].shape[:1]] + list(shape[1:]) for name, shape in shapes.items()}
    specs = {name: tensorflow.TensorSpec(fixed[name], spec.dtype, name) for name, spec in known.items()}
    return tensorflow.function(lambda **inputs: function(**inputs)).get_concrete_function(**specs)


def _tensorflow() -> Any:
    try:
        with warnings.catch_warnings(), native_stderr():
            warnings.simplefilter("ignore")
            import tensorflow
    except ImportError as error:
        raise _no_tensorflow() from error
    return tensorflow


def _no_tensorflow() -> MissingDependencyError:
    return MissingDependencyError(
        "reading this model needs TensorFlow.",
        got="no package 'tensorflow'",
        expected="TensorFlow 2.16 or newer",
        fix="pip install 'octavo[tensorflow]', or save the model as a .keras file",
    )


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
