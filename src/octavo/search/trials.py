"""Options of the whole quantization beside types of layers, tried by Optuna: more SQNR, fewer bytes.

Source: Akiba et al. 2019, "Optuna: A Next-generation Hyperparameter Optimization Framework"; the sampler is that of
Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization" (TPE), for several objectives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.config import EFFORTS, QuantizeConfig
from octavo.errors import MissingDependencyError
from octavo.numerics.estimators import ESTIMATORS
from octavo.search.candidate import Budgets, Candidate, Cost
from octavo.search.files import Files
from octavo.search.room import Room

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial

# Trials that are asked for before the first of them is told: the same for any number of workers.
ROUND = 4
# Shares of values, in percent, that a percentile may keep.
PERCENTILES = (99.0, 100.0)
# Attribute of the trials that were told; others were interrupted.
TOLD = "told"


def try_options(files: Files, room: Room, budgets: Budgets, count: int, folder: Path | None, key: str) -> None:
    """Make files of so many trials in all: the bytes of constants, the estimator of ranges, and the level of effort.

    What is asked for follows from the trials that were told before, and from a seed of each round; so it is the same
    for any number of workers, and after an interruption.

    Args:
        files: Where the files go.
        room: What types may take.
        budgets: What trials should keep.
        count: Those of earlier runs counted in.
        folder: Keeps the trials, in a journal of Optuna; None forgets them.
        key: What they depend on.

    Raises:
        MissingDependencyError: without Optuna.
        OutputError: if the folder cannot be written to.
    """
    optuna, config = _optuna(), files.crew.bench.config
    with _quiet(optuna):
        study = _study(optuna, folder, key)
        while (told := len(_told(study))) < count:
            study.sampler = optuna.samplers.TPESampler(seed=config.seed + told // ROUND, n_startup_trials=2 * ROUND)
            asked = [study.ask() for _ in range(min(ROUND, count - told))]
            candidates = [_candidate(trial, room, config) for trial in asked]
            costs = iter(files.costs(each for each in candidates if each is not None))
            for trial, candidate in zip(asked, candidates, strict=True):
                _tell(optuna, study, trial, None if candidate is None else next(costs), budgets)
        # The files of an earlier run are those of this one, too.
        earlier = (_candidate(each, room, config) for each in _told(study)[:count])
        files.costs(each for each in earlier if each is not None)


def _candidate(trial: Any, room: Room, config: QuantizeConfig) -> Candidate | None:
    """What a trial asks for; None where no types keep its bytes."""
    levels = tuple(EFFORTS)
    known = levels[min(1, levels.index(config.effort)) : levels.index(config.effort) + 1]
    share = trial.suggest_float("share", 0.0, 1.0)
    options: dict[str, Any] = {"estimator": trial.suggest_categorical("estimator", tuple(ESTIMATORS))}
    if options["estimator"] == "percentile":
        options["percentile"] = round(trial.suggest_float("percentile", *PERCENTILES), 4)
    options["effort"] = trial.suggest_categorical("effort", known)
    types = room.choice(share)
    others = {name: value for name, value in options.items() if value != getattr(config, name)}
    return None if types is None else Candidate.of(types, **others)


def _tell(optuna: Any, study: Study, trial: Trial, cost: Cost | None, budgets: Budgets) -> None:
    """Tell what a file costs; a trial without one has failed."""
    trial.set_user_attr(TOLD, True)
    if cost is None or not np.isfinite(cost.noise):
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    for name, room, used in (("flash", budgets.flash, cost.flash_bytes), ("ram", budgets.ram, cost.ram_bytes)):
        if room is not None and used is not None:
            trial.set_constraint(name, used - room)
    study.tell(trial, [cost.sqnr_db, float(cost.file_bytes)])


def _told(study: Study) -> list[Any]:
    return [trial for trial in study.get_trials(deepcopy=False) if TOLD in trial.user_attrs]


def _study(optuna: Any, folder: Path | None, key: str) -> Study:
    """A new study, or that of the same search in the folder; what was asked there and never told has failed."""
    storage = None
    if folder is not None:
        journal = optuna.storages.journal
        storage = optuna.storages.JournalStorage(journal.JournalFileBackend(str(folder / "trials.log")))
    study: Study = optuna.create_study(
        storage=storage,
        study_name=hashlib.sha256(key.encode()).hexdigest()[:16],
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without Optuna's own lines on standard error."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingDependencyError(
            "trials of a search need Optuna.",
            got=f"no optuna ({error})",
            expected="optuna 5 or later",
            fix='pip install "octavo[search]"',
        ) from error
    return optuna
