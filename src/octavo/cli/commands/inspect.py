"""`octavo inspect`: what a model file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from octavo.cli.options import Allow, Json, Signature
from octavo.cli.output import print_json, start_keras_for


def inspect(
    model: Annotated[
        Path, typer.Argument(help="A .tflite file, whoever made it, or a .keras or .h5 file.", show_default=False)
    ],
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor of a .tflite file, too.")] = False,
    allow: Allow = None,
    signature: Signature = None,
    as_json: Json = False,
) -> None:
    """Show what a file holds: operators, sizes, work and RAM of a .tflite file, the layers of a Keras model."""
    from octavo.load import check_no_signature
    from octavo.load.paths import KERAS_ENDINGS
    from octavo.report.inspection import inspect_file, operator_table, summary, tensor_table
    from octavo.report.layers import inspect_model, layer_table, model_summary
    from octavo.report.terminal import console, print_lines, print_table

    if model.suffix in KERAS_ENDINGS:
        check_no_signature(signature, f"'{model}'")
        layers = inspect_model(_read(model, tuple(allow or ())))
        lines, tables, values = model_summary(layers), [layer_table(layers)], layers.to_dict()
    else:
        found = inspect_file(model, signature)
        tables = [operator_table(found), *([tensor_table(found)] if tensors else [])]
        lines, values = summary(found), found.to_dict()
    if as_json:
        print_json(values)
        return
    screen = console()
    print_lines(screen, lines)
    for table in tables:
        print_table(screen, table)


def _read(path: Path, allow: tuple[str, ...]) -> Any:
    """The model in a Keras file, trained for quantization or not."""
    start_keras_for(path)
    from octavo.load.keras_files import read_keras
    from octavo.trained import opened

    model = opened(path, allow)
    return read_keras(path, allow)[0] if model is path else model
