"""Layers of a model that another layer looks at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras


class Neighbours:
    """Layers a layer looks at without owning them: a model saves them once, at their own place.

    Attributes:
        names: Of the layers.
        layers: The layers by name; empty until the layer is part of a model.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self.layers: dict[str, Any] = {}


class Around(keras.layers.Layer):
    """A layer of this package that was put around one of the user's.

    Attributes:
        neighbours: Layers it looks at.
        quantizers: Fake quantizers of tensors inside it.
    """

    neighbours: Neighbours = Neighbours(())
    quantizers: Sequence[Any] = ()

    @property
    def around(self) -> Any:
        """The user's layer or operation."""
        raise NotImplementedError


def connect(layers: Iterable[Any]) -> None:
    """Let the `neighbours` of each layer find what they name among these layers and the parts they are made of."""
    layers = tuple(layers)
    known = {part.name: part for layer in layers for part in parts_of(layer)}
    for layer in layers:
        if isinstance(layer, Around):
            layer.neighbours.layers = {name: known[name] for name in layer.neighbours.names}


def parts_of(layer: Any) -> tuple[Any, ...]:
    """A layer; or, of a layer of this package, the user's layer that it was put around, then its fake quantizers."""
    return (layer.around, *layer.quantizers) if isinstance(layer, Around) else (layer,)
