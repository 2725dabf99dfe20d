"""`octavo fit`: does a model fit a board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from octavo.cli.exit_codes import CHECK_SAID_NO, DONE
from octavo.cli.options import Allow, DataPath, Force, Json
from octavo.cli.output import check_free, print_json, start_keras_for
from octavo.config import SCHEMES


def fit(
    model: Annotated[
        Path | None,
        typer.Argument(help="A .tflite file, or a float model, of which every scheme is a row.", show_default=False),
    ] = None,
    board: Annotated[str | None, typer.Option(help="A name of --boards; nano33ble if no budget is given.")] = None,
    flash: Annotated[str | None, typer.Option(help="Room for the program, like 1MB; instead of the board's.")] = None,
    ram: Annotated[str | None, typer.Option(help="Room for the memory, like 256KB; instead of the board's.")] = None,
    schemes: Annotated[str, typer.Option(help="Of a float model, separated by commas; all if not given.")] = "",
    data: DataPath = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the arena over time into this .png file.")] = None,
    every_board: Annotated[bool, typer.Option("--boards", help="List the boards.")] = False,
    allow: Allow = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Tell whether a model fits a board, how fast it is there, what sets the peak, and what would help.

    Exits 1 if it does not fit.
    """
    from octavo.board.boards import board_of
    from octavo.comparison.fit import fit as run
    from octavo.errors import ConfigError
    from octavo.files import write_whole
    from octavo.report.arena import arena_lines, arena_picture
    from octavo.report.boards import boards_table, boards_values
    from octavo.report.footprint import footprint_lines, operators_table, parts_table, targets_table, ways_table
    from octavo.report.progress import progress_bar
    from octavo.report.terminal import print_lines, print_table

    if every_board:
        print_json(boards_values()) if as_json else print_table(Console(), boards_table())
        return
    if model is None:
        raise ConfigError(
            "there is no model to fit.",
            got="no path",
            expected="a .tflite file or a float model, or --boards",
            fix="name a model: octavo fit model.tflite --board nano33ble",
        )
    board_of(board, flash, ram)
    if picture is not None:
        check_free("--picture", picture, force)
    start_keras_for(model)
    names = [name.strip() for name in schemes.split(",")] if schemes else list(SCHEMES)
    with progress_bar() as progress:
        found = run(
            str(model), board, flash=flash, ram=ram, schemes=names, data=None if data is None else str(data),
            allow=tuple(allow or ()), progress=progress,
        )  # fmt: skip
    planned = next((row for row in found.rows if row.plan is not None), None)
    if picture is not None and planned is not None and planned.plan is not None:
        write_whole(picture, arena_picture(planned.plan, f"Arena of '{planned.name}' as generated C"))
    if as_json:
        print_json(found.to_dict())
    else:
        console = Console()
        print_table(console, ways_table(found.board, found.rows))
        print_lines(console, [f"{name}: {what}" for name, what in found.failures])
        if len(found.rows) == 1:
            (row,) = found.rows
            for table in (parts_table(row), operators_table(row), targets_table(row)):
                print_table(console, table)
            if row.plan is not None:
                print_lines(console, ["The arena of generated C, over time:", *arena_lines(row.plan), ""])
        print_lines(console, [line for row in found.rows for line in footprint_lines(row)])
    raise typer.Exit(DONE if found.fits else CHECK_SAID_NO)
