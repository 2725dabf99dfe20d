"""Search a type for each layer under budgets: measure each choice, choose by a knapsack, make and measure the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from octavo.board.boards import Board, parse_bytes
from octavo.calibration.fingerprint import fingerprint
from octavo.calibration.ranges import observed_tensors
from octavo.condition.trial import Trial
from octavo.config import LAYER_TYPES, QuantizeConfig, unknown_name
from octavo.errors import ConfigError, DatasetError
from octavo.files import made_folder
from octavo.pipeline import quantize_prepared
from octavo.plan.make import make_plan
from octavo.progress import Progress
from octavo.search.candidate import Budgets, Candidate, best
from octavo.search.crew import Crew
from octavo.search.files import Files
from octavo.search.found import Search
from octavo.search.ledger import Ledger
from octavo.search.room import Room
from octavo.search.score import Judge
from octavo.search.sensitivity import live_in, sensitivities
from octavo.search.trials import try_options
from octavo.search.workbench import Workbench
from octavo.stages import Prepared, Source, prepare
from octavo.version import VERSION

# Samples looked at: to round and to measure ranges on, and held out to compare on.
SEEN, HELD_OUT = 256, 128
# What was measured, in the folder of a search.
LEDGER = "measured.json"


def search(
    model: Any,
    data: Any,
    *,
    flash: str | int | None = None,
    ram: str | int | None = None,
    board: Board | None = None,
    types: Sequence[str] = ("int4",),
    points: int = 5,
    trials: int = 0,
    swaps: int = 8,
    test: Any = None,
    metric: str | None = None,
    config: QuantizeConfig | None = None,
    samples: int | None = None,
    integer_divisor: float | None = None,
    folder: str | Path | None = None,
    workers: int = 1,
    ray: str | None = None,
    allow: Sequence[str] = (),
    progress: Progress | None = None,
) -> Search:
    """Find types of layers that lose little within budgets of flash and RAM.

    Each layer is measured at each type, the others in int8; a knapsack takes the types of least noise within a number
    of bytes; the files of some numbers of bytes, the budget among them, are made and measured on samples held out. The
    best that fits is compared with its neighbours, in which one layer or two are of other types, as long as one is
    better. The best of all is made anew of all samples, and verified.

    Args:
        model, data, samples, integer_divisor, allow, progress: As for `octavo.quantize`; `data` are samples.
        flash, ram: Bytes, or a number with KB or MB, of the file and of the arena in TensorFlow Lite Micro.
        board: What the whole program shall fit on, instead of `flash` and `ram`.
        types: Types beside int8: "int4" weights, "int16" activations, "float32".
        points: How many sizes of files are tried between the smallest and that of int8, at least 2.
        trials: How many files of other options are tried, by Optuna: bytes of constants, estimator and effort, which is
            at most that of `config`.
        swaps: How many neighbours of the best file are tried at most.
        test: Held-out samples with labels, as for `octavo.compare`: of the files that no other one beats, the one that
            is best by them is chosen. Without, it is the one of least noise.
        metric: Name of a metric of theirs, Octavo's or Keras's; None takes what suits the labels.
        config: Options of all files, by the scheme int8; None takes `effort="good"`.
        folder: Keeps what was measured, so that a search that was interrupted goes on.
        workers: Processes that measure; what is found does not depend on how many.
        ray: Address of a Ray cluster that measures instead: "auto", "ray://host:port", or "local" for a new one here.

    Raises:
        ConfigError: for an unknown type, size or metric, another scheme, a number out of range, or a metric without
            labels.
        DatasetError: without samples, or fewer than two, and for a test set that does not fit.
        ModelFileError, UnsupportedLayerError: if the model cannot be loaded.
        MissingDependencyError: for trials without Optuna, or a cluster without Ray.
        OutputError: if the folder cannot be written to.
        RuntimeEndedError: if a candidate ends process after process.
    """
    # Budgets decide the types, and nothing else.
    config = replace(config or QuantizeConfig(effort="good"), mix=False)
    _check(config, types, points, (trials, swaps), workers)
    budgets = (
        Budgets(*(None if size is None else parse_bytes(size) for size in (flash, ram)))
        if board is None
        else Budgets(board.flash_bytes, board.ram_bytes)
    )
    source = Source(data, samples, integer_divisor)
    prepared = prepare(model, allow, data=data)
    judge = Judge.of(test, metric, prepared, source.divisor_for(prepared))
    reached = None if judge is None else judge.score(quantize_prepared(prepared, QuantizeConfig("float32"), source))
    bench = workbench(prepared, config, source, board)
    place = None if folder is None else made_folder(Path(folder))
    ledger = Ledger.opened(None if place is None else place / LEDGER, _key(bench))
    with Crew(bench, ledger, workers, progress, ray) as crew:
        table, files = sensitivities(bench, types, crew), Files(crew)
        (int8,) = files.costs([Candidate()])
        room = Room.beside(int8, table, budgets, live_in(bench.graph, bench.trial.plan))
        files.costs(map(Candidate.of, room.choices(points)))
        if trials:
            try_options(files, room, budgets, trials, place, repr((ledger.key, budgets, tuple(types))))
        files.refine(room, budgets, swaps)
        if judge is not None:
            files.judge(judge, budgets)
    chosen = best(files.points, budgets)
    made = None if chosen is None else quantize_prepared(bench.prepared, chosen.candidate.config(config), source)
    scores = None if judge is None or reached is None or made is None else (judge.score(made), reached)
    return Search(table, tuple(files.points), budgets, chosen, made, config, source, tuple(allow), scores)


def workbench(prepared: Prepared, config: QuantizeConfig, source: Source, board: Board | None = None) -> Workbench:
    """A network on some of its samples, and on others that are held out.

    Raises:
        DatasetError: if there are not both.
    """
    taken = source.read_again(prepared).some(SEEN + HELD_OUT)
    if len(taken) < 2:
        raise DatasetError(
            "a search needs samples to look at and others to compare on.",
            got="1 sample",
            expected="some hundred",
            fix="pass data=x_train[:500]",
        )
    held = max(1, len(taken) * HELD_OUT // (SEEN + HELD_OUT))
    plan = make_plan(prepared.graph, config)
    trial = Trial.of(prepared.graph, plan, config.range_estimator, taken[:-held], taken[-held:])
    return Workbench(prepared, config, trial, board)


def _check(config: QuantizeConfig, types: Sequence[str], points: int, more: Sequence[int], workers: int) -> None:
    """Refuse what cannot be searched.

    Raises:
        ConfigError: naming it.
    """
    known = tuple(name for name in LAYER_TYPES if name != "int8")
    for name in types:
        if name not in known:
            raise unknown_name("type of a layer", name, known)
    if config.scheme != "int8" or points < 2 or min(more) < 0 or workers < 1:
        raise ConfigError(
            "a search mixes other types into an int8 model, at two sizes or more, in one process or more.",
            got=f"scheme '{config.scheme}', {points} points, {more[0]} trials, {more[1]} swaps, {workers} workers",
            expected="scheme 'int8', at least 2 points and 1 worker, no number below 0",
            fix="search with scheme='int8' and points=5; what is mixed in, types=['int4'] says",
        )


def _key(bench: Workbench) -> str:
    """What measurements depend on; those of another are not taken."""
    trial = bench.trial
    numbers = (
        float(np.asarray(values, np.float64).sum()) for values in (*trial.seen.values(), *trial.held_out.values())
    )
    made_by = replace(bench.config, estimator=bench.config.range_estimator.name)
    measured_on = fingerprint(bench.graph, observed_tensors(bench.graph, trial.plan))
    return repr((VERSION, measured_on, made_by, bench.board and bench.board.name, *numbers))
