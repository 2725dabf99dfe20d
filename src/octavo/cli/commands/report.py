"""`octavo report`: one page on a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from octavo.cli.options import Allow, Divisor, Force, Json, ModelPath, Test, one_of
from octavo.cli.output import check_page_free, command_line, print_json, start_keras_for
from octavo.config import SCHEMES


def report(
    model: ModelPath,
    data: Annotated[
        Path, typer.Option(help="Representative dataset: an .npz file or a folder of images.", show_default=False)
    ],
    test: Test,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Page to write; MODEL_report.html if not given.")
    ] = None,
    scheme: Annotated[str, typer.Option(help=f"What is diagnosed and shown: {one_of(SCHEMES)}.")] = "int8",
    schemes: Annotated[
        str, typer.Option(help="What is compared, by commas; float32, int8 and --scheme if not given.")
    ] = "",
    flash: Annotated[str, typer.Option(help="Room on the board for the file.")] = "1MB",
    ram: Annotated[str, typer.Option(help="Room on the board for the arena.")] = "256KB",
    integer_divisor: Divisor = None,
    allow: Allow = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Compare, diagnose and show a model on one page that opens from disk, its figures as JSON beside it."""
    from octavo.data.labelled import read_test_set
    from octavo.files import figures_beside
    from octavo.pages.report import report as run
    from octavo.report.progress import progress_bar

    out = out or Path(f"{model.stem}_report.html")
    check_page_free("--out", out, force)
    held_out = read_test_set(test, integer_divisor)
    start_keras_for(model)
    with progress_bar() as progress:
        path = run(
            str(model), str(data), held_out, out, scheme=scheme,
            schemes=[name.strip() for name in schemes.split(",")] if schemes else None, flash=flash, ram=ram,
            integer_divisor=integer_divisor, allow=tuple(allow or ()), progress=progress, commands=[command_line()],
        )  # fmt: skip
    if as_json:
        print_json({"page": str(path), "figures": str(figures_beside(path))})
    else:
        Console().print(f"Open {path}; its figures are in {figures_beside(path)}.", highlight=False)
