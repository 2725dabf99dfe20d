"""Results on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.errors import OctavoError
from octavo.ir.notes import Note
from octavo.report.tables import TextTable


def print_table(console: Console, table: TextTable) -> None:
    """Print a table with its title."""
    title = f"[bold]{escape(table.title)}[/]"
    grid = Table(title=title, title_justify="left", title_style="", box=None, header_style="dim", pad_edge=False)
    for index, name in enumerate(table.header):
        numeric = index in table.numeric
        grid.add_column(escape(name), justify="right" if numeric else "left", no_wrap=index == 0, overflow="fold")
    for row in table.rows:
        grid.add_row(*map(escape, row))
    console.print(grid)
    if table.note:
        console.print(f"[dim]{escape(table.note)}[/]", highlight=False)
    console.print()


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
