"""What the op table calls a Keras layer or operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Modules of the operation classes behind keras.ops and keras.activations.
OPERATIONS = ("keras.src.ops.", "keras.src.activations.")


# What a subclass may define anew and still compute what its base computes.
HARMLESS = frozenset({"__init__", "__repr__", "__str__", "__hash__", "__eq__", "get_config", "from_config", "summary"})


def form_name(operation: Any) -> str | None:
    """Name of a layer or operation in the op table; None where its class computes otherwise than one of Keras's own."""
    import keras

    kind: type = computing_class(type(operation))
    if getattr(keras.layers, kind.__name__, None) is kind:
        return f"layers.{kind.__name__}"
    return f"ops.{kind.__name__}" if kind.__module__.startswith(OPERATIONS) else None


def computing_class(kind: type) -> Any:
    """The class of `keras.layers` that a class computes as: itself, or a base that it changes in nothing that counts.

    Returns:
        `kind` itself where there is none.
    """
    import keras

    own: set[str] = set()
    for base in kind.__mro__:
        if getattr(keras.layers, base.__name__, None) is base:
            return base if not own & set(dir(base)) else kind
        if any(isinstance(value, property) for value in vars(base).values()):
            return kind
        own |= {name for name in vars(base) if name not in HARMLESS and not _is_made_by_python(name)}
    return kind


def _is_made_by_python(name: str) -> bool:
    """Whether a class has an attribute of this name whatever its body says."""
    return name.startswith("__") and name.endswith("__") and name not in ("__call__", "__getattribute__", "__getattr__")


def stored_form_name(layer: Mapping[str, Any]) -> str:
    """The same of a layer's or operation's configuration; that its class is Keras's own is not checked."""
    group = "ops" if str(layer.get("module")).startswith(OPERATIONS) else "layers"
    return f"{group}.{layer['class_name']}"
