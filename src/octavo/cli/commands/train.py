"""`octavo train`: quantization-aware training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.options import Allow, Divisor, Force, Json, Seed, Skip, To, one_of
from octavo.cli.output import check_free, marked, print_json
from octavo.config import SCHEMES

TRAINED = tuple(name for name, scheme in SCHEMES.items() if scheme.needs_data)


def train(
    model: Annotated[
        Path, typer.Argument(help="A .keras or .h5 file, float or of an earlier training.", show_default=False)
    ],
    data: Annotated[Path, typer.Option(help="Training data: an .npz file with arrays x and y.", show_default=False)],
    scheme: Annotated[
        str | None, typer.Option(help=f"{one_of(TRAINED)}; int8 if not given, or that of the earlier training.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training data.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Samples a step.")] = 128,
    learning_rate: Annotated[float, typer.Option(help="Of Adam, at the beginning.")] = 1e-4,
    validation: Annotated[float, typer.Option(help="Share of the data that chooses the best epoch.")] = 0.1,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without improvement before it stops.")] = 3,
    loss: Annotated[str, typer.Option(help="auto, cross_entropy or mean_squared_error.")] = "auto",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; MODEL_SCHEME_qat.tflite.")] = None,
    to: To = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The best epoch as .keras, to go on from; MODEL_SCHEME_qat.keras.")
    ] = None,
    integer_divisor: Divisor = None,
    skip: Skip = None,
    allow: Allow = None,
    force: Force = False,
    baseline: Annotated[
        bool, typer.Option(help="Whether the float model gets the same training, to tell what QAT itself brings.")
    ] = True,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train with the rounding of deployment, keep the best epoch, and write its proven file."""
    from octavo.backend import start_keras

    start_keras()
    from octavo.comparison.beside import beside
    from octavo.data.labelled import read_training_set
    from octavo.load.keras_files import read_keras
    from octavo.load.keras_graph import load_keras
    from octavo.pipeline import quantize as run
    from octavo.qat import QuantizationAwareModel
    from octavo.qat.fine_tune import FineTuning, chosen_for, fine_tune, held_out, train_alike
    from octavo.qat.make import float_of
    from octavo.report.progress import progress_bar
    from octavo.report.result import print_history, print_result, result_dict
    from octavo.report.terminal import console, print_lines, print_table
    from octavo.trained import check_scheme
    from octavo.write.array import form_of

    stored = read_keras(model, tuple(allow or ()))[0]
    if isinstance(stored, QuantizationAwareModel):
        scheme = check_scheme(scheme, stored.quantization.scheme)
    else:
        load_keras(stored, allow=tuple(allow or ()), stored=True)
    scheme = scheme or "int8"
    out = out or Path(f"{marked(model, scheme, 'qat')}.tflite")
    checkpoint = checkpoint or Path(f"{marked(model, scheme, 'qat')}.keras")
    form_of(out, to)
    for option, path in (("--out", out), ("--checkpoint", checkpoint)):
        check_free(option, path, force)
    x, y = read_training_set(data, integer_divisor)
    settings = FineTuning(
        scheme, epochs, batch, learning_rate, validation, patience, loss, skip=tuple(skip or ()),
        checkpoint=checkpoint, seed=seed,
    )  # fmt: skip
    chosen = chosen_for(stored, y, loss)
    with progress_bar() as progress:
        trained = fine_tune(stored, x, y, settings, progress)
        result = run(trained.model, data=x[:16])
        kept = held_out(len(x), settings)
        table = beside(
            stored, result, scheme, x[~kept][: settings.calibration], (x[kept], y[kept]), skip=settings.skip, seed=seed,
            train=(lambda: train_alike(float_of(stored), x, y, settings, progress)) if baseline else None,
        )  # fmt: skip
    path = result.save(out, to)
    if as_json:
        training = {"training": chosen, "history": trained.history, "checkpoint": str(checkpoint)}
        print_json({**result_dict(result, path), **training, "beside": table.to_dict()})
    else:
        screen = console()
        print_result(screen, result, path)
        print_lines(screen, [chosen])
        print_history(screen, trained.history, checkpoint)
        print_table(screen, table.tables[0])
        print_lines(screen, [f"On the {int(kept.sum())} samples held out: {table.best(None, None).reason}"])
