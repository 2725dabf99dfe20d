"""What a search found, as tables of text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from octavo.report.tables import UNKNOWN, TextTable, number
from octavo.search.search import Point, Search


def search_tables(found: Search) -> tuple[TextTable, ...]:
    """What each layer loses at each type, and every file that was made."""
    kinds = tuple(dict.fromkeys(row.type for row in found.table if row.type != "int8"))
    by_place = {(row.layer, row.type): row for row in found.table}
    layers = tuple(dict.fromkeys(row.layer for row in found.table))

    def cells(layer: str, kind: str) -> tuple[str, str]:
        row = by_place.get((layer, kind))
        return (UNKNOWN, UNKNOWN) if row is None else (number(row.file_bytes), f"{1000 * row.noise:+.3f}")

    rows = tuple(
        (layer, number(by_place[layer, "int8"].file_bytes), *(cell for kind in kinds for cell in cells(layer, kind)))
        for layer in layers
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
    front = found.front

    def row(point: Point) -> tuple[str, ...]:
        others = ", ".join(f"{layer}={kind}" for layer, kind in point.types.items()) or "int8 throughout"
        marks = "chosen" if point is found.chosen else "" if point in front else "beaten"
        used = point.memory
        return number(used.file_bytes), number(used.arena_bytes), number(point.sqnr_db, 1), marks, others

    rows = tuple(row(point) for point in found.points)
    header = ("file bytes", "arena bytes", "SQNR dB", "", "layers")
    return TextTable("Files that were made", header, rows, frozenset({0, 1, 2}))


def summary(found: Search, path: Path | None, model: str, data: str) -> Iterator[str]:
    """What was chosen, and how to make it again; or what would be needed."""
    if found.chosen is None:
        smallest = min(found.points, key=lambda point: point.memory.file_bytes).memory
        yield (
            f"None fits: the smallest file takes {number(smallest.file_bytes)} bytes and an arena of "
            f"{number(smallest.arena_bytes)}."
        )
        return
    yield f"Chosen: {path}, {number(found.chosen.memory.file_bytes)} bytes, SQNR {found.chosen.sqnr_db:.1f} dB."
    yield f"To make it again: {found.command(found.chosen, model, data)}"
