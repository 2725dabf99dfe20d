"""Settings of the whole test suite; modules beside this file can be imported by every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from errors_made import ErrorsMade

os.environ.setdefault("KERAS_BACKEND", "jax")
# Several processes test side by side; threads of each that wait for a core in a busy loop take it from the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run be exhaustive."""
    parser.addoption("--exhaustive", action="store_true", help="run the tests marked exhaustive, and more vectors")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only an exhaustive run is for."""
    if config.getoption("exhaustive"):
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_configure(config: pytest.Config) -> None:
    """Let a run of the whole suite tell which errors no test made."""
    config.pluginmanager.register(ErrorsMade(config))


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that takes no files from this user; root is only stopped by the kernel's own file systems."""
    if os.geteuid() == 0:
        if not Path("/sys").is_dir():
            pytest.skip("root may write everywhere on this system")
        yield Path("/sys")
        return
    tmp_path.chmod(0o500)
    yield tmp_path
    tmp_path.chmod(0o700)
