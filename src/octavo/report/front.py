"""The picture of a search: every file by its size and its SQNR, and the front that none beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from octavo.errors import OutputError
from octavo.report.plots import FAINT, INK, INTEGER, MERGED, REAL, new_figure

ENDINGS = (".png", ".svg")


@dataclass(frozen=True, slots=True)
class Mark:
    """A file.

    Attributes:
        file_bytes: Its size.
        sqnr_db: How far its outputs stand above their difference from float.
        on_front: Whether no other file is both smaller and better.
        chosen: Whether it is the one that was taken.
    """

    file_bytes: int
    sqnr_db: float
    on_front: bool
    chosen: bool


def check_ending(option: str, path: Path) -> None:
    """Refuse a name that no picture has.

    Raises:
        OutputError: naming the option.
    """
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(
            f"'{path}' is no name of a picture.",
            got=f"the ending '{path.suffix}'" if path.suffix else "no ending",
            expected=f"one of {', '.join(ENDINGS)}",
            fix=f"say {option} {path.with_suffix('.png')}",
        )


def front_picture(marks: Sequence[Mark], flash_bytes: int | None, ending: str) -> bytes:
    """Draw files against each other.

    Args:
        marks: The files.
        flash_bytes: What a file may take, drawn as a line; None for no line.
        ending: One of `ENDINGS`.

    Returns:
        The picture's file.

    Raises:
        MissingDependencyError: without matplotlib.
    """
    figure = new_figure(8, 5)
    import matplotlib

    axes = figure.subplots()
    front = sorted((mark for mark in marks if mark.on_front), key=lambda mark: mark.file_bytes)
    others = [mark for mark in marks if not mark.on_front]
    axes.plot(*_places(others), "o", color=FAINT, label="another is smaller and better")
    axes.plot(*_places(front), "o-", color=REAL, label="the front: none is both smaller and better")
    for mark in marks:
        if mark.chosen:
            text = f"chosen: {mark.file_bytes:,} bytes, {mark.sqnr_db:.1f} dB"
            axes.plot(*_places([mark]), "o", color=MERGED, markersize=12, label=text)
    if flash_bytes is not None:
        axes.axvline(flash_bytes / 1000, color=INTEGER, linestyle="--", label=f"room: {flash_bytes:,} bytes")
    axes.set_title("Size and SQNR of every file that was made", loc="left", weight="bold", color=INK)
    axes.set_xlabel("file, thousand bytes")
    axes.set_ylabel("SQNR of the outputs, dB")
    axes.margins(0.1)
    axes.grid(color=FAINT, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    buffer = BytesIO()
    # The same bytes for the same files.
    with matplotlib.rc_context({"svg.hashsalt": "octavo"}):
        told = {"Date": None} if ending == ".svg" else {"Software": None}
        figure.savefig(buffer, format=ending[1:], dpi=130, metadata=told)
    return buffer.getvalue()


def _places(marks: Sequence[Mark]) -> tuple[list[float], list[float]]:
    return [mark.file_bytes / 1000 for mark in marks], [mark.sqnr_db for mark in marks]
