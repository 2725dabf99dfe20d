"""Results on a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.errors import OctavoError
from octavo.ir.notes import Note
from octavo.report.tables import TextTable

# Columns of what has no edge; any table and sentence is shorter.
UNBOUNDED = 100_000
# Spaces between two columns, and the part of the width that a single long word may ask for.
GAP, WORD_PART = 2, 4


def console(stderr: bool = False) -> Console:
    """A console as wide as its terminal; a file or pipe, which has no edge, takes lines of any length."""
    made = Console(stderr=stderr)
    if not made.is_terminal and not os.environ.get("COLUMNS"):
        made.width = UNBOUNDED
    return made


def print_table(console: Console, table: TextTable) -> None:
    """Print a table with its title; columns of numbers that the terminal has no room for are left out, and named."""
    shown, left_out = fitted(table, console.width)
    title = f"[bold]{escape(table.title)}[/]"
    grid = Table(title=title, title_justify="left", title_style="", box=None, header_style="dim", pad_edge=False)
    for index, name in enumerate(shown.header):
        numeric = index in shown.numeric
        grid.add_column(
            escape(name), justify="right" if numeric else "left", no_wrap=numeric or not index, overflow="fold"
        )
    for row in shown.rows:
        grid.add_row(*map(escape, row))
    console.print(grid)
    if left_out:
        console.print(f"[dim]No room for: {escape(', '.join(left_out))}; --json has all.[/]", highlight=False)
    if table.note:
        console.print(f"[dim]{escape(table.note)}[/]", highlight=False)
    console.print()


def fitted(table: TextTable, width: int) -> tuple[TextTable, tuple[str, ...]]:
    """A table whose numbers fit into a width without a break, and the names of the columns left out of it.

    Text can go on in the next line, words of it cannot: it is given room for its longest word, up to a part of the
    width. The last columns are left out first.
    """
    columns = tuple(zip(table.header, *table.rows, strict=True))
    kept = list(range(len(columns)))

    def needed(index: int) -> int:
        whole = index == 0 or index in table.numeric
        parts = (part for cell in columns[index] for part in ([cell] if whole else cell.split()))
        longest = max(map(len, parts), default=0)
        return longest if whole else min(longest, width // WORD_PART)

    while len(kept) > 2 and sum(map(needed, kept)) + GAP * (len(kept) - 1) > width:
        kept.pop()
    rows = tuple(tuple(row[index] for index in kept) for row in table.rows)
    numeric = frozenset(place for place, index in enumerate(kept) if index in table.numeric)
    left_out = tuple(name for index, name in enumerate(table.header) if index not in kept)
    return replace(table, header=tuple(table.header[index] for index in kept), rows=rows, numeric=numeric), left_out


def print_lines(console: Console, lines: Iterable[str]) -> None:
    """Print plain lines."""
    for line in lines:
        console.print(escape(line), highlight=False)


def print_notes(console: Console, notes: Iterable[Note]) -> None:
    """Print one line a note."""
    for note in notes:
        console.print(f"[dim]{escape(note.stage)}[/] '{escape(note.subject)}': {escape(note.text)}", highlight=False)


def print_error(console: Console, error: OctavoError) -> None:
    """Print an error's four parts, each wrapped under itself."""
    kind = type(error).__name__
    console.print(f"[bold red]{kind}:[/] {escape(error.what)}", highlight=False)
    grid = Table(box=None, show_header=False, pad_edge=True)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in (("got", error.got), ("expected", error.expected), ("fix", error.fix)):
        grid.add_row(f"{name}:", escape(text))
    console.print(grid, highlight=False)
