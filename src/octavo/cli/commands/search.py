"""`octavo search`: a type for each layer, under budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.exit_codes import CHECK_SAID_NO, DONE
from octavo.cli.options import (
    HELD_OUT,
    Allow,
    Divisor,
    Effort,
    Force,
    Json,
    Metric,
    ModelPath,
    Report,
    Samples,
    Seed,
    Skip,
    To,
)  # fmt: skip
from octavo.cli.output import check_free, check_page_free, command_line, marked, print_json, start_keras_for
from octavo.config import LAYER_TYPES
from octavo.write.array import form_of


def search(
    model: ModelPath,
    data: Annotated[Path, typer.Option(help="Representative dataset: an .npz file or a folder of images.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; MODEL_mixed.tflite.")] = None,
    to: To = None,
    flash: Annotated[str | None, typer.Option(help="Room for the file, such as 256KB.")] = None,
    ram: Annotated[str | None, typer.Option(help="Room for the arena of TensorFlow Lite Micro.")] = None,
    board: Annotated[
        str | None, typer.Option(help="A board that the whole program shall fit on, code included.")
    ] = None,
    types: Annotated[
        str,
        typer.Option(
            help=f"Types beside int8, by commas, of {', '.join(name for name in LAYER_TYPES if name != 'int8')}."
        ),
    ] = "int4",
    points: Annotated[int, typer.Option(min=2, help="Sizes of files to try.")] = 5,
    trials: Annotated[int, typer.Option(min=0, help="Files of other estimators and efforts to try, by Optuna.")] = 0,
    swaps: Annotated[int, typer.Option(min=0, help="Neighbours of the best file to try.")] = 8,
    test: Annotated[
        Path | None, typer.Option(help=f"Choose of the files that none beats by labels: {HELD_OUT}.")
    ] = None,
    metric: Metric = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder that keeps what was measured, and the trials; a search goes on from it.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that measure; they find the same.")] = 1,
    ray: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster that measures instead, such as auto.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Picture of all files by size and SQNR, .png or .svg.")] = None,
    samples: Samples = None,
    integer_divisor: Divisor = None,
    skip: Skip = None,
    effort: Effort = "good",
    allow: Allow = None,
    force: Force = False,
    seed: Seed = 0,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Measure what each layer loses at each type, and write the best file that fits.

    Exits 1 if none fits; what was tried is shown.
    """
    from octavo.board.boards import board_of
    from octavo.config import QuantizeConfig
    from octavo.report.front import check_ending
    from octavo.report.progress import progress_bar
    from octavo.report.terminal import console, print_lines, print_table
    from octavo.search.search import search as run
    from octavo.search.tables import search_tables, summary

    out = out or Path(f"{marked(model, 'mixed')}.tflite")
    form_of(out, to)
    check_free("--out", out, force)
    if picture is not None:
        check_ending("--picture", picture)
        check_free("--picture", picture, force)
    if report is not None:
        check_page_free("--report", report, force)
    place = None if board is None else board_of(board, flash, ram)
    start_keras_for(model)
    config = QuantizeConfig(skip=tuple(skip or ()), effort=effort, seed=seed)
    with progress_bar() as progress:
        found = run(
            str(model), str(data), flash=flash, ram=ram, board=place, types=[name.strip() for name in types.split(",")],
            points=points, trials=trials, swaps=swaps, test=None if test is None else str(test), metric=metric,
            config=config, samples=samples,
            integer_divisor=integer_divisor, folder=folder, workers=workers, ray=ray, allow=tuple(allow or ()),
            progress=progress,
        )  # fmt: skip
    path = None if found.quantized is None else found.quantized.save(out, to)
    drawn = None if picture is None else found.picture(picture)
    if report is not None:
        from octavo.pages.report import shown_of_data, write_report
        from octavo.stages import prepare

        prepared = prepare(str(model), tuple(allow or ()), data=data)
        write_report(
            report, prepared, shown_of_data(prepared, str(data), integer_divisor), search=found,
            quantized=found.quantized, commands=[command_line()],
        )  # fmt: skip
    if as_json:
        places = {"path": path, "picture": drawn}
        print_json({**found.to_dict(), **{name: None if each is None else str(each) for name, each in places.items()}})
    else:
        screen = console()
        for table in search_tables(found):
            print_table(screen, table)
        print_lines(screen, summary(found, path, str(model), str(data)))
        print_lines(screen, [] if drawn is None else [f"Drawn: {drawn}."])
    raise typer.Exit(CHECK_SAID_NO if path is None else DONE)
