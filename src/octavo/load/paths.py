"""Paths as users mistype them."""

from __future__ import annotations

import difflib
from pathlib import Path

from octavo.errors import ModelFileError


def existing(path: Path) -> Path:
    """The path itself, if there is something.

    Raises:
        ModelFileError: if not; the closest name beside it is offered.
    """
    if path.exists():
        return path
    beside = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.5)
    raise ModelFileError(
        f"'{path}' does not exist.",
        got="nothing at this path" if path.parent.is_dir() else f"no folder '{path.parent}'",
        expected="a model file or a SavedModel folder",
        fix=f"did you mean '{path.parent / close[0]}'?" if close else "check the path, or save the model there first",
    )
