"""`octavo quantize`: one proven file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.options import (
    Allow,
    DataPath,
    Divisor,
    Effort,
    Force,
    InputShape,
    Json,
    ModelPath,
    Report,
    Samples,
    Seed,
    Signature,
    Skip,
    To,
    input_shape_of,
    one_of,
)
from octavo.cli.output import check_free, check_page_free, command_line, marked, print_json, start_keras_for
from octavo.config import IO_TYPES, LAYER_TYPES, SCHEMES, LayerConfig, layer_of_type
from octavo.errors import DatasetError
from octavo.numerics.estimators import ESTIMATORS
from octavo.write.array import form_of


def quantize(
    model: ModelPath,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write, .tflite, or .h, .cc, .c; MODEL_SCHEME.tflite if not given."),
    ] = None,
    to: To = None,
    scheme: Annotated[
        str | None, typer.Option(help=f"{one_of(SCHEMES)}; int8 if not given, or what the model was trained for.")
    ] = None,
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
    effort: Effort = "default",
    no_mix: Annotated[
        bool, typer.Option("--no-mix", help="Keep int8 where it answers poorly, instead of int16 for a few operators.")
    ] = False,
    allow: Allow = None,
    signature: Signature = None,
    input_shape: InputShape = None,
    force: Force = False,
    seed: Seed = 0,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Quantize a model and prove the file before writing it."""
    from octavo.pipeline import quantize as run
    from octavo.report.progress import progress_bar
    from octavo.report.result import print_result, result_dict
    from octavo.report.terminal import console
    from octavo.trained import is_quantization_aware, opened

    if report is not None:
        check_page_free("--report", report, force)
        if data is None:
            raise DatasetError(
                "a page shows what layers make of samples, and there are none.",
                got="--report without --data",
                expected="an .npz or .npy file, or a folder of images",
                fix="say --data samples.npz as well, or leave --report out",
            )
    start_keras_for(model)
    source = opened(str(model), tuple(allow or ()))
    trained = (source.quantization.scheme, "qat") if is_quantization_aware(source) else ()
    out = out or Path(f"{marked(model, *(trained or (scheme or 'int8',)))}.tflite")
    form_of(out, to)
    check_free("--out", out, force)
    with progress_bar() as progress:
        result = run(
            source, scheme, None if data is None else str(data), skip=tuple(skip or ()), per_axis=not per_tensor,
            layers=[layer_named(each) for each in layer or ()],
            input_type=input_type, output_type=output_type, estimator=estimator, percentile=percentile,
            samples=samples, integer_divisor=integer_divisor, seed=seed, verify=verify,  # type: ignore[arg-type]
            effort=effort, mix=not no_mix, mend=mend, allow=tuple(allow or ()), signature=signature, progress=progress,
            input_shape=input_shape_of(input_shape),
        )  # fmt: skip
    path = result.save(out, to)
    if report is not None:
        from octavo.pages.report import shown_of_data, write_report
        from octavo.stages import prepare

        prepared = prepare(source, tuple(allow or ()), signature, input_shape_of(input_shape), data)
        samples_shown = shown_of_data(prepared, str(data), integer_divisor)
        write_report(report, prepared, samples_shown, quantized=result, commands=[command_line()])
    if as_json:
        print_json(result_dict(result, path))
    else:
        print_result(console(), result, path)


def layer_named(text: str) -> LayerConfig:
    """What `--layer` says of a layer.

    Raises:
        ConfigError: for an unknown type; one without a layer is unknown, too.
    """
    name, _, kind = text.rpartition("=")
    return layer_of_type(name, kind if name else text)
