"""A progress bar on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

Report = Callable[[str, int, int | None], None]


class CountColumn(ProgressColumn):
    """How much is done: of a total where it is known, else how fast it goes."""

    def render(self, task: Task) -> Text:
        """`12/100`; `12, 3.4/s`; nothing of what is not counted."""
        if task.total is not None:
            return Text(f"{task.completed:g}/{task.total:g}")
        if not task.completed:
            return Text("")
        rate = f", {task.speed:.3g}/s" if task.speed else ""
        return Text(f"{task.completed:g}{rate}")


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Show the stage that runs: a bar on a terminal, gone when the block ends; a line a stage anywhere else.

    Yields:
        A function of (stage, done, total); total None where it is not known.
    """
    console = Console(stderr=True)
    with _bar(console) if console.is_terminal else _lines(console) as report:
        yield report


@contextmanager
def _bar(console: Console) -> Iterator[Report]:
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), CountColumn(), TimeElapsedColumn()
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True) as bars:

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                for earlier in tasks.values():
                    bars.update(earlier, visible=False)
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total, visible=True)

        yield report


@contextmanager
def _lines(console: Console) -> Iterator[Report]:
    seen: set[str] = set()

    def report(stage: str, done: int, total: int | None) -> None:
        if stage not in seen:
            seen.add(stage)
            console.print(f"{stage} ...", highlight=False)

    yield report
