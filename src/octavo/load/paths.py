"""Paths as users mistype them."""

from __future__ import annotations

import difflib
from pathlib import Path

from octavo.errors import ModelFileError
from octavo.limits import unreadable

KERAS_ENDINGS = (".keras", ".h5", ".hdf5")


def existing(path: Path) -> Path:
    """The path itself, if there is something.

    Raises:
        ModelFileError: if not; the closest name beside it is offered.
    """
    try:
        if path.exists():
            return path
        if path.is_symlink():
            raise _closed(path, "a symbolic link that leads nowhere, or in a circle")
        beside = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
    except OSError as error:
        raise _closed(path, error.strerror or str(error)) from error
    close = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.5)
    raise ModelFileError(
        f"'{path}' does not exist.",
        got="nothing at this path" if path.parent.is_dir() else f"no folder '{path.parent}'",
        expected="a model file or a SavedModel folder",
        fix=f"did you mean '{path.parent / close[0]}'?" if close else "check the path, or save the model there first",
    )


def existing_file(path: Path) -> Path:
    """The path itself, if there is a regular file of a size that is read.

    Raises:
        ModelFileError: if not.
    """
    problem = unreadable(existing(path))
    if problem is not None:
        raise _closed(path, problem)
    return path


def model_bytes(path: Path) -> bytes:
    """The content of a model file.

    Raises:
        ModelFileError: as `existing_file`, and if the system does not let us read it.
    """
    try:
        return existing_file(path).read_bytes()
    except OSError as error:
        raise _closed(path, error.strerror or str(error)) from error


def _closed(path: Path, problem: str) -> ModelFileError:
    return ModelFileError(
        f"'{path}' cannot be read.",
        got=problem,
        expected="a regular file that holds a model",
        fix="check the path and its permissions",
    )
