"""What only TensorFlow can read: SavedModel folders, and Keras models whose `call` is Python code.

TensorFlow's own converter makes a float .tflite of them, in memory, which is then read like any other.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from octavo.errors import MissingDependencyError, ModelFileError, OctavoError, UnsupportedLayerError
from octavo.load.loaded import Loaded
from octavo.load.tflite import load_tflite
from octavo.run.quiet import native_stderr

SIGNATURE = "serving_default"


def load_saved_model(path: str | os.PathLike[str], signature: str | None = None) -> Loaded:
    """Read the default signature of a SavedModel folder, or its only one.

    Raises:
        MissingDependencyError: if TensorFlow is not installed.
        ModelFileError: if the folder holds no SavedModel, or one with several signatures and no default.
        UnsupportedLayerError: if the converter, or Octavo, has no form for an operator.
    """
    tensorflow = _tensorflow()
    folder = Path(path)
    if not tensorflow.saved_model.contains_saved_model(str(folder)):
        raise ModelFileError(
            f"'{folder}' is a folder without a SavedModel.",
            got="no saved_model.pb in it",
            expected="a folder written by model.export('folder') or tf.saved_model.save",
            fix="give the folder that saved_model.pb lies in, or the path of a .keras file",
        )
    return load_tflite(_convert(tensorflow, folder))


def load_subclassed(model: Any) -> Loaded:
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
        return load_tflite(_convert(tensorflow, Path(folder)))


def _convert(tensorflow: Any, folder: Path) -> bytes:
    """The float .tflite that TensorFlow's converter makes of a SavedModel's signature, for batch 1."""
    try:
        # The converter prints what it does, and warns of its own deprecated parts; its errors come as exceptions.
        with warnings.catch_warnings(), native_stderr():
            warnings.simplefilter("ignore")
            model = tensorflow.saved_model.load(str(folder))
            function = _signature(model, folder)
            _check_made_by_tensorflow(function, folder)
            single = _with_batch_of_one(tensorflow, function)
            return tensorflow.lite.TFLiteConverter.from_concrete_functions([single], model).convert()
    except OctavoError:
        raise
    except Exception as error:
        raise UnsupportedLayerError(
            f"TensorFlow cannot convert the SavedModel '{folder.name}' to a .tflite.",
            got=_first_line(error),
            expected="a whole SavedModel of operators that TensorFlow Lite has, with fixed shapes but for the batch",
            fix="build the model of Keras layers and give the .keras file, which needs no conversion",
        ) from error


def _signature(model: Any, folder: Path) -> Any:
    """The function behind a SavedModel's default or only signature."""
    functions = dict(model.signatures)
    chosen = functions.get(SIGNATURE, next(iter(functions.values())) if len(functions) == 1 else None)
    if chosen is None:
        raise ModelFileError(
            f"SavedModel '{folder.name}' does not say which signature to read.",
            got=f"signatures {', '.join(map(repr, functions)) or 'none'}",
            expected=f"one signature, or one named '{SIGNATURE}'",
            fix=f"export it with tf.saved_model.save(model, folder, signatures={{'{SIGNATURE}': function}})",
        )
    return chosen


def _check_made_by_tensorflow(function: Any, folder: Path) -> None:
    """Refuse a program of JAX inside a SavedModel: what the converter makes of one cannot be quantized well."""
    if b"XlaCallModule" in function.graph.as_graph_def().SerializeToString():
        raise UnsupportedLayerError(
            f"SavedModel '{folder.name}' holds a program of JAX instead of TensorFlow operators.",
            got="an XlaCallModule, as Keras exports it on the JAX backend",
            expected="a SavedModel exported on Keras's TensorFlow backend",
            fix="export it again with KERAS_BACKEND=tensorflow, or give the .keras file",
        )


def _with_batch_of_one(tensorflow: Any, function: Any) -> Any:
    """The function traced for batch 1, so that no shape is left to be computed when the model runs."""
    specs = {
        name: tensorflow.TensorSpec([size or 1 for size in spec.shape[:1]] + list(spec.shape[1:]), spec.dtype, name)
        for name, spec in function.structured_input_signature[1].items()
    }
    return tensorflow.function(lambda **inputs: function(**inputs)).get_concrete_function(**specs)


def _tensorflow() -> Any:
    try:
        with warnings.catch_warnings(), native_stderr():
            warnings.simplefilter("ignore")
            import tensorflow
    except ImportError as error:
        raise MissingDependencyError(
            "reading this model needs TensorFlow.",
            got="no package 'tensorflow'",
            expected="TensorFlow 2.16 or newer",
            fix="pip install 'octavo[tensorflow]', or save the model as a .keras file",
        ) from error
    return tensorflow


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
