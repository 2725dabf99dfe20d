"""Errors have four parts, everywhere; a run of the whole suite fails where one is made in no test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import errors_made
import octavo.errors
import source_tree
from errors_made import KINDS, error_places
from source_tree import PACKAGE

PARTS = {"got", "expected", "fix"}

CONFTEST = """
from errors_made import ErrorsMade

def pytest_configure(config):
    config.pluginmanager.register(ErrorsMade(config))
"""
LIBRARY = """
from octavo.errors import ConfigError

def low():
    raise ConfigError("too low.", got="1", expected="2", fix="add one")

def high():
    return ConfigError(
        "too high.", got="3", expected="2", fix="take one away"
    )
"""
TEST_LOW = """
import pytest
from octavo.library import low

def test_low():
    with pytest.raises(Exception, match="fix: +add one"):
        low()

def test_nothing():
    pass
"""
TEST_HIGH = """
from octavo.library import high

def test_high():
    assert "take one away" in str(high())
"""
TEST_ABSENT = """
import pytest

pytest.importorskip("abacus")
"""


def test_every_error_made_in_the_source_has_what_got_expected_and_fix() -> None:
    incomplete = [
        where
        for where, call in error_places().items()
        if len(call.args) != 1 or {word.arg for word in call.keywords} != PARTS
    ]
    assert not incomplete


def test_every_kind_of_error_is_made_somewhere() -> None:
    made = {call.func.id for call in error_places().values()}
    parents = {base.__name__ for name in KINDS for base in getattr(octavo.errors, name).__bases__}
    assert KINDS - parents <= made


def test_the_tree_drawn_in_the_docstring_is_the_tree_of_classes() -> None:
    drawing = octavo.errors.__doc__ or ""
    assert all(name in drawing for name in KINDS)


@pytest.fixture
def small_suite(tmp_path: Path) -> Path:
    """A package that makes two errors, and a suite whose one test makes one of them, noted as in this suite."""
    package, suite = tmp_path / "src" / "octavo", tmp_path / "tests"
    package.mkdir(parents=True)
    suite.mkdir()
    shutil.copy(PACKAGE / "errors.py", package)
    (package / "__init__.py").touch()
    (package / "library.py").write_text(LIBRARY)
    for module in (errors_made, source_tree):
        shutil.copy(str(module.__file__), suite)
    (suite / "conftest.py").write_text(CONFTEST)
    (suite / "test_low.py").write_text(TEST_LOW)
    return tmp_path


def ended(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("workers", [(), ("-n", "2", "--dist", "loadfile")], ids=["one process", "two workers"])
def test_a_whole_run_fails_and_lists_what_no_test_made(small_suite: Path, workers: tuple[str, ...]) -> None:
    run = ended(small_suite, *workers, "tests")
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "octavo.library:8  ConfigError('too high.')" in run.stdout
    assert "too low." not in run.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "2", "--dist", "loadfile")], ids=["one process", "two workers"])
def test_what_the_tests_of_several_files_make_is_gathered(small_suite: Path, workers: tuple[str, ...]) -> None:
    (small_suite / "tests" / "test_high.py").write_text(TEST_HIGH)
    run = ended(small_suite, *workers, "tests")
    assert run.returncode == pytest.ExitCode.OK
    assert "errors that no test made" not in run.stdout


@pytest.mark.parametrize(
    "choice", [("tests/test_low.py",), ("tests", "-k", "low"), ("tests", "--co")], ids=lambda choice: choice[-1]
)
def test_a_run_of_some_tests_is_not_judged(small_suite: Path, choice: tuple[str, ...]) -> None:
    run = ended(small_suite, *choice)
    assert run.returncode == pytest.ExitCode.OK
    assert "errors that no test made" not in run.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_skipped_test_excuses_what_no_test_made(small_suite: Path, workers: tuple[str, ...]) -> None:
    (small_suite / "tests" / "test_absent.py").write_text(TEST_ABSENT)
    run = ended(small_suite, *workers, "tests")
    assert run.returncode == pytest.ExitCode.OK
    assert "octavo.library:8  ConfigError('too high.')" in run.stdout
    assert "The skipped tests may be those that make them." in run.stdout
