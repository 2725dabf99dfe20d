"""`octavo export`: an int8 .tflite file as C99, alone or in a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from octavo.cli.options import Json, Seed
from octavo.cli.output import print_json

if TYPE_CHECKING:
    from octavo.export import Exported


def export(
    model: Annotated[Path, typer.Argument(help="An int8 or int16x8 .tflite file.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help="What to write: c, arduino, cmake, esp-idf or tflm.")] = "c",
    name: Annotated[
        str | None, typer.Option(help="Prefix of all names, a C identifier; made of the file's name if not given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")] = False,
    ram: Annotated[
        str | None,
        typer.Option(help="RAM for arena, input and output, like 32KB; what does not fit runs in part row by row."),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Ask for the input's rows when they are needed.")] = False,
    optimize: Annotated[
        str, typer.Option(help="size, or speed: fewer instructions for twice the flash of most weights.")
    ] = "size",
    plan_memory: Annotated[
        bool, typer.Option("--plan-memory", help="For tflm: a plan of the arena in the model, where its own is worse.")
    ] = False,
    cmsis_nn: Annotated[
        bool, typer.Option("--cmsis-nn", help="Let the build choose CMSIS-NN's kernels, by -DOCTAVO_CMSIS_NN.")
    ] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write a model as C that needs no library, bit-exact with TensorFlow Lite Micro."""
    from octavo.export import export as run
    from octavo.report.terminal import console, print_lines

    written = run(
        model,
        out,
        to,
        name,
        force=force,
        seed=seed,
        ram=ram,
        stream=stream,
        optimize=optimize,
        plan_memory=plan_memory,
        cmsis_nn=cmsis_nn,
    )
    order = None if written.model is None else written.model.order
    if as_json:
        print_json(
            {
                "name": written.name,
                "to": to,
                "files": [str(path) for path in written.paths],
                "arena_bytes": written.arena_bytes,
                "arena_lower_bound_bytes": written.lower_bound_bytes,
                "row_by_row": None if order is None else [order.first, order.last - 1],
            }
        )
        return
    print_lines(console(), [f"Wrote {' and '.join(str(path) for path in written.paths)}.", *_what_next(written)])


def _what_next(written: Exported) -> list[str]:
    """What is known of the arena, and how the model is called."""
    arena, bound, name = written.arena_bytes, written.lower_bound_bytes, written.name
    if bound is None:
        return [
            f"Arena: {arena} bytes on this machine; a microcontroller takes less.",
            f"{name}_main.cc shows how it is run; {name}_self_test() returns 0 where it computes what the desk did.",
        ]
    smallest = "the least possible" if arena == bound else "not proven the least"
    order = None if written.model is None else written.model.order
    return [
        f"Arena: {arena} bytes, {smallest} for this order of operators.",
        *([] if order is None else [f"Operators {order.first} to {order.last - 1} run row by row."]),
        f"Call {name}_invoke(in, out, arena); {name}_self_test(out, arena) returns 0 where it computes what the desk "
        "did.",
    ]
