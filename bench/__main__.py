"""`python -m bench [accuracy|applications|speed|levels|diagnosis|supervise|training|step_cost|micro|costs]`.

Figures, kept.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.real_data import RESULTS

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=False)
# Wide enough for a table where the output is no terminal.
console = Console(width=None if sys.stdout.isatty() else 160)


@app.command()
def accuracy(
    models: Annotated[list[str] | None, typer.Argument()] = None,
    draws: int = 3,
    file: Annotated[Path | None, typer.Option("--model", help="A .keras file to take for the first one.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Its own, an .npz file as of Keras: x_train, y_train, x_test, y_test.")
    ] = None,
) -> None:
    """Accuracy, bytes and seconds of every scheme and level of effort against the converter and LiteRT Quantizer.

    Networks are mnist, resnet8 and kws; mobilenet_v1 and mobilenet_v2 are trained first, or read from --model. With
    --data, --model is any classifier, and stands alone.
    """
    from bench.accuracy import TRAINED, Own, measure, proof

    if data is not None and (file is None or models):
        raise typer.BadParameter("is that of --model, without other networks", param_hint="--data")
    networks: list[str | Own] = [*(models or ["mnist", "resnet8", "kws"])]
    if file is not None and data is not None:
        networks = [Own(file.resolve(), data.resolve())]
    elif file is not None and networks[0] not in TRAINED:
        raise typer.BadParameter(
            f"stands for one of {', '.join(TRAINED)}, which are not in the shared folder; give --data for others",
            param_hint="--model",
        )
    elif file is not None:
        RESULTS.mkdir(exist_ok=True)
        shutil.copyfile(file, RESULTS / f"{networks[0]}.keras")
    for model in networks:
        show(f"accuracy_{model}", measure(model, draws))
    show("proof", {str(model): proof(model) for model in networks})


@app.command()
def applications(
    families: Annotated[list[str] | None, typer.Argument()] = None,
    size: Annotated[list[int] | None, typer.Option(help="Pixels on each side; may be given several times.")] = None,
) -> None:
    """SQNR of int8 networks of keras.applications with random weights against the converter; minutes a family."""
    from bench.applications import FAMILIES, SIZES, measure

    for family in families or FAMILIES:
        show(f"applications_{family}", measure(family, size or SIZES))


@app.command()
def costs(core: str = "") -> None:
    """What the C kernels cost on emulated cores, all or one, written into the package for `octavo fit`."""
    from bench.costs import write

    console.print(f"Wrote {write(core=core)}.")


@app.command()
def speed(models: Annotated[list[str] | None, typer.Argument()] = None, repeats: int = 3) -> None:
    """Time and memory against the converter, LiteRT Quantizer and plain inference: resnet8, mobilenet_224."""
    from bench.speed import MODELS, measure

    show("speed", {model: measure(model, repeats) for model in models or MODELS})


@app.command()
def levels(models: Annotated[list[str] | None, typer.Argument()] = None, samples: int = 200, repeats: int = 3) -> None:
    """Time of the levels of effort as multiples of `fast`, int8 and int8x4: resnet8, mobilenet_224."""
    from bench.process import in_process
    from bench.speed import MODELS

    show(
        "levels",
        {
            f"{model} {scheme}": in_process("speed", "levels", model, scheme, samples, repeats)
            for model in models or MODELS
            for scheme in ("int8", "int8x4")
        },
    )


@app.command()
def diagnosis() -> None:
    """CPU time of a diagnosis, mends and all, against a calibration on the same samples: MobileNet at 224x224."""
    from bench.diagnosis import measure

    show("diagnosis", measure())


@app.command()
def supervise(models: Annotated[list[str] | None, typer.Argument()] = None, repeats: int = 5) -> None:
    """Time of verification and calibration in child processes against the same in this one: resnet8, mobilenet_224."""
    from bench.supervise import MODELS, measure

    show("supervise", {model: measure(model, repeats) for model in models or MODELS})


@app.command()
def training(
    networks: Annotated[list[str] | None, typer.Argument()] = None, seeds: int = 1, backend: str = "tensorflow"
) -> None:
    """Float, QAT and PTQ with the same budget: mnist, resnet8, mobilenet_v1, mobilenet_v2."""
    from bench.networks import WORKS
    from bench.training import measure

    for network in networks or WORKS:
        show(f"training_{network}", measure(network, seeds, backend))


@app.command()
def step_cost(
    networks: Annotated[list[str] | None, typer.Argument()] = None, repeats: int = 5, backend: str = "jax"
) -> None:
    """CPU time of a training step with fake quantization against float."""
    from bench.step_cost import measure

    names = networks or ["mnist", "resnet8", "mobilenet_v1"]
    show("step_cost", {network: measure(network, repeats, backend) for network in names})


@app.command()
def micro(cores: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Instructions, flash and RAM of the int8 networks in C on emulated cores; needs tools/install_emulator.sh."""
    from bench.micro import measure_all, tools

    show("micro", measure_all(cores or ["cortex-m4"]))
    show("micro_tools", {"version": tools()})


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    """Without a command: all of them."""
    if context.invoked_subcommand is None:
        accuracy(None)
        speed(None)
        supervise(None)
        step_cost(None)
        training(None)


def show(name: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Print rows as a table and keep them as JSON."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(rows, indent=2))
    labels, columns = list(rows), list(dict.fromkeys(key for row in rows.values() for key in row))
    cells = [[_cell(rows[label].get(column, "")) for column in columns] for label in labels]
    if len(columns) > len(labels):
        # A line a figure: few models with many figures would be a table too wide to read.
        labels, columns, cells = columns, labels, [list(line) for line in zip(*cells, strict=True)]
    table = Table("", *columns, title=name)
    for label, line in zip(labels, cells, strict=True):
        table.add_row(label, *line)
    console.print(table, f"written to {path}")


def _cell(value: Any) -> str:
    return (
        f"{value:.4g}"
        if isinstance(value, float) and abs(value) >= 1
        else f"{value:.4f}"
        if isinstance(value, float)
        else str(value)
    )


app()
