"""The page the demo leaves behind, and what it prints."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from octavo.board.boards import USUAL, board_named
from octavo.comparison.on_board import where_it_runs
from octavo.demo.toured import PAGE, Toured
from octavo.report.mapping import in_words
from octavo.report.tables import as_markdown, number
from octavo.report.terminal import print_lines, print_table


def overview_page(toured: Toured) -> str:
    """The folder's overview.md."""
    sections = [
        ["# What eight bits cost", opening(toured)],
        [
            f"## What int8 does to '{toured.mapping.layer}'",
            "![the layer's range and its integers](mapping.png)",
            in_words(toured.mapping),
        ],
        *([f"## {table.title}", "\n".join(as_markdown(table))] for table in toured.comparison.tables),
        [f"The files lie beside this page, one a scheme: `{toured.file_name('int8')}` and its like."],
        ["## Which one to use", recommendation(toured)],
        ["## On a board", on_a_board(toured), as_c(toured)],
        ["## What next", "\n".join(("```", *next_steps(toured), "```"))],
    ]
    return "\n\n".join(paragraph for section in sections for paragraph in section) + "\n"


def print_overview(console: Console, toured: Toured) -> None:
    """The same on a terminal, shorter."""
    print_lines(
        console, [opening(toured), "", in_words(toured.mapping), f"The picture: {toured.out / 'mapping.png'}", ""]
    )
    for table in toured.comparison.tables:
        print_table(console, table)
    console.print(f"[bold green]Recommended:[/] {escape(recommendation(toured))}", highlight=False)
    print_lines(console, [on_a_board(toured), as_c(toured, f"{toured.out}/")])
    print_lines(console, ["", f"Open {toured.out / PAGE}. Beside it: overview.md and the files it names. Try next:"])
    for step in next_steps(toured, program_name(), f"{toured.out}/"):
        console.print(f"  {escape(step)}", highlight=False, soft_wrap=True)


def opening(toured: Toured) -> str:
    """What was trained on what."""
    data = toured.data
    return (
        f"A network of {number(toured.model.count_params())} parameters, trained on {number(len(data.x_train))} images "
        f"of {data.name}; everything below is measured on {number(len(data.x_test))} others."
    )


def recommendation(toured: Toured) -> str:
    """Which scheme to use, and why."""
    return toured.comparison.best().reason


def on_a_board(toured: Toured) -> str:
    """Whether there is a scheme for the board that people begin with, and what it takes there."""
    best = toured.comparison.best(board=USUAL)
    return best.reason if best.row is None else f"{where_it_runs(best.row, board_named(USUAL))}."


def as_c(toured: Toured, folder: str = "") -> str:
    """Where the int8 network is as C."""
    name = toured.data.name
    return f"As C that needs no library: {folder}c/{name}.h and {name}.c, with a self-test."


def next_steps(toured: Toured, program: str = "octavo", folder: str = "") -> Iterable[str]:
    """Commands that go on from here."""
    name = toured.data.name
    return (
        f"{program} inspect {folder}{name}_int8.tflite",
        f"{program} quantize {folder}{name}.keras --scheme int16x8 --data {folder}samples.npz",
        f"{program} fit {folder}{name}_int8.tflite --board {USUAL}",
        f"{program} verify {folder}{name}_int8.tflite",
        f"{program} compare {folder}{name}.keras --data {folder}samples.npz --test {folder}test.npz",
    )


def program_name() -> str:
    """How the user can call this program again: by its name if the shell finds it, else as it was called now."""
    if shutil.which("octavo"):
        return "octavo"
    if Path(sys.argv[0]).name != "__main__.py":
        return os.path.relpath(sys.argv[0])
    python = Path(sys.executable)
    found = shutil.which(python.name)
    return f"{python.name if found and Path(found) == python else os.path.relpath(python)} -m octavo"
