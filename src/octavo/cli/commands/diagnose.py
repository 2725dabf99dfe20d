"""`octavo diagnose`: which layer, why, and what to do."""

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
    one_of,
)  # fmt: skip
from octavo.cli.output import check_free, check_page_free, command_line, print_json, start_keras_for
from octavo.config import SCHEMES
from octavo.numerics.estimators import ESTIMATORS
from octavo.write.array import form_of


def diagnose(
    model: ModelPath,
    data: Annotated[
        Path, typer.Option(help="Representative dataset: an .npz file or a folder of images.", show_default=False)
    ],
    test: Annotated[
        Path | None,
        typer.Option(help=f"What to judge by: {HELD_OUT}; --data if not given."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A quantized .tflite of the model, whoever made it; made here if not given.")
    ] = None,
    scheme: Annotated[str, typer.Option(help=f"{one_of(SCHEMES)}.")] = "int8",
    skip: Skip = None,
    per_tensor: Annotated[
        bool, typer.Option("--per-tensor", help="One weight scale a tensor instead of one a channel.")
    ] = False,
    estimator: Annotated[str, typer.Option(help=f"How ranges are made: {one_of(ESTIMATORS)}.")] = "minmax",
    percentile: Annotated[float, typer.Option(help="Share of values, in percent, that 'percentile' keeps.")] = 99.99,
    effort: Effort = "default",
    metric: Metric = None,
    samples: Samples = None,
    integer_divisor: Divisor = None,
    apply: Annotated[
        Path | None, typer.Option(help="Where to write the file with the mends that help, proven.")
    ] = None,
    to: To = None,
    allow: Allow = None,
    force: Force = False,
    seed: Seed = 0,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Find which layers of a quantized model lose what, why, and which mends help: each is made and measured.

    Exits 1 if something was found, or is lost that no cause explains.
    """
    from octavo.data.labelled import read_test_set
    from octavo.diagnosis.diagnose import diagnose as run
    from octavo.report.progress import progress_bar
    from octavo.report.terminal import console, print_lines, print_table

    if apply is not None:
        form_of(apply, to)
        check_free("--apply", apply, force)
    if report is not None:
        check_page_free("--report", report, force)
    judged = None if test is None else read_test_set(test, integer_divisor)
    start_keras_for(model)
    with progress_bar() as progress:
        found = run(
            str(model), str(data), judged, file=None if file is None else str(file), scheme=scheme,
            skip=tuple(skip or ()), per_axis=not per_tensor, estimator=estimator, percentile=percentile, effort=effort,
            metric=metric, samples=samples, integer_divisor=integer_divisor, seed=seed, apply=apply is not None,
            allow=tuple(allow or ()), progress=progress,
        )  # fmt: skip
    path = None if apply is None or found.mended is None else found.mended.save(apply, to)
    if report is not None:
        from octavo.pages.report import shown_of_data, write_report
        from octavo.stages import prepare

        prepared = prepare(str(model), tuple(allow or ()), data=data)
        samples_shown = shown_of_data(prepared, str(data), integer_divisor)
        write_report(
            report, prepared, samples_shown, diagnosis=found, quantized=found.mended, commands=[command_line()]
        )
    if as_json:
        print_json({**found.to_dict(), "path": None if path is None else str(path)})
    else:
        screen = console()
        for table in found.tables:
            print_table(screen, table)
        print_lines(screen, [*found.verdict, *([] if path is None else [f"Written: {path}."])])
    raise typer.Exit(DONE if found.healthy else CHECK_SAID_NO)
