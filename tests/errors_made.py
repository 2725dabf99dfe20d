"""Every error that Octavo can make is made in some test; a run of the whole suite fails where one is not.

The places that can make an error, such as `octavo.files:47`, stand in the source. Those that do are noted while tests
run, in this process and in the workers of pytest-xdist; an error in a program that a test starts does not count. The
two are compared at the end of a run of all tests in which none failed. A skipped test may be the one that makes an
error: where one was skipped, the places are only listed.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path

import pytest

import octavo.errors
from octavo.errors import OctavoError
from source_tree import modules

KINDS = {name for name, kind in inspect.getmembers(octavo.errors, inspect.isclass) if issubclass(kind, OctavoError)}
SUITE = Path(__file__).resolve().parent
CHOICES = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise")


@cache
def error_places() -> dict[str, ast.Call]:
    """Every place of the source that makes an error: its call by 'module:line'."""
    return {
        f"{name}:{node.lineno}": node
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS
    }


def in_words(place: str) -> str:
    """A place with the error it makes, as the source states it."""
    call = error_places()[place]
    return f"{place}  {ast.unparse(call.func)}({ast.unparse(call.args[0])})"


@contextmanager
def noted_in(places: set[str]) -> Iterator[None]:
    """Add the place of every error made inside."""
    make = OctavoError.__init__

    @wraps(make)
    def note_and_make(error: OctavoError, *what: str, **parts: str) -> None:
        caller = sys._getframe(1)
        places.add(f"{caller.f_globals['__name__']}:{caller.f_lineno}")
        make(error, *what, **parts)

    OctavoError.__init__ = note_and_make
    try:
        yield
    finally:
        OctavoError.__init__ = make


def is_whole_suite(config: pytest.Config) -> bool:
    """Whether neither a path nor an option chooses among the tests."""
    paths = [(config.invocation_params.dir / path).resolve() for path in config.args]
    return paths == [SUITE] and not any(getattr(config.option, name, None) for name in CHOICES)


class ErrorsMade:
    """The plugin of pytest that notes, gathers and compares.

    Attributes:
        made: Places that made an error.
        unmade: Places that should have, of a run that is judged.
        excused: Whether skipped tests may be the reason.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.made: set[str] = set()
        self.unmade: list[str] = []
        self.excused = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Note what this process makes."""
        with noted_in(self.made):
            return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Gather what a worker of pytest-xdist made; one that crashed has nothing to tell."""
        self.made.update(getattr(node, "workeroutput", {}).get("errors_made", ()))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Hand over what a worker made; compare in the process that started the run."""
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["errors_made"] = sorted(self.made)
            return
        counts = self.config.pluginmanager.get_plugin("terminalreporter").stats
        if exitstatus == pytest.ExitCode.OK and "passed" in counts and is_whole_suite(self.config):
            self.unmade = [place for place in error_places() if place not in self.made]
            self.excused = "skipped" in counts
        if self.unmade and not self.excused:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the places."""
        if self.unmade:
            terminalreporter.section("errors that no test made", red=not self.excused, yellow=self.excused)
            terminalreporter.line("\n".join(map(in_words, self.unmade)))
            terminalreporter.line(
                "The skipped tests may be those that make them."
                if self.excused
                else "Raise each in a test that matches its fix, or remove it if nothing can reach it."
            )
