"""Choices of types that differ from another in one layer or two: what single layers do not tell of their sum."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from octavo.search.knapsack import Option


def neighbours(
    layers: Mapping[str, Sequence[Option]], types: Mapping[str, str], most_bytes: float
) -> list[dict[str, str]]:
    """The choices within a number of bytes that one layer's change makes, or a swap of two; least summed noise first.

    A swap makes one layer smaller and another larger.

    Args:
        layers: Options of each.
        types: A choice, the name of an option for each layer.
        most_bytes: Of all layers together.
    """
    by_name = {(layer, option.name): option for layer, each in layers.items() for option in each}

    def total(choice: Mapping[str, str], attribute: str) -> float:
        return sum(getattr(by_name[each], attribute) for each in choice.items())

    found = [{**types, **change} for change in _changes(layers, types, by_name)]
    kept = [choice for choice in found if total(choice, "file_bytes") <= most_bytes]
    return sorted(kept, key=lambda choice: (total(choice, "noise"), sorted(choice.items())))


def _changes(
    layers: Mapping[str, Sequence[Option]], types: Mapping[str, str], by_name: Mapping[tuple[str, str], Option]
) -> Iterator[dict[str, str]]:
    """Other names by layer."""
    larger: list[tuple[str, str]] = []
    smaller: list[tuple[str, str]] = []
    for layer, options in layers.items():
        now = by_name[layer, types[layer]]
        for option in options:
            if option.name != now.name:
                yield {layer: option.name}
                (larger if option.file_bytes > now.file_bytes else smaller).append((layer, option.name))
    for one, other in itertools.product(larger, smaller):
        if one[0] != other[0]:
            yield dict((one, other))
