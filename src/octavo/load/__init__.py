"""From whatever the user has to a float graph."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from octavo.errors import ConfigError, InputError
from octavo.load.input_shape import InputShape
from octavo.load.loaded import Loaded
from octavo.load.paths import KERAS_ENDINGS, existing

__all__ = ["Loaded", "check_no_signature", "load", "not_a_model"]


def load(
    source: Any, *, allow: Sequence[str] = (), signature: str | None = None, input_shape: InputShape | None = None
) -> Loaded:
    """Read a model as a float graph.

    Args:
        source: keras.Model; path of a .keras, .h5, .hdf5 or .tflite file or of a SavedModel folder; the bytes of a
            .tflite file; a concrete function, tf.Module or Keras 2 model of TensorFlow.
        allow: Names of Lambda layers of a Keras file whose function, Keras's own or a registered one, may run once, on
            symbols. Code stored in a file never runs; the code of a model in memory, which is the caller's own, needs
            no leave.
        signature: Name of the signature to read, of a SavedModel or .tflite file that has several.
        input_shape: What the model leaves open of its inputs, see `octavo.load.input_shape`; a batch there is that of
            the graph, which else is 1, or what a .tflite file has fixed.

    Returns:
        The graph, and the remarks made on the way. `names` is filled for a keras.Model only.

    Raises:
        ConfigError: for the signature of a model that has none, or an input shape that does not fit.
        ModelFileError: for a file that is missing, truncated or not a model.
        UnsupportedLayerError: for a layer, an operator or a kind of model that cannot be read.
        InputError: for something that is no model at all.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        from octavo.load.tflite import load_tflite

        return load_tflite(bytes(source), signature, input_shape)
    if isinstance(source, (str, PathLike)):
        return _load_path(existing(Path(source)), allow, signature, input_shape)
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(source, keras.Model):
        check_no_signature(signature, f"a keras.Model, '{source.name}'")
        return _load_keras_model(source, allow, keras.backend.backend(), input_shape)
    if type(source).__module__.startswith("tensorflow.") or _is_module(source):
        from octavo.load.tensorflow import load_in_memory

        return load_in_memory(source, signature, input_shape)
    raise not_a_model(source)


def _is_module(source: Any) -> bool:
    """Whether an object is a tf.Module, without loading TensorFlow."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(source, tensorflow.Module)


def _load_keras_model(model: Any, allow: Sequence[str], backend: str, input_shape: InputShape | None) -> Loaded:
    from octavo.load.keras_graph import as_graph, load_keras, with_compute
    from octavo.load.keras_graph.functional import has_own_call
    from octavo.load.keras_graph.losses import applied_by_loss, training_of

    if has_own_call(model) and backend == "tensorflow":
        from octavo.load.tensorflow import load_subclassed

        return load_subclassed(model, input_shape)
    graph = as_graph(model)
    loaded = with_compute(load_keras(graph, allow=allow, input_shape=input_shape), graph)
    return replace(loaded, applied=applied_by_loss(graph, training_of(model)))


def _load_path(path: Path, allow: Sequence[str], signature: str | None, input_shape: InputShape | None) -> Loaded:
    if path.is_dir():
        from octavo.load.tensorflow import load_saved_model

        return load_saved_model(path, signature, input_shape)
    if path.suffix == ".tflite":
        from octavo.load.tflite import load_tflite

        return load_tflite(path, signature, input_shape)
    if path.suffix in KERAS_ENDINGS:
        from octavo.load.keras_files import read_keras, stored_training
        from octavo.load.keras_graph import load_keras, with_compute
        from octavo.load.keras_graph.losses import applied_by_loss

        model, notes = read_keras(path, allow)
        loaded = with_compute(load_keras(model, allow=allow, stored=True, input_shape=input_shape), model)
        applied = applied_by_loss(model, stored_training(path))
        return replace(loaded, notes=(*notes, *loaded.notes), names={}, applied=applied)
    raise InputError(
        f"'{path.name}' has an ending that says nothing of the model in it.",
        got=repr(path.suffix),
        expected=".keras, .h5, .hdf5 or .tflite, or a SavedModel folder",
        fix="save the model with model.save('model.keras') and give that file",
    )


def check_no_signature(signature: str | None, found: str) -> None:
    """Refuse the name of a signature for a model that has none.

    Raises:
        ConfigError: naming it.
    """
    if signature is not None:
        raise ConfigError(
            "a Keras model has no signatures.",
            got=f"signature={signature!r} for {found}",
            expected="a signature of a .tflite file or a SavedModel",
            fix="leave signature out",
        )


def not_a_model(source: Any) -> InputError:
    """The error for an object that is neither a model nor a place to find one."""
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    legacy = kind.startswith("tf_keras.")
    return InputError(
        "this is no Keras 3 model.",
        got=f"an object of {kind}",
        expected="keras.Model, the path of a model file or folder, or the bytes of a .tflite file",
        fix="save it with model.save('model.h5') and give that file"
        if legacy
        else "give a keras.Model, or the path of a file written by model.save('model.keras')",
    )
