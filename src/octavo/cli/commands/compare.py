"""`octavo compare`: every scheme in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from octavo.cli.exit_codes import CHECK_SAID_NO, DONE
from octavo.cli.options import Allow, DataPath, Divisor, Json, ModelPath, Samples, Seed, Skip
from octavo.cli.output import print_json, start_keras_for
from octavo.config import SCHEMES


def compare(
    model: ModelPath,
    test: Annotated[Path, typer.Option(help="Held-out data: an .npz file with arrays x and y.", show_default=False)],
    data: DataPath = None,
    schemes: Annotated[str, typer.Option(help=f"Separated by commas, of {', '.join(SCHEMES)}; all if not given.")] = "",
    flash: Annotated[str, typer.Option(help="Room on the board for the file.")] = "1MB",
    ram: Annotated[str, typer.Option(help="Room on the board for the arena.")] = "256KB",
    samples: Samples = None,
    integer_divisor: Divisor = None,
    skip: Skip = None,
    allow: Allow = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Quantize by every scheme, measure each on held-out data, and say which to use on a board.

    Exits 1 if a scheme fails; the others are shown.
    """
    from octavo.comparison.comparison import compare as run
    from octavo.comparison.recommendation import parse_bytes
    from octavo.data.labelled import read_test_set
    from octavo.report.progress import progress_bar
    from octavo.report.terminal import print_lines, print_table

    flash_bytes, ram_bytes = parse_bytes(flash), parse_bytes(ram)
    held_out = read_test_set(test, integer_divisor)
    start_keras_for(model)
    names = [name.strip() for name in schemes.split(",")] if schemes else list(SCHEMES)
    with progress_bar() as progress:
        table = run(
            str(model), None if data is None else str(data), held_out, schemes=names, skip=tuple(skip or ()),
            samples=samples, integer_divisor=integer_divisor, seed=seed, allow=tuple(allow or ()),
            progress=progress,
        )  # fmt: skip
    best = table.best(flash_bytes, ram_bytes)
    if as_json:
        recommended = None if best.row is None else best.row.name
        print_json({**table.to_dict(), "recommended": recommended, "reason": best.reason})
    else:
        console = Console()
        for each in table.tables:
            print_table(console, each)
        print_lines(console, [best.reason])
    raise typer.Exit(CHECK_SAID_NO if table.failures else DONE)
