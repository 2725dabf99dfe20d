"""Search a type for each layer under budgets: measure each choice, choose by a knapsack, make and measure the files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from octavo.board.boards import parse_bytes
from octavo.calibration.fingerprint import fingerprint
from octavo.calibration.ranges import observed_tensors
from octavo.condition import Samples
from octavo.condition.trial import Trial, decibels
from octavo.config import LAYER_TYPES, QuantizeConfig, layer_of_type, unknown_name
from octavo.errors import ConfigError, DatasetError
from octavo.evaluate.memory import Memory, memory
from octavo.ir.types import Graph
from octavo.pipeline import quantize_prepared
from octavo.plan.make import make_plan
from octavo.progress import Progress
from octavo.result import QuantizedModel
from octavo.search.knapsack import least_noise
from octavo.search.sensitivity import Sensitivity, options_of, sensitivities
from octavo.search.state import State
from octavo.stages import Prepared, Source, prepare

# Samples looked at: to round and to measure ranges on, and held out to compare on.
SEEN, HELD_OUT = 192, 64


@dataclass(frozen=True, slots=True)
class Point:
    """A file of a choice of types.

    Attributes:
        types: By layer, of those that are not int8.
        sqnr_db: SQNR found on samples held out, before a last softmax.
        memory: What it takes.
        quantized: The model.
    """

    types: Mapping[str, str]
    sqnr_db: float
    memory: Memory
    quantized: QuantizedModel

    def fits(self, flash: int | None, ram: int | None) -> bool:
        """Whether it fits into bytes of flash and of RAM; an unknown arena fits no RAM."""
        arena = self.memory.arena_bytes
        return (flash is None or self.memory.file_bytes <= flash) and (
            ram is None or (arena is not None and arena <= ram)
        )


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found.

    Attributes:
        table: What each layer loses at each type.
        points: All files made, by falling size.
        chosen: The file of the highest SQNR that fits, or None.
        config: What all files have in common.
        flash, ram: Bytes that a file and its arena may take; None where there is no limit.
    """

    table: tuple[Sensitivity, ...]
    points: tuple[Point, ...]
    chosen: Point | None
    config: QuantizeConfig
    flash: int | None = None
    ram: int | None = None

    @property
    def front(self) -> tuple[Point, ...]:
        """The files that no other one beats in size and in SQNR, by falling size."""
        front: list[Point] = []
        for point in sorted(self.points, key=lambda each: (each.memory.file_bytes, -each.sqnr_db)):
            if not front or point.sqnr_db > front[-1].sqnr_db:
                front.append(point)
        return tuple(reversed(front))

    def command(self, point: Point, model: str, data: str) -> str:
        """The command line that makes a file again."""
        layers = (f"--layer {shlex.quote(f'{name}={kind}')}" for name, kind in point.types.items())
        effort = f"--effort {self.config.effort} --seed {self.config.seed}"
        return " ".join(("octavo quantize", shlex.quote(model), "--data", shlex.quote(data), effort, *layers))

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""

        def plain(point: Point) -> dict[str, object]:
            return {"types": dict(point.types), "sqnr_db": point.sqnr_db, **point.memory.to_dict()}

        return {
            "table": [asdict(row) for row in self.table],
            "points": [plain(point) for point in self.points],
            "front": [plain(point) for point in self.front],
            "chosen": None if self.chosen is None else plain(self.chosen),
            "flash_bytes": self.flash,
            "ram_bytes": self.ram,
        }


def search(
    model: Any,
    data: Any,
    *,
    flash: str | int | None = None,
    ram: str | int | None = None,
    types: Sequence[str] = ("int4",),
    points: int = 5,
    config: QuantizeConfig | None = None,
    samples: int | None = None,
    integer_divisor: float | None = None,
    state: str | Path | None = None,
    allow: Sequence[str] = (),
    progress: Progress | None = None,
) -> Search:
    """Find types of layers that lose little within budgets of flash and RAM.

    Each layer is measured at each type, the others in int8; a knapsack takes the types of least noise within a number
    of bytes; the files of some numbers of bytes, the budget among them, are made and measured.

    Args:
        model, data, samples, integer_divisor, allow, progress: As for `octavo.quantize`; `data` are samples.
        flash, ram: Bytes, or a number with KB or MB, of the file and of the arena in TensorFlow Lite Micro.
        types: Types beside int8: "int4" weights, "int16" activations, "float32".
        points: How many sizes of files are tried between the smallest and that of int8, at least 2.
        config: Options of all files, by the scheme int8; None takes `effort="good"`.
        state: A file that keeps what was measured, so that a search that was interrupted goes on.

    Raises:
        ConfigError: for an unknown type or size, or another scheme.
        DatasetError: without samples, or fewer than two.
        ModelFileError, UnsupportedLayerError: if the model cannot be loaded.
    """
    config = config or QuantizeConfig(effort="good")
    _check(config, types, points)
    limits = [None if size is None else parse_bytes(size) for size in (flash, ram)]
    prepared = prepare(model, allow)
    seen, held_out = _parts(prepared, Source(data, samples, integer_divisor))
    graph, plan = prepared.graph, make_plan(prepared.graph, config)
    trial = Trial.of(graph, plan, config.range_estimator, seen, held_out)
    source = Source(dict(trial.seen), integer_divisor=1)
    again = Samples(source.data, tuple(graph.tensors[name] for name in graph.inputs), 1)
    kept = State(None if state is None else Path(state), _key(graph, config, trial, types))
    rows: list[Sensitivity] = []
    for row in sensitivities(graph, config, trial, again, tuple(types), kept.read()):
        rows.append(row)
        kept.write(rows)
        if progress is not None:
            progress("measure layers", len(rows), None)
    table = tuple(rows)
    made: dict[tuple[tuple[str, str], ...], Point] = {}
    for done, wanted in enumerate(_sizes(table, prepared, config, source, points, limits[0])):
        if progress is not None:
            progress("search", done, None)
        if wanted is not None and _key_of(wanted) not in made:
            made[_key_of(wanted)] = _point(prepared, config, source, trial, wanted)
    found = tuple(sorted(made.values(), key=lambda point: -point.memory.file_bytes))
    fitting = [point for point in found if point.fits(*limits)]
    chosen = max(fitting, key=lambda point: (point.sqnr_db, -point.memory.file_bytes), default=None)
    return Search(table, found, chosen, config, *limits)


def _check(config: QuantizeConfig, types: Sequence[str], points: int) -> None:
    """Refuse what cannot be searched.

    Raises:
        ConfigError: naming it.
    """
    known = tuple(name for name in LAYER_TYPES if name != "int8")
    for name in types:
        if name not in known:
            raise unknown_name("type of a layer", name, known)
    if config.scheme != "int8" or points < 2:
        raise ConfigError(
            "a search mixes other types into an int8 model, at two sizes or more.",
            got=f"scheme '{config.scheme}' and {points} points",
            expected="scheme 'int8' and at least 2 points",
            fix="search with scheme='int8' and points=5; what is mixed in, types=['int4'] says",
        )


def _parts(prepared: Prepared, source: Source) -> tuple[tuple[dict[str, np.ndarray], ...], ...]:
    """Samples to look at, and samples held out.

    Raises:
        DatasetError: if there are not both.
    """
    taken = source.read_again(prepared).some(SEEN + HELD_OUT)
    if len(taken) < 2:
        raise DatasetError(
            "a search needs samples to look at and others to compare on.",
            got="1 sample",
            expected="some hundred",
            fix="pass data=x_train[:256]",
        )
    held = max(1, len(taken) * HELD_OUT // (SEEN + HELD_OUT))
    return taken[:-held], taken[-held:]


def _key(graph: Graph, config: QuantizeConfig, trial: Trial, types: Sequence[str]) -> str:
    """What measurements depend on; those of another are not taken."""
    numbers = (
        float(np.asarray(values, np.float64).sum()) for values in (*trial.seen.values(), *trial.held_out.values())
    )
    made_by = replace(config, estimator=config.range_estimator.name)
    return repr((fingerprint(graph, observed_tensors(graph, trial.plan)), made_by, tuple(types), *numbers))


def _sizes(
    table: Sequence[Sensitivity],
    prepared: Prepared,
    config: QuantizeConfig,
    source: Source,
    points: int,
    flash: int | None,
) -> Iterator[dict[str, str] | None]:
    """Choices of types by falling size, int8 throughout first; the one for the budget last."""
    options = options_of(table)
    largest = sum(row.file_bytes for row in table if row.type == "int8")
    smallest = sum(min(option.file_bytes for option in each) for each in options.values())
    yield {}
    for share in np.linspace(1, 0, points)[1:]:
        yield least_noise(options, smallest + share * (largest - smallest))
    if flash is not None:
        whole = quantize_prepared(prepared, replace(config, verify="off", effort="fast"), source)
        yield least_noise(options, flash - (len(whole.model) - largest))


def _key_of(types: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((layer, name) for layer, name in types.items() if name != "int8")


def _point(
    prepared: Prepared,
    config: QuantizeConfig,
    source: Source,
    trial: Trial,
    types: Mapping[str, str],
) -> Point:
    """The file of a choice of types."""
    others = dict(_key_of(types))
    own = (*(layer_of_type(layer, name) for layer, name in others.items()), *config.layers)
    made = quantize_prepared(prepared, replace(config, layers=own), source)
    return Point(others, decibels(trial.noise(made.graph)), memory(made.model), made)
