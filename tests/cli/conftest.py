"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import Run, runner, save_small_model


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `octavo` in this process, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")
    return runner(capsys)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small .keras file, with samples.npz and test.npz beside it."""
    return save_small_model(tmp_path_factory.mktemp("small"))
