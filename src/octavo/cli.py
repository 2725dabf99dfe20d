"""The command line. Commands import what they need when they run, so that `octavo --help` is immediate.

Exit codes: 0 done, 1 a check said no, 2 bad input, 70 a bug of Octavo (with its traceback), 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from octavo.errors import OctavoError, VerificationError

DONE, CHECK_SAID_NO, BAD_INPUT, OUR_BUG, INTERRUPTED = 0, 1, 2, 70, 130

app = typer.Typer(
    help="Fold a Keras network into eight bits, see what that cost, and get something a microcontroller can run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
ModelPath = Annotated[
    Path, typer.Argument(help="A .keras, .h5 or float .tflite file, or a SavedModel folder.", show_default=False)
]
DataPath = Annotated[
    Path | None, typer.Option("--data", help="Representative dataset: an .npz file or a folder of images.")
]
Samples = Annotated[int | None, typer.Option(min=1, help="Use at most this many samples of --data.")]
Divisor = Annotated[
    float | None,
    typer.Option(help="Divide integer data by this: 255 if the model was trained on 0..1, 1 if on 0..255."),
]
Skip = Annotated[list[str] | None, typer.Option(help="Layer name or shell pattern kept in float; may be repeated.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    arguments = sys.argv[1:] if arguments is None else arguments
    code = _run(arguments)
    if code == INTERRUPTED:
        print("Interrupted; files that were not finished are gone.", file=sys.stderr)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `head` for one, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """Run a command and translate what it raises into an exit code."""
    try:
        app(arguments, prog_name="octavo", standalone_mode=True)
        return DONE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    except OctavoError as error:
        return _failed(error, as_json="--json" in arguments)
    except MemoryError as error:
        return _failed(_out_of_memory(error), as_json="--json" in arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        traceback.print_exc()
        print("This is a bug in Octavo, not in what you did. Please report it with the lines above.", file=sys.stderr)
        return OUR_BUG


def _failed(error: OctavoError, *, as_json: bool) -> int:
    from octavo.report.terminal import print_error

    if as_json:
        print(json.dumps({"error": {"kind": type(error).__name__, "what": error.what, "got": error.got,
                                    "expected": error.expected, "fix": error.fix}}))  # fmt: skip
    print_error(Console(stderr=True), error)
    return CHECK_SAID_NO if isinstance(error, VerificationError) else BAD_INPUT


def _out_of_memory(error: MemoryError) -> OctavoError:
    return OctavoError(
        "there is not enough memory.",
        got=str(error) or "an allocation that failed",
        expected="room for the model and the data",
        fix="use fewer samples: --samples 100",
    )


def _start_keras_for(model: Path) -> None:
    """Start Keras if the model is one of its files."""
    from octavo.load.paths import existing

    if existing(model).suffix in (".keras", ".h5", ".hdf5"):
        from octavo.backend import start_keras

        start_keras()


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, default=str))


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="mnist.npz in Keras's layout, instead of the built-in digits.")
    ] = None,
    dataset: Annotated[str, typer.Option(help="digits, or mnist through Keras's cache.")] = "digits",
    out: Annotated[Path, typer.Option(help="Folder to write; appears whole or not at all.")] = Path("octavo-demo"),
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training data.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a small network, quantize it by every scheme, verify, and explain what happened."""
    from octavo.backend import start_keras
    from octavo.demo.overview import print_overview
    from octavo.demo.tour import Tour, run_tour
    from octavo.report.progress import progress_bar

    start_keras()
    with progress_bar() as progress:
        result = run_tour(Tour(data=data, dataset=dataset, out=out, epochs=epochs, seed=seed), progress)
    if as_json:
        _print_json(result.to_dict())
    else:
        print_overview(Console(), result)


@app.command()
def quantize(
    model: ModelPath,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; MODEL_SCHEME.tflite if not given.")
    ] = None,
    scheme: Annotated[str, typer.Option(help="float32, float16, dynamic, int8 or int16x8.")] = "int8",
    data: DataPath = None,
    samples: Samples = None,
    integer_divisor: Divisor = None,
    skip: Skip = None,
    per_tensor: Annotated[
        bool, typer.Option("--per-tensor", help="One weight scale a tensor instead of one a channel.")
    ] = False,
    input_type: Annotated[
        str | None, typer.Option(help="int8, uint8, int16 or float32; the scheme's own if not given.")
    ] = None,
    output_type: Annotated[str | None, typer.Option(help="Likewise.")] = None,
    estimator: Annotated[str, typer.Option(help="How ranges are made: minmax or percentile.")] = "minmax",
    percentile: Annotated[float, typer.Option(help="Share of values, in percent, that 'percentile' keeps.")] = 99.99,
    verify: Annotated[str, typer.Option(help="sample, full or off.")] = "sample",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Quantize a model and prove the file before writing it."""
    from octavo.pipeline import quantize as run
    from octavo.report.progress import progress_bar
    from octavo.report.result import print_result, result_dict

    _start_keras_for(model)
    with progress_bar() as progress:
        result = run(
            str(model), scheme, None if data is None else str(data), skip=tuple(skip or ()), per_axis=not per_tensor,
            input_type=input_type, output_type=output_type, estimator=estimator, percentile=percentile,  # type: ignore[arg-type]
            samples=samples, integer_divisor=integer_divisor, seed=seed, verify=verify, progress=progress,  # type: ignore[arg-type]
        )  # fmt: skip
    path = result.save(out or Path(f"{model.stem}_{scheme}.tflite"))
    if as_json:
        _print_json(result_dict(result, path))
    else:
        print_result(Console(), result, path)


@app.command()
def compare(
    model: ModelPath,
    test: Annotated[Path, typer.Option(help="Held-out data: an .npz file with arrays x and y.", show_default=False)],
    data: DataPath = None,
    schemes: Annotated[str, typer.Option(help="Names, separated by commas; all if not given.")] = "",
    flash: Annotated[str, typer.Option(help="Room on the board for the file.")] = "1MB",
    ram: Annotated[str, typer.Option(help="Room on the board for the arena.")] = "256KB",
    samples: Samples = None,
    integer_divisor: Divisor = None,
    skip: Skip = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Quantize by every scheme, measure each on held-out data, and say which to use on a board."""
    from octavo.comparison import compare as run
    from octavo.config import SCHEMES
    from octavo.labelled import read_test_set
    from octavo.report.progress import progress_bar
    from octavo.report.tables import comparison_tables
    from octavo.report.terminal import print_lines, print_table

    held_out = read_test_set(test, integer_divisor)
    _start_keras_for(model)
    names = [name.strip() for name in schemes.split(",")] if schemes else list(SCHEMES)
    with progress_bar() as progress:
        table = run(
            str(model), None if data is None else str(data), held_out, schemes=names, skip=tuple(skip or ()),
            samples=samples, integer_divisor=integer_divisor, seed=seed, progress=progress,
        )  # fmt: skip
    best = table.best(flash=flash, ram=ram)
    if as_json:
        recommended = None if best.row is None else best.row.name
        _print_json({**table.to_dict(), "recommended": recommended, "reason": best.reason})
        return
    console = Console()
    for each in comparison_tables((row.name, row.evaluation, row.quantized.verification) for row in table.rows):
        print_table(console, each)
    print_lines(console, [best.reason])


@app.command()
def train(
    model: Annotated[
        Path, typer.Argument(help="A .keras or .h5 file, float or of an earlier training.", show_default=False)
    ],
    data: Annotated[Path, typer.Option(help="Training data: an .npz file with arrays x and y.", show_default=False)],
    scheme: Annotated[str, typer.Option(help="int8, int16x8 or int8x4.")] = "int8",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training data.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Samples a step.")] = 128,
    learning_rate: Annotated[float, typer.Option(help="Of Adam, at the beginning.")] = 1e-4,
    validation: Annotated[float, typer.Option(help="Share of the data that chooses the best epoch.")] = 0.1,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without improvement before it stops.")] = 3,
    loss: Annotated[str, typer.Option(help="auto, cross_entropy or mean_squared_error.")] = "auto",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; MODEL_SCHEME_qat.tflite.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The best epoch as .keras, to go on from; MODEL_SCHEME_qat.keras.")
    ] = None,
    integer_divisor: Divisor = None,
    skip: Skip = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train with the rounding of deployment, keep the best epoch, and write its proven file."""
    from octavo.backend import start_keras

    start_keras()
    from octavo.fine_tune import FineTuning, fine_tune
    from octavo.labelled import read_training_set
    from octavo.load.keras import read_keras
    from octavo.pipeline import quantize as run
    from octavo.report.progress import progress_bar
    from octavo.report.result import print_history, print_result, result_dict

    x, y = read_training_set(data, integer_divisor)
    checkpoint = checkpoint or Path(f"{model.stem}_{scheme}_qat.keras")
    settings = FineTuning(
        scheme, epochs, batch, learning_rate, validation, patience, loss, skip=tuple(skip or ()),
        checkpoint=checkpoint, seed=seed,
    )  # fmt: skip
    with progress_bar() as progress:
        trained = fine_tune(read_keras(model)[0], x, y, settings, progress)
        result = run(trained.model, data=x[:16])
    path = result.save(out or Path(f"{model.stem}_{scheme}_qat.tflite"))
    if as_json:
        _print_json({**result_dict(result, path), "history": trained.history, "checkpoint": str(checkpoint)})
    else:
        print_result(Console(), result, path)
        print_history(Console(), trained.history, checkpoint)


@app.command()
def inspect(
    model: Annotated[Path, typer.Argument(help="A .tflite file, whoever made it.", show_default=False)],
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show the operators, tensors, parameters and sizes of a file, whoever made it."""
    from octavo.report.inspection import inspect_file, operator_table, summary, tensor_table
    from octavo.report.terminal import print_lines, print_table

    inspection = inspect_file(model)
    if as_json:
        _print_json(inspection.to_dict())
        return
    console = Console()
    print_lines(console, summary(inspection))
    for table in (operator_table(inspection), *([tensor_table(inspection)] if tensors else [])):
        print_table(console, table)


@app.command()
def ops(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/operators.md.")] = False,
    as_json: Json = False,
) -> None:
    """List the operators: from which Keras layers, in which schemes, on which runtimes."""
    from octavo.report.operators import LEGEND, composed_forms, operator_rows, operators_page, short_table
    from octavo.report.terminal import print_lines, print_table

    if as_json:
        _print_json({"operators": [asdict(row) for row in operator_rows()], "composed": composed_forms()})
    elif markdown:
        print(operators_page(), end="")
    else:
        print_table(Console(), short_table())
        print_lines(Console(), [LEGEND])


@app.command()
def doctor(as_json: Json = False) -> None:
    """Tell what is installed, what is missing and how to get it; exit 1 if Octavo cannot work."""
    from octavo.doctor import diagnose
    from octavo.report.diagnosis import diagnosis_table, verdict
    from octavo.report.terminal import print_lines, print_table

    diagnosis = diagnose()
    if as_json:
        _print_json(asdict(diagnosis))
    else:
        console = Console()
        print_table(console, diagnosis_table(diagnosis))
        print_lines(console, verdict(diagnosis))
    raise typer.Exit(CHECK_SAID_NO if diagnosis.problems else DONE)
