"""Rows of a comparison on a board: what each takes of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from octavo.board.boards import Board
from octavo.comparison.rows import Row
from octavo.footprint.measure import footprint
from octavo.footprint.parts import Footprint, Way
from octavo.ir.types import Graph


def on_board(row: Row, board: Board) -> Footprint:
    """What a row takes of a board."""
    return _footprint(row.quantized.model, row.quantized.graph, board)


def best_way(found: Footprint) -> Way | None:
    """Of the ways that fit, the one with the least RAM."""
    fitting = (way for way in found.ways if way.fits(found.board))
    return min(fitting, key=lambda way: (way.ram_bytes, way.flash_bytes), default=None)


def where_it_runs(row: Row, board: Board) -> str:
    """How a row that fits is run there, and what it takes, as a clause."""
    way = best_way(on_board(row, board))
    assert way is not None
    time = f", about {way.milliseconds:.3g} ms an inference, within {way.error:.0%}" if way.instructions else ""
    return (
        f"{row.name} fits {board.title} as {way.name} (flash {way.flash_bytes / 1024:.1f} KB, "
        f"RAM {way.ram_bytes / 1024:.1f} KB{time})"
    )


def why_none_fits(rows: Sequence[Row], board: Board) -> str:
    """What the row that comes closest is short of, and what would help."""
    found = [on_board(row, board) for row in rows]
    ways = [(sum(way.over(board).values()), way, each) for each in found for way in each.ways if not way.obstacle]
    if not ways:
        return f"Nothing runs on {board.title}."
    _, way, closest = min(ways, key=lambda each: each[0])
    over = " and ".join(f"{size / 1024:.1f} KB of {kind}" for kind, size in way.over(board).items())
    helps = " ".join(mend.what for mend in closest.mends[:2])
    return f"Nothing fits {board.title}: the closest, {way.name}, takes {over} too many. {helps}".rstrip()


@lru_cache(maxsize=64)
def _footprint(model: bytes, graph: Graph, board: Board) -> Footprint:
    return footprint(model, graph, board)
