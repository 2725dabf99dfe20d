"""What the op table calls a Keras layer or operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Modules of the operation classes behind keras.ops and keras.activations.
OPERATIONS = ("keras.src.ops.", "keras.src.activations.")


def form_name(operation: Any) -> str | None:
    """Name of a layer or operation in the op table; None where its class is not exactly one of Keras's own."""
    import keras

    kind = type(operation)
    if getattr(keras.layers, kind.__name__, None) is kind:
        return f"layers.{kind.__name__}"
    return f"ops.{kind.__name__}" if kind.__module__.startswith(OPERATIONS) else None


def stored_form_name(layer: Mapping[str, Any]) -> str:
    """The same of a layer's or operation's configuration; that its class is Keras's own is not checked."""
    group = "ops" if str(layer.get("module")).startswith(OPERATIONS) else "layers"
    return f"{group}.{layer['class_name']}"
