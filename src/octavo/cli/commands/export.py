"""`octavo export`: an int8 .tflite file as C99."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.options import Json, Seed
from octavo.cli.output import print_json


def export(
    model: Annotated[Path, typer.Argument(help="An int8 .tflite file.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help="What to write: c.")] = "c",
    name: Annotated[
        str | None, typer.Option(help="Prefix of all names, a C identifier; made of the file's name if not given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write a model as C that needs no library, bit-exact with TensorFlow Lite Micro."""
    from octavo.config import unknown_name
    from octavo.export import export_c
    from octavo.report.terminal import console, print_lines

    if to != "c":
        raise unknown_name("target", to, ("c",))
    exported = export_c(model, out, name, force=force, seed=seed)
    written = exported.model
    if as_json:
        print_json(
            {
                "name": written.name,
                "files": [str(path) for path in exported.paths],
                "arena_bytes": written.arena_bytes,
                "arena_lower_bound_bytes": written.lower_bound_bytes,
            }
        )
        return
    smallest = "the least possible" if written.arena_bytes == written.lower_bound_bytes else "not proven the least"
    print_lines(
        console(),
        [
            f"Wrote {' and '.join(str(path) for path in exported.paths)}.",
            f"Arena: {written.arena_bytes} bytes, {smallest} for this order of operators.",
            f"Call {written.name}_invoke(in, out, arena); {written.name}_self_test(out, arena) returns 0 where it "
            "computes what the desk did.",
        ],
    )
