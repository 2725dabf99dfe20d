"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from octavo.config import EFFORTS
from octavo.errors import ConfigError
from octavo.write.array import FORMS


def one_of(names: Iterable[str]) -> str:
    """Names as a help text lists them.

    >>> one_of(["int8", "int16x8", "int8x4"])
    'int8, int16x8 or int8x4'
    """
    *others, last = names
    return f"{', '.join(others)} or {last}"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
ModelPath = Annotated[
    Path, typer.Argument(help="A .keras, .h5 or float .tflite file, or a SavedModel folder.", show_default=False)
]
DataPath = Annotated[
    Path | None, typer.Option("--data", help="Representative dataset: an .npz or .npy file or a folder of images.")
]
Samples = Annotated[int | None, typer.Option(min=1, help="Use at most this many samples of --data.")]
Divisor = Annotated[
    float | None,
    typer.Option(help="Divide integer data by this: 255 if the model was trained on 0..1, 1 if on 0..255."),
]
HELD_OUT = (
    "an .npz file with arrays x and y (of several: one for each input, by its name, and y_NAME for each output), or a "
    "folder with one folder of images a class"
)
Test = Annotated[Path, typer.Option(help=f"Held-out data: {HELD_OUT}.", show_default=False)]
Metric = Annotated[
    str | None,
    typer.Option(help="A metric's name, such as mae, auc or Keras's; what suits the labels if not given."),
]
Skip = Annotated[list[str] | None, typer.Option(help="Layer name or shell pattern kept in float; may be repeated.")]
Allow = Annotated[
    list[str] | None, typer.Option(help="Lambda layer whose function may run, once, on symbols; may be repeated.")
]
Effort = Annotated[
    str, typer.Option(help="To lose less: " + "; ".join(f"'{name}', {text}" for name, text in EFFORTS.items()) + ".")
]
Report = Annotated[
    Path | None, typer.Option("--report", help="Page to write, an .html file; its figures as JSON lie beside it.")
]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Signature = Annotated[
    str | None, typer.Option(help="Signature to read, of a .tflite file or SavedModel that has several.")
]
InputShape = Annotated[
    list[str] | None,
    typer.Option(
        help="What the model leaves open and samples do not tell: 96,96,3, or with a batch 4,96,96,3, or "
        "NAME=96,96,3 an input."
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace files that are there already, without asking.")]
To = Annotated[
    str | None, typer.Option("--to", help=f"Form of the file: {one_of(FORMS)} in C; by its ending if not given.")
]


def input_shape_of(texts: list[str] | None) -> list[int] | list[list[int]] | dict[str, list[int]] | None:
    """What `--input-shape` says: of the only input, of each in order, or by name.

    >>> input_shape_of(["image=96,96,3"])
    {'image': [96, 96, 3]}

    Raises:
        ConfigError: for something that is no shape.
    """
    parts = [text.rpartition("=") for text in texts or ()]
    shapes = [_sizes(sizes) for _, _, sizes in parts]
    if any(name for name, _, _ in parts):
        return {name: sizes for (name, _, _), sizes in zip(parts, shapes, strict=True)}
    return None if not shapes else shapes[0] if len(shapes) == 1 else shapes


def _sizes(text: str) -> list[int]:
    try:
        return [int(size) for size in text.split(",")]
    except ValueError as error:
        raise ConfigError(
            "--input-shape is no shape.",
            got=repr(text),
            expected="whole numbers with commas between, or NAME= and such",
            fix="say, for example, --input-shape 96,96,3",
        ) from error
