"""Sequences as images: 1-D layers run on 2-D operators, [n, length, channels] as [n, 1, length, channels]."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.ops.shape import emit_reshape
from octavo.ops.spec import Emitter


def is_sequence(b: Emitter, name: str) -> bool:
    """Whether a tensor is [n, length, channels]."""
    return len(b.shape(name)) == 3


def to_images(b: Emitter, name: str) -> str:
    """A sequence as images of height 1; images as they are."""
    if not is_sequence(b, name):
        return name
    batch, length, channels = b.shape(name)
    return emit_reshape(b, name, (batch, 1, length, channels), suffix="images")


def to_sequence(b: Emitter, name: str) -> str:
    """Images of height 1 as a sequence, the result of the layer."""
    batch, _, length, channels = b.shape(name)
    return emit_reshape(b, name, (batch, length, channels), suffix="")


def pair(sizes: Sequence[int]) -> tuple[int, int]:
    """(height, width) of a setting of a 1-D layer, one number, or of a 2-D layer, two."""
    height, width = (1, *sizes)[-2:]
    return height, width
