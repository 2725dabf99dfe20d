"""`octavo tutorial`: float, quantized after training and trained for it, on three networks and the user's images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.exit_codes import CHECK_SAID_NO, DONE
from octavo.cli.options import Force, Json, Seed
from octavo.cli.output import print_json


def tutorial(
    data: Annotated[
        Path | None,
        typer.Option(
            help="An .npz file with x_train, y_train, x_test and y_test, or a folder with one folder of images a "
            "class, perhaps below train/ and val/; CIFAR-10 through Keras's cache if not given."
        ),
    ] = None,
    networks: Annotated[
        str, typer.Option(help="Separated by commas, of mobilenet_v1, mobilenet_v2, resnet8; all if not given.")
    ] = "",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images from scratch.")] = 4,
    further: Annotated[
        int, typer.Option(min=1, help="Passes on top, for float and quantization-aware training alike.")
    ] = 2,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Images to train on at most, and to test with: 2000 for a first try.")
    ] = None,
    size: Annotated[int, typer.Option(min=8, help="Height and width that a folder's images are brought to.")] = 32,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder that keeps what is done; after an interrupt it is gone on with.")
    ] = Path("octavo-tutorial"),
    force: Force = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train MobileNetV1, MobileNetV2 and a ResNet, and compare float, quantized after training, and trained for it.

    Exits 1 if a file could not be made; the others are shown.
    """
    from octavo.backend import start_keras

    start_keras()
    from octavo.report.progress import progress_bar
    from octavo.report.terminal import console, print_lines, print_table
    from octavo.tutorial.networks import NETWORKS
    from octavo.tutorial.run import Tutorial, run_tutorial

    names = tuple(dict.fromkeys(name.strip() for name in networks.split(","))) if networks else tuple(NETWORKS)
    wanted = Tutorial(data, names, epochs, further, samples, size, seed)
    with progress_bar() as progress:
        table = run_tutorial(wanted, out, progress, force=force)
    if as_json:
        print_json(table.to_dict())
    else:
        screen = console()
        print_table(screen, table.table)
        print_lines(screen, [f"{name}: {result['reason']}" for name, result in table.networks.items()])
        print_lines(screen, [f"Every network and file lies in {out}."])
    raise typer.Exit(CHECK_SAID_NO if table.failures else DONE)
