"""Does it fit: a file, or every scheme of a float model, on a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from octavo.board.boards import Board, board_of
from octavo.config import SCHEMES, QuantizeConfig, scheme_named
from octavo.dtypes import DType
from octavo.errors import ModelFileError, RuntimeEndedError
from octavo.evaluate.proof import random_samples
from octavo.footprint.measure import footprint
from octavo.footprint.parts import Footprint
from octavo.ir.samples import stacked
from octavo.ir.types import Graph
from octavo.load.paths import existing, model_bytes
from octavo.load.tflite import read_tflite
from octavo.pipeline import is_quantization_aware, quantize, quantize_prepared
from octavo.progress import Progress
from octavo.report.footprint import footprint_lines, ways_table
from octavo.report.tables import as_markdown
from octavo.result import QuantizedModel
from octavo.stages import Source, prepare


@dataclass(frozen=True, slots=True)
class Fitting:
    """Models on a board: one, or one a scheme.

    Attributes:
        board: The board.
        rows: What each takes, in the order of the schemes.
        failures: (scheme, why there is no file) likewise.
    """

    board: Board
    rows: tuple[Footprint, ...]
    failures: tuple[tuple[str, str], ...] = ()

    @property
    def fits(self) -> bool:
        """Whether one of them fits."""
        return any(row.fits for row in self.rows)

    def __str__(self) -> str:
        tables = [*as_markdown(ways_table(self.board, self.rows)), ""]
        return "\n".join([*tables, *(line for row in self.rows for line in footprint_lines(row))])

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "board": self.board.name,
            "fits": self.fits,
            "rows": [row.to_dict() for row in self.rows],
            "failures": [{"name": name, "what": what} for name, what in self.failures],
        }


def fit(
    model: Any,
    board: str | None = None,
    *,
    flash: str | int | None = None,
    ram: str | int | None = None,
    schemes: Sequence[str] = tuple(SCHEMES),
    data: Any = None,
    allow: Sequence[str] = (),
    progress: Progress | None = None,
) -> Fitting:
    """What a model takes of a board: flash, RAM, instructions and time, as generated C and in TensorFlow Lite Micro.

    Nothing is built for it: constants and arena are counted, code and instructions estimated from what the kernels were
    measured to take.

    Args:
        model: A .tflite file of any maker, as path or bytes, or a `QuantizedModel`; or a float model as for
            `octavo.quantize`, which is then quantized by every scheme.
        board: A name of `octavo fit --boards`; without one the budgets are those of a Cortex-M4, or all are taken
            from the Arduino Nano 33 BLE Sense.
        flash, ram: Bytes, or a number with KB or MB; instead of the board's own.
        schemes: Of a float model.
        data: Its representative dataset. What a model takes does not depend on it: random numbers do where there is
            none.
        allow, progress: As for `octavo.quantize`.

    Raises:
        ConfigError: for an unknown board or scheme, or a size that cannot be read.
        ModelFileError: if the file cannot be read.
    """
    place = board_of(board, flash, ram)
    if is_quantization_aware(model):
        model = quantize(model)
    if isinstance(model, QuantizedModel):
        return Fitting(place, (footprint(model.model, model.graph, place, model.scheme.name, build=True),))
    content, name = _content(model)
    if content is not None and not is_float(graph := read_tflite(content)):
        return Fitting(place, (footprint(content, graph, place, name, build=True),))
    return _every_scheme(model, place, schemes, data, allow, progress)


def is_float(graph: Graph) -> bool:
    """Whether nothing in a graph is quantized."""
    return all(tensor.quantization is None and tensor.dtype is not DType.FLOAT16 for tensor in graph.tensors.values())


def _content(model: Any) -> tuple[bytes | None, str]:
    """The bytes of a .tflite file and its name; None of anything else."""
    if isinstance(model, (bytes, bytearray)):
        return bytes(model), ""
    if isinstance(model, (str, PathLike)) and Path(model).suffix == ".tflite":
        path = existing(Path(model))
        return model_bytes(path), path.stem
    return None, ""


def _every_scheme(
    model: Any, board: Board, schemes: Sequence[str], data: Any, allow: Sequence[str], progress: Progress | None
) -> Fitting:
    for name in schemes:
        scheme_named(name)
    prepared = prepare(model, allow)
    samples = data if data is not None else _random(prepared.graph)
    rows, failures = [], []
    for done, name in enumerate(schemes):
        if progress is not None:
            progress(name, done, len(schemes))
        try:
            source = Source(samples if scheme_named(name).needs_data else None)
            made = quantize_prepared(prepared, QuantizeConfig(name, effort="fast", verify="off"), source)
            rows.append(footprint(made.model, made.graph, board, name))
        except (ModelFileError, RuntimeEndedError) as error:
            failures.append((name, error.what))
    return Fitting(board, tuple(rows), tuple(failures))


def _random(graph: Graph) -> dict[str, np.ndarray]:
    """Samples that stand for a representative dataset where only sizes matter."""
    samples = random_samples(graph, 0)
    return stacked(samples, graph.inputs)
