"""Layers of a model that another layer looks at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Links:
    """Layers a layer looks at without owning them: a model saves them once, at their own place.

    Attributes:
        names: Of the layers.
        layers: The layers by name; empty until the layer is part of a model.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self.layers: dict[str, Any] = {}


def connect(layers: Iterable[Any]) -> None:
    """Let the `links` of each layer find what they name among these layers and the parts they are made of."""
    layers = tuple(layers)
    known = {part.name: part for layer in layers for part in parts_of(layer)}
    for layer in layers:
        links = getattr(layer, "links", None)
        if isinstance(links, Links):
            links.layers = {name: known[name] for name in links.names}


def parts_of(layer: Any) -> tuple[Any, ...]:
    """A layer, or what a layer of this package was put around: the user's layer, and fake quantizers."""
    own = getattr(layer, "operation", None) or getattr(layer, "layer", None)
    return (layer if own is None else own, *getattr(layer, "quantizers", ()))
