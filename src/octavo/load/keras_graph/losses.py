"""What the loss that a model was compiled with makes of its outputs before it judges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Losses that take logits if they are told so, and the operator that then stands between an output and the loss.
_APPLIED = {
    "BinaryCrossentropy": "LOGISTIC",
    "BinaryFocalCrossentropy": "LOGISTIC",
    "CategoricalCrossentropy": "SOFTMAX",
    "CategoricalFocalCrossentropy": "SOFTMAX",
    "SparseCategoricalCrossentropy": "SOFTMAX",
}


def training_of(model: Any) -> Any:
    """How a keras.Model was compiled, as plain values; None if it was not, or with what has no such form."""
    if not getattr(model, "compiled", False):
        return None
    try:
        return model.get_compile_config()
    except Exception:  # a loss, metric or optimizer of the caller's own, which may not have been made to be stored
        return None


def applied_by_loss(model: Any, training: Any) -> tuple[str, ...]:
    """The operator that a loss applies to each output, "" where none is known.

    Args:
        model: keras.Model, Sequential or Functional.
        training: Of `training_of`, or what a file holds of it: its "loss" is one for all outputs, a list in their
            order, or a dict by name, each a name or a Keras loss as plain values.
    """
    names = getattr(model, "output_names", None) or [""] * len(model.outputs)
    losses = training.get("loss") if isinstance(training, Mapping) else None
    if isinstance(losses, Mapping) and "class_name" not in losses:
        return tuple(_applied(losses.get(name)) for name in names)
    if isinstance(losses, list) and len(losses) == len(names):
        return tuple(map(_applied, losses))
    return (_applied(losses),) * len(names)


def _applied(loss: Any) -> str:
    config = loss.get("config") if isinstance(loss, Mapping) else None
    takes_logits = isinstance(config, Mapping) and config.get("from_logits") is True
    name = loss.get("class_name") if takes_logits else None
    return _APPLIED.get(name, "") if isinstance(name, str) else ""
