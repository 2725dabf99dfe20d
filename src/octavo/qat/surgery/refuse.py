"""What is said of layers that cannot train."""

from __future__ import annotations

from octavo.errors import UnsupportedLayerError


def cannot_train(layer: str, found: str) -> UnsupportedLayerError:
    """The refusal of a layer inside which training would not round as deployment does."""
    return UnsupportedLayerError(
        f"layer '{layer}' cannot train with the rounding inside it.",
        got=found,
        expected="operators with a form in training, on the layer's own variables",
        fix=f"keep it in float with skip=['{layer}']",
    )
