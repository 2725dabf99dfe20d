"""`octavo inspect`: what a .tflite file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.options import Json
from octavo.cli.output import print_json


def inspect(
    model: Annotated[Path, typer.Argument(help="A .tflite file, whoever made it.", show_default=False)],
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show the operators, tensors, parameters and sizes of a file, whoever made it."""
    from octavo.report.inspection import inspect_file, operator_table, summary, tensor_table
    from octavo.report.terminal import console, print_lines, print_table

    inspection = inspect_file(model)
    if as_json:
        print_json(inspection.to_dict())
        return
    screen = console()
    print_lines(screen, summary(inspection))
    for table in (operator_table(inspection), *([tensor_table(inspection)] if tensors else [])):
        print_table(screen, table)
