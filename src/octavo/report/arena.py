"""The plan of an arena drawn over time: what lies where, while which operator runs."""

from __future__ import annotations

import string
from collections.abc import Sequence
from io import BytesIO

from octavo.board.plan_memory import MemoryPlan
from octavo.report.plots import FAINT, INK, new_figure

LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
ROWS, COLUMNS = 16, 72


def arena_lines(plan: MemoryPlan, rows: int = ROWS, columns: int = COLUMNS) -> list[str]:
    """The arena as text: bytes upwards, operators to the right, a letter a buffer, and what the letters stand for.

    Args:
        plan: With at least one buffer, or there are no lines.
        rows: Height; a row shows what lies in its middle.
        columns: The most that are used for operators; of more of them, evenly spread ones are shown.
    """
    if not plan.buffers:
        return []
    steps = _spread(plan.steps, columns)
    letters = {buffer.name: LETTERS[i % len(LETTERS)] for i, buffer in enumerate(plan.buffers)}
    lines = []
    for row in reversed(range(rows)):
        place = int((row + 0.5) * plan.arena_bytes / rows)
        cells = "".join(_letter(plan, letters, step, place) for step in steps)
        edge = f"{(row + 1) * plan.arena_bytes // rows:>9,}" if row % 4 == 3 or row == rows - 1 else " " * 9
        lines.append(f"{edge} |{cells}|")
    ruler = "".join("|" if step % 10 == 0 else "." for step in steps)
    lines.append(f"{'operator':>9}  {ruler}  0 to {plan.steps - 1}")
    return [*lines, *_legend(plan, letters)]


def arena_picture(plan: MemoryPlan, title: str) -> bytes:
    """The arena as a picture: bytes upwards, operators to the right, a box a buffer.

    Returns:
        A PNG file.

    Raises:
        MissingDependencyError: without matplotlib.
    """
    figure = new_figure(max(7.0, min(16.0, 3 + plan.steps * 0.3)), 5.5)
    axes = figure.subplots()
    for i, buffer in enumerate(plan.buffers):
        width, start = buffer.last - buffer.first + 1, plan.offsets[buffer.name]
        axes.broken_barh(
            [(buffer.first, width)], (start, buffer.size), facecolor=f"C{i % 10}", edgecolor="white", alpha=0.75
        )
        if buffer.size > plan.arena_bytes / 25:
            label = f"{buffer.name.rsplit('/')[0][:14]}\n{buffer.size:,}"
            axes.text(buffer.first + width / 2, start + buffer.size / 2, label, ha="center", va="center", fontsize=6)
    axes.axhline(plan.arena_bytes, color=INK, linewidth=1)
    axes.axhline(plan.lower_bound_bytes, color=FAINT, linestyle="--", linewidth=1)
    axes.set_title(title, loc="left", weight="bold", color=INK)
    axes.set_xlabel("operator")
    axes.set_ylabel("bytes; dashed: no plan needs less")
    axes.set_xlim(0, plan.steps)
    axes.set_ylim(0, plan.arena_bytes * 1.05)
    buffer_of_file = BytesIO()
    figure.savefig(buffer_of_file, format="png", dpi=130, metadata={"Software": None})
    return buffer_of_file.getvalue()


def _letter(plan: MemoryPlan, letters: dict[str, str], step: int, place: int) -> str:
    for buffer in plan.buffers:
        start = plan.offsets[buffer.name]
        if buffer.first <= step <= buffer.last and start <= place < start + buffer.size:
            return letters[buffer.name]
    return " "


def _legend(plan: MemoryPlan, letters: dict[str, str]) -> list[str]:
    """The largest buffers by letter."""
    largest = sorted(plan.buffers, key=lambda buffer: -buffer.size)[:12]
    return [
        f"{letters[b.name]}: {b.size:,} bytes, operators {b.first} to {b.last}, {b.name}"
        for b in sorted(largest, key=lambda buffer: buffer.first)
    ]


def _spread(count: int, most: int) -> Sequence[int]:
    return range(count) if count <= most else [i * count // most for i in range(most)]
