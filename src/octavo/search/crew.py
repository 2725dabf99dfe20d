"""Who measures: this process, or several others; what one of them had in hand when it died is given to another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Self

from octavo.errors import RuntimeEndedError, RuntimeLimitError
from octavo.progress import Progress
from octavo.run.supervised import Remote
from octavo.run.worker import stop_children
from octavo.search.ledger import Ledger
from octavo.search.on_ray import each_on_ray
from octavo.search.workbench import Workbench

# A child that works on a candidate may take so many times the limit of one sample.
UNITS = 100
# How often a job is given to another child when one dies over it.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Job:
    """A function of a workbench and these arguments, which can be imported elsewhere; its result is plain for JSON."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Crew:
    """Works on jobs; the results do not depend on how many work.

    Attributes:
        bench: What they work on.
        ledger: Where each result goes as soon as it is there; what it holds is not worked out again.
        workers: Processes; 1 is this one.
        progress: Told of every result.
        ray: Address of a Ray cluster, whose processes work instead; None for none.
    """

    bench: Workbench
    ledger: Ledger
    workers: int = 1
    progress: Progress | None = None
    ray: str | None = None
    _idle: deque[Remote[Workbench]] = field(default_factory=deque)
    _all: list[Remote[Workbench]] = field(default_factory=list)

    def results(self, stage: str, jobs: Mapping[str, Job]) -> dict[str, Any]:
        """The results of jobs by their names, in their order.

        Args:
            stage: For the progress.
            jobs: By name.

        Raises:
            RuntimeEndedError: if one ends process after process; and whatever a job raises.
        """
        known = self.ledger.results
        open_jobs = {name: job for name, job in jobs.items() if name not in known}
        done = len(jobs) - len(open_jobs)
        with closing(self._each(open_jobs)) as arriving:
            for name, result in arriving:
                self.ledger.add(name, result)
                done += 1
                if self.progress is not None:
                    self.progress(stage, done, len(jobs))
        return {name: known[name] for name in jobs}

    def process_ids(self) -> tuple[int, ...]:
        """Of the other processes that work."""
        return tuple(remote.process_id for remote in self._all if remote.alive)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for remote in self._all:
            remote.close()

    def _each(self, jobs: Mapping[str, Job]) -> Generator[tuple[str, Any]]:
        """(name, result) as they come."""
        if self.ray is not None and jobs:
            calls = {name: (job.function, job.arguments) for name, job in jobs.items()}
            yield from each_on_ray(self.bench, calls, self.ray)
            return
        if self.workers == 1 or not jobs:
            yield from ((name, job.function(self.bench, *job.arguments)) for name, job in jobs.items())
            return
        with ThreadPoolExecutor(self.workers, "search") as pool:
            futures = {pool.submit(self._answer, job): name for name, job in jobs.items()}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                stop_children()
                raise

    def _answer(self, job: Job) -> Any:
        """The result of a job in another process, and in one more if that one dies."""
        for left in reversed(range(TRIES)):
            remote = None
            try:
                remote = self._idle.popleft() if self._idle else self._another()
                result = remote.ask_for("as it measures", UNITS, job.function, *job.arguments)
            except RuntimeEndedError as error:
                # What a child tells of children of its own is an error like any other.
                if (remote is not None and remote.alive) or isinstance(error, RuntimeLimitError) or not left:
                    raise
                continue
            self._idle.append(remote)
            return result
        raise AssertionError

    def _another(self) -> Remote[Workbench]:
        remote = Remote("a search's worker", _held, self.bench)
        self._all.append(remote)
        return remote


def _held(bench: Workbench) -> Workbench:
    return bench
