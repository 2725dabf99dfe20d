"""`octavo quantize`: one proven file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from octavo.cli.options import Allow, DataPath, Divisor, Effort, Json, ModelPath, Samples, Seed, Skip, one_of
from octavo.cli.output import print_json, start_keras_for
from octavo.config import IO_TYPES, LAYER_TYPES, SCHEMES, LayerConfig, layer_of_type
from octavo.numerics.estimators import ESTIMATORS


def quantize(
    model: ModelPath,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; MODEL_SCHEME.tflite if not given.")
    ] = None,
    scheme: Annotated[str, typer.Option(help=f"{one_of(SCHEMES)}.")] = "int8",
    data: DataPath = None,
    samples: Samples = None,
    integer_divisor: Divisor = None,
    skip: Skip = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(help=f"NAME=TYPE: a layer of another type, {one_of(LAYER_TYPES)}; may be repeated."),
    ] = None,
    per_tensor: Annotated[
        bool, typer.Option("--per-tensor", help="One weight scale a tensor instead of one a channel.")
    ] = False,
    input_type: Annotated[str | None, typer.Option(help=f"{one_of(IO_TYPES)}; the scheme's own if not given.")] = None,
    output_type: Annotated[str | None, typer.Option(help="Likewise.")] = None,
    estimator: Annotated[str, typer.Option(help=f"How ranges are made: {one_of(ESTIMATORS)}.")] = "minmax",
    percentile: Annotated[float, typer.Option(help="Share of values, in percent, that 'percentile' keeps.")] = 99.99,
    verify: Annotated[str, typer.Option(help="sample, full or off.")] = "sample",
    mend: Annotated[
        bool, typer.Option("--mend", help="Give operands that larger ones leave few steps a scale of their own.")
    ] = False,
    effort: Effort = "fast",
    allow: Allow = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Quantize a model and prove the file before writing it."""
    from octavo.files import check_place
    from octavo.pipeline import quantize as run
    from octavo.report.progress import progress_bar
    from octavo.report.result import print_result, result_dict

    out = out or Path(f"{model.stem}_{scheme}.tflite")
    check_place(out)
    start_keras_for(model)
    with progress_bar() as progress:
        result = run(
            str(model), scheme, None if data is None else str(data), skip=tuple(skip or ()), per_axis=not per_tensor,
            layers=[layer_named(each) for each in layer or ()],
            input_type=input_type, output_type=output_type, estimator=estimator, percentile=percentile,
            samples=samples, integer_divisor=integer_divisor, seed=seed, verify=verify,  # type: ignore[arg-type]
            effort=effort, mend=mend, allow=tuple(allow or ()), progress=progress,
        )  # fmt: skip
    path = result.save(out)
    if as_json:
        print_json(result_dict(result, path))
    else:
        print_result(Console(), result, path)


def layer_named(text: str) -> LayerConfig:
    """What `--layer` says of a layer.

    Raises:
        ConfigError: for an unknown type; one without a layer is unknown, too.
    """
    name, _, kind = text.rpartition("=")
    return layer_of_type(name, kind if name else text)
