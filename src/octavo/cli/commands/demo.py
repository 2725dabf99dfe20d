"""`octavo demo`: the tour of everything, on a network trained there and then."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.exit_codes import CHECK_SAID_NO, DONE
from octavo.cli.options import Json, Seed
from octavo.cli.output import print_json


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
    from octavo.report.terminal import console

    start_keras()
    with progress_bar() as progress:
        result = run_tour(Tour(data=data, dataset=dataset, out=out, epochs=epochs, seed=seed), progress)
    if as_json:
        print_json(result.to_dict())
    else:
        print_overview(console(), result)
    raise typer.Exit(CHECK_SAID_NO if result.comparison.failures else DONE)
