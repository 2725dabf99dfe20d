"""What a search found, as tables of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from octavo.condition.trial import decibels_text
from octavo.report.tables import UNKNOWN, TextTable, number
from octavo.search.candidate import Point
from octavo.search.found import Search


def search_tables(found: Search) -> tuple[TextTable, ...]:
    """What each layer loses at each type, and every file that was made."""
    kinds = tuple(dict.fromkeys(row.type for row in found.table if row.type != "int8"))
    by_place = {(row.layer, row.type): row for row in found.table}

    def cells(layer: str, kind: str) -> tuple[str, str]:
        row = by_place.get((layer, kind))
        return (UNKNOWN, UNKNOWN) if row is None else (number(row.file_bytes), f"{1000 * row.noise:+.3f}")

    rows = tuple(
        (layer, number(by_place[layer, "int8"].file_bytes), *(cell for kind in kinds for cell in cells(layer, kind)))
        for layer in found.layers
    )
    header = ("layer", "int8 bytes", *(name for kind in kinds for name in (f"{kind} bytes", f"{kind} noise")))
    sensitivity = TextTable(
        "What each layer loses",
        header,
        rows,
        frozenset(range(1, len(header))),
        "noise: squared error of the outputs beyond that of int8 throughout, in thousandths of their square.",
    )
    return sensitivity, _files(found)


def _files(found: Search) -> TextTable:
    front, whole = found.front, found.points[0].cost.file_bytes if found.points else 0
    metrics = tuple(dict.fromkeys(point.score.metric for point in found.points if point.score is not None))

    def row(point: Point) -> tuple[str, ...]:
        cost = point.cost
        marks = "chosen" if point == found.chosen else "front" if point in front else ""
        million = None if cost.instructions is None else cost.instructions / 1e6
        options = "".join(f", {name} {value}" for name, value in point.candidate.options)
        return (
            number(cost.file_bytes),
            f"{cost.file_bytes / whole:.2f}",
            number(cost.ram_bytes),
            number(million, 2),
            number(cost.sqnr_db, 1),
            *(UNKNOWN if point.score is None else point.score.text for _ in metrics),
            marks,
            described(dict(point.candidate.types), found.layers) + options,
        )

    header = ("file bytes", "share", "RAM bytes", "M instr.", "SQNR dB", *metrics, "", "layers")
    return TextTable(
        "Files that were made",
        header,
        tuple(map(row, found.points)),
        frozenset(range(5 + len(metrics))),
        "SQNR: how far outputs, before a last softmax, stand above their difference from float, on samples held out; "
        "front: no other file is both smaller and better.",
    )


def described(types: Mapping[str, str], layers: Sequence[str]) -> str:
    """Types of layers in a few words, int8 unsaid.

    >>> described({"a": "int4", "b": "int4", "c": "int4"}, ["a", "b", "c", "d"])
    'int4 but d'
    """
    parts = []
    for kind in dict.fromkeys(types.values()):
        own = [layer for layer in layers if types.get(layer) == kind]
        others = [layer for layer in layers if layer not in own]
        if len(own) <= len(layers) // 2:
            parts.append(f"{kind} {', '.join(own)}")
        else:
            parts.append(f"{kind} but {', '.join(others)}" if others else f"{kind} throughout")
    return "; ".join(parts) or "int8 throughout"


def summary(found: Search, path: Path | None, model: str, data: str) -> Iterator[str]:
    """What was chosen, and how to make it again; or what would be needed."""
    if found.chosen is None:
        if not found.points:
            yield "No file could be made."
            return
        smallest = min(found.points, key=lambda point: point.cost.flash_bytes).cost
        yield (
            f"None fits: the smallest takes {number(smallest.flash_bytes)} bytes of flash and "
            f"{number(smallest.ram_bytes)} of RAM."
        )
        return
    cost = found.chosen.cost
    yield f"Chosen: {path}, {number(cost.file_bytes)} bytes, SQNR {decibels_text(cost.sqnr_db)} on samples held out."
    if found.scores is not None:
        own, of_float = found.scores
        yield f"By labels: {own.metric} {own.text}, of the float model {of_float.text}."
    yield f"To make it again: {found.command(found.chosen.candidate, model, data)}"
