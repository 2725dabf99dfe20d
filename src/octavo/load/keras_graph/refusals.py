"""Errors for layers and operations that cannot be read."""

from __future__ import annotations

from typing import Any

from octavo.errors import UnsupportedLayerError
from octavo.ops.table import KERAS_FORMS


def no_form(path: str, name: str, got: str) -> UnsupportedLayerError:
    """The error for a layer or operation of Keras's own that the op table has no form for.

    Args:
        path: The layer as the user named it.
        name: Its name in the table, e.g. "layers.LSTM".
        got: What is known of it.
    """
    group, _, class_name = name.partition(".")
    known = sorted(form.partition(".")[2] for form in KERAS_FORMS if form.startswith(group))
    fix = "replace it by layers of this list or by keras.ops calls, or run it outside the model"
    if class_name == "Lambda":
        fix = f"replace the Lambda by keras.ops calls, or let it be run once on symbols with allow=('{path}',)"
    return UnsupportedLayerError(
        f"layer '{path}' ({class_name}) has no TensorFlow Lite form.",
        got=got,
        expected=f"one of keras.{group}: " + ", ".join(known),
        fix=fix,
    )


def own_class(path: str, kind: type) -> UnsupportedLayerError:
    """The error for a layer whose class is not Keras's own: a subclass may compute anything."""
    base = next(base for base in kind.__mro__ if base.__module__.startswith("keras.src."))
    return UnsupportedLayerError(
        f"layer '{path}' is of a class of its own, and a subclass may compute anything.",
        got=f"{kind.__module__}.{kind.__qualname__}, a subclass of keras.layers.{base.__name__}",
        expected="exactly a class of keras.layers, not a subclass of one",
        fix=f"use a layer of keras.layers, or let its call() be run once on symbols with allow=('{path}',)",
    )


def cannot_trace(path: str, reason: str) -> UnsupportedLayerError:
    """The error for code that was allowed to run on symbols and made no graph of it."""
    return UnsupportedLayerError(
        f"layer '{path}' was allowed to run on symbols, and its code makes no graph of keras.ops calls.",
        got=reason,
        expected="code that calls only keras.ops on its inputs, and no layers of its own",
        fix="write the code with keras.ops, without NumPy or a backend's functions, and move layers out into the model",
    )


def unknown_activation(path: str, function: Any) -> UnsupportedLayerError:
    """The error for an activation function that is not Keras's own."""
    known = sorted(form.partition(".")[2] for form in KERAS_FORMS if form.startswith("activations."))
    return UnsupportedLayerError(
        f"layer '{path}' has an activation that is not one of Keras's own.",
        got=f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}",
        expected="one of keras.activations: " + ", ".join(known),
        fix=f"use one of these or an activation layer, or let it be run once on symbols with allow=('{path}',)",
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


def needs_mask(path: str, kind: type) -> UnsupportedLayerError:
    """The error for a call that is given a mask."""
    return UnsupportedLayerError(
        f"layer '{path}' ({kind.__name__}) is called with a mask.",
        got="a mask argument",
        expected="sequences of one fixed length, without masks",
        fix="pad the sequences and train without Masking layers, mask_zero and mask arguments",
    )


def already_quantized(path: str, kind: type, mode: str) -> UnsupportedLayerError:
    """The error for a layer that Keras itself has quantized."""
    return UnsupportedLayerError(
        f"layer '{path}' ({kind.__name__}) was quantized by Keras already.",
        got=f"quantization mode '{mode}'",
        expected="float weights",
        fix="load the model as it was before model.quantize(...)",
    )
