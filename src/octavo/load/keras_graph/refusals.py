"""Errors for layers and operations that cannot be read."""

from __future__ import annotations

import inspect
from typing import Any

from octavo.config import nearest
from octavo.errors import UnsupportedLayerError
from octavo.ops.table import KERAS_FORMS


def no_form(path: str, name: str, got: str) -> UnsupportedLayerError:
    """The error for a layer or operation of Keras's own that cannot be read.

    Args:
        path: The layer as the user named it.
        name: Its name in the table, e.g. "layers.LSTM".
        got: What is known of it.
    """
    group, _, class_name = name.partition(".")
    known = sorted(form.partition(".")[2] for form in KERAS_FORMS if form.startswith(group))
    return UnsupportedLayerError(
        f"layer '{path}' ({class_name}) has no TensorFlow Lite form.",
        got=got,
        expected=f"one of keras.{group}: {nearest(class_name, known)}; `octavo ops` shows all",
        fix="replace it by layers of this list or by keras.ops calls, or run it outside the model",
    )


def stored_lambda(path: str) -> UnsupportedLayerError:
    """The error for a Lambda layer of a file whose function nobody has allowed to run."""
    return UnsupportedLayerError(
        f"layer '{path}' (Lambda) would run a function that a file names.",
        got="a Lambda layer read from a file",
        expected="layers, keras.ops calls and registered classes",
        fix=f"replace the Lambda by keras.ops calls, or let it be run once on symbols with allow=('{path}',)",
    )


def cannot_trace(path: str, operation: Any, reason: str) -> UnsupportedLayerError:
    """The error for Python code that ran on symbols and made no graph of it.

    Args:
        path: The layer as the user named it.
        operation: The layer, or the function that is its activation.
        reason: What stopped the code.
    """
    kind = operation if inspect.isroutine(operation) else type(operation)
    name = getattr(kind, "__name__", "its code")
    if isinstance(kind, type) and kind.__module__.startswith("keras.src.layers.") and name != "Lambda":
        return UnsupportedLayerError(
            f"layer '{path}' ({name}) has code that runs on data alone, and no TensorFlow Lite form.",
            got=reason,
            expected="layers that `octavo ops` lists, or whose code calls keras.ops alone",
            fix=f"call the {name} on the data, before the model, and begin the model with what it makes, as with "
            "keras.Input(shape=..., dtype='int32') for indices",
        )
    register = "" if inspect.isroutine(operation) else f"; or register its operators with @octavo.lowering({name})"
    return UnsupportedLayerError(
        f"layer '{path}' ({name}) makes no graph of keras.ops calls where its code runs on symbols.",
        got=reason,
        expected="code that calls only keras.ops and layers on its inputs",
        fix="write the code with keras.ops, without NumPy, a backend's functions or loops over tensors" + register,
    )


def unreadable(path: str, name: str, error: Exception) -> UnsupportedLayerError:
    """The error for a call whose form met arguments that it does not know.

    Args:
        path: The layer as the user named it.
        name: Of the form.
        error: What the form raised.
    """
    return UnsupportedLayerError(
        f"layer '{path}' calls keras.{name} in a way that cannot be read.",
        got=f"{type(error).__name__}: {error}",
        expected="tensors and arguments that TensorFlow Lite has operators for",
        fix=f"call keras.{name} with tensors of fixed shape and plain numbers, or use other layers in its place",
    )


def no_result(path: str) -> UnsupportedLayerError:
    """The error for a layer with a result that is a number, whatever its input."""
    return UnsupportedLayerError(
        f"an output of layer '{path}' depends on no input.",
        got="a constant",
        expected="outputs computed from the model's inputs",
        fix="leave the output away, and put the constant where the output is used",
    )


def activation_not_built(path: str, activation: Any) -> UnsupportedLayerError:
    """The error for an activation that is a layer whose variables Keras has not made yet."""
    kind = type(activation).__name__
    return UnsupportedLayerError(
        f"layer '{path}' has an activation layer that Keras has not built.",
        got=f"{kind} without variables",
        expected="an activation that has run",
        fix=f"call the model once on samples, or put the {kind} behind the layer as one of its own",
    )


def already_quantized(path: str, kind: type, mode: str) -> UnsupportedLayerError:
    """The error for a layer that Keras itself has quantized."""
    return UnsupportedLayerError(
        f"layer '{path}' ({kind.__name__}) was quantized by Keras already.",
        got=f"quantization mode '{mode}'",
        expected="float weights",
        fix="load the model as it was before model.quantize(...)",
    )
