"""The boards that are known, as a table and as values."""

from __future__ import annotations

from dataclasses import asdict

from octavo.board.boards import boards
from octavo.report.tables import TextTable, number


def boards_table() -> TextTable:
    """One row a board."""
    rows = tuple(
        (
            board.name,
            board.title,
            board.chip,
            board.processor.name,
            f"{board.mhz:g}",
            number((board.flash_bytes or 0) // 1024),
            number((board.ram_bytes or 0) // 1024),
            ", ".join(board.processor.features),
        )
        for board in boards().values()
    )
    return TextTable(
        "Boards", ("name", "board", "chip", "core", "MHz", "flash KB", "RAM KB", "has"), rows, frozenset({4, 5, 6})
    )


def boards_values() -> list[dict[str, object]]:
    """For JSON, with the sources of their figures."""
    return [asdict(board) for board in boards().values()]
