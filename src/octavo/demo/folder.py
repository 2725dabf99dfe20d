"""A folder that appears whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from octavo.errors import OutputError

MARKER = "overview.md"
"""The file by which a folder is known to be an earlier demo's, which may be replaced."""


def check_replaceable(path: Path) -> None:
    """Refuse a place that holds something else than an earlier demo, before any work is done.

    Raises:
        OutputError: if it does, or if no folder can be made there.
    """
    if path.exists() and not (path.is_dir() and (not any(path.iterdir()) or (path / MARKER).is_file())):
        raise OutputError(
            f"'{path}' holds something that is not an earlier demo.",
            got="a folder with other files in it" if path.is_dir() else "a file",
            expected="a new place, an empty folder, or an earlier demo",
            fix="choose another folder: --out my-demo",
        )
    with whole_folder(path, keep=False):
        pass


@contextmanager
def whole_folder(path: Path, *, keep: bool = True) -> Iterator[Path]:
    """Fill a folder beside its place, then move it there; if the block fails, nothing is left.

    Args:
        path: The folder's place. What stands there is replaced.
        keep: False only tries whether a folder can be made there.

    Yields:
        The folder to fill.

    Raises:
        OutputError: if it cannot be made, filled or moved.
    """
    place = path.resolve()
    beside = place.parent / f".octavo-{secrets.token_hex(8)}"
    try:
        beside.mkdir()
        yield beside
        if keep:
            _replace(place, beside)
    except OSError as error:
        raise OutputError(
            f"the folder '{path}' could not be written.",
            got=error.strerror or str(error),
            expected="a place that may be written to, on a disk with room, in a folder that exists",
            fix="choose another place: --out FOLDER",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _replace(place: Path, beside: Path) -> None:
    """Move `beside` to `place`; what was there is kept until the new folder stands."""
    old = beside.with_name(beside.name + "-old")
    if place.exists():
        place.rename(old)
    try:
        beside.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)
