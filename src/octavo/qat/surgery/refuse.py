"""What is said of layers that cannot train."""

from __future__ import annotations

from typing import Any

from octavo.errors import UnsupportedLayerError


def cannot_train(layer: str, found: str) -> UnsupportedLayerError:
    """The refusal of a layer inside which training would not round as deployment does."""
    return UnsupportedLayerError(
        f"layer '{layer}' cannot train with the rounding inside it.",
        got=found,
        expected="operators with a form in training, on the layer's own variables",
        fix=f"keep it in float with skip=['{layer}']",
    )


def mixes_samples(layer: str, operation: Any) -> UnsupportedLayerError:
    """The refusal of a call that makes one thing of the samples of a batch."""
    return UnsupportedLayerError(
        f"layer '{layer}' ({type(operation).__name__}) mixes the samples of a batch; its file is given one at a time.",
        got="a call along the batch, or of all values at once",
        expected="calls on each sample alone, so that training computes what the file does",
        fix="name axes from 1 on, as in axis=-1, and let shapes begin with the batch; or train with batches of one, on "
        "keras.Input(..., batch_size=1)",
    )
