"""`octavo compare`: every scheme in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.exit_codes import CHECK_SAID_NO, DONE
from octavo.cli.options import (
    Allow,
    DataPath,
    Divisor,
    Effort,
    Force,
    InputShape,
    Json,
    Metric,
    ModelPath,
    Report,
    Samples,
    Seed,
    Signature,
    Skip,
    Test,
    input_shape_of,
)
from octavo.cli.output import check_page_free, command_line, print_json, start_keras_for
from octavo.config import SCHEMES

MATTERS = ("accuracy", "flash", "ram", "latency")


def compare(
    model: ModelPath,
    test: Test,
    data: DataPath = None,
    schemes: Annotated[str, typer.Option(help=f"Separated by commas, of {', '.join(SCHEMES)}; all if not given.")] = "",
    flash: Annotated[str, typer.Option(help="Room on the board for the file.")] = "1MB",
    ram: Annotated[str, typer.Option(help="Room on the board for the arena; none where LiteRT runs it.")] = "256KB",
    board: Annotated[
        str | None, typer.Option(help="A board that the whole program must fit, instead of --flash and --ram.")
    ] = None,
    matters: Annotated[
        str, typer.Option(help=f"What counts most among rows that lose nothing, by commas: {', '.join(MATTERS)}.")
    ] = "",
    metric: Metric = None,
    also: Annotated[
        list[Path] | None, typer.Option(help="A trained .keras or ready .tflite file for the table; may be repeated.")
    ] = None,
    samples: Samples = None,
    integer_divisor: Divisor = None,
    skip: Skip = None,
    effort: Effort = "default",
    allow: Allow = None,
    signature: Signature = None,
    input_shape: InputShape = None,
    force: Force = False,
    seed: Seed = 0,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Quantize by every scheme, measure each on held-out data, and say which to use on a board.

    Exits 1 if a scheme fails; the others are shown.
    """
    from octavo.board.boards import board_named
    from octavo.comparison.comparison import compare as run
    from octavo.comparison.recommendation import Wishes
    from octavo.data.labelled import read_test_set
    from octavo.report.progress import progress_bar
    from octavo.report.terminal import console, print_lines, print_table

    if report is not None:
        check_page_free("--report", report, force)
    wishes = Wishes(none_or(flash), none_or(ram), [name.strip() for name in matters.split(",")] if matters else None)
    if board is not None:
        board_named(board)
    held_out = read_test_set(test, integer_divisor)
    for path in (model, *(also or ())):
        start_keras_for(path)
    names = [name.strip() for name in schemes.split(",")] if schemes else list(SCHEMES)
    with progress_bar() as progress:
        table = run(
            str(model), None if data is None else str(data), held_out, schemes=names, skip=tuple(skip or ()),
            samples=samples, integer_divisor=integer_divisor, seed=seed, progress=progress, metric=metric,
            allow=tuple(allow or ()), signature=signature, effort=effort, input_shape=input_shape_of(input_shape),
            also={path.stem: path for path in also or ()}, flash=wishes.flash, ram=wishes.ram,
            matters=wishes.matters, board=board,
        )  # fmt: skip
    if report is not None:
        from octavo.pages.report import shown_of_test, write_report
        from octavo.stages import prepare

        prepared = prepare(str(model), tuple(allow or ()), signature, input_shape_of(input_shape), data)
        best = table.best().row
        write_report(
            report, prepared, shown_of_test(prepared, held_out, integer_divisor), comparison=table,
            quantized=None if best is None or not best.quantized.scheme.needs_data else best.quantized,
            commands=[command_line()],
        )  # fmt: skip
    if as_json:
        print_json(table.to_dict())
    else:
        screen = console()
        for each in table.tables:
            print_table(screen, each)
        print_lines(screen, [table.best().reason])
    raise typer.Exit(CHECK_SAID_NO if table.failures else DONE)


def none_or(size: str) -> str | None:
    """A size, or None where there is no limit."""
    return None if size.lower() == "none" else size
