"""`octavo verify`: the same numbers everywhere, or which layer differs first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from octavo.cli.exit_codes import CHECK_SAID_NO, DONE
from octavo.cli.options import Json, Seed
from octavo.cli.output import print_json


def verify(
    model: Annotated[
        Path, typer.Argument(help="A .tflite file, or a folder that octavo export wrote.", show_default=False)
    ],
    cores: Annotated[
        str, typer.Option(help="Emulated cores, separated by commas; none for none.")
    ] = "cortex-m0,cortex-m4,cortex-m33,cortex-m55",
    vectors: Annotated[int, typer.Option(min=1, help="Random inputs to run.")] = 3,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Run a model in every runtime, and as C on this machine under sanitizers and on emulated cores, and compare.

    What is not installed is named and left out. Exits 1 if anything differs by more than its runtime may.
    """
    from octavo.prove.prove import prove
    from octavo.report.terminal import print_lines

    names = [] if cores == "none" else [name.strip() for name in cores.split(",") if name.strip()]
    proof = prove(model, names, vectors, seed)
    if as_json:
        print_json(proof.to_dict())
    else:
        print_lines(Console(), proof.lines)
    raise typer.Exit(DONE if proof.ok else CHECK_SAID_NO)
