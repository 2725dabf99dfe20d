"""Which row of a comparison to use on a board, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from octavo.comparison.rows import Row
from octavo.errors import ConfigError
from octavo.evaluate.evaluation import Evaluation

UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
SMALLER_FROM = 1.05
"""The ratio of sizes from which on one of them is said to be smaller: below, it is printed as 1.0."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to use, and why.

    Attributes:
        row: The row recommended, or None where nothing fits.
        reason: One or two sentences.
    """

    row: Row | None
    reason: str


def recommend(rows: Sequence[Row], flash: str | int, ram: str | int) -> Recommendation:
    """Which technique to use on a board.

    Of the rows whose file fits the flash and whose TensorFlow Lite Micro arena fits the RAM, those within half a point
    of the best accuracy count as equals; among them the smallest arena decides, then the smallest file. Without labels
    those within 3 dB of the best output SQNR count as equals, and the float model, which the others are measured
    against, is chosen only if no other fits.

    Args:
        rows: At least one.
        flash: Bytes, or a number with KB or MB, for the model file.
        ram: Likewise, for the arena.

    Raises:
        ConfigError: for a size that cannot be read.
    """
    limits = parse_bytes(flash), parse_bytes(ram)
    fitting = [row for row in rows if _fits(row.evaluation, *limits)]
    if not fitting:
        return Recommendation(None, _why_nothing_fits(rows, *limits))
    if not _labelled(rows):
        fitting = [row for row in fitting if row.technique != "float"] or fitting
    measure, tolerance = _measure(rows)
    top = max(measure(row.evaluation) for row in fitting)
    equals = [row for row in fitting if measure(row.evaluation) >= top - tolerance]
    chosen = min(equals, key=lambda row: (row.evaluation.memory.arena_bytes or 0, row.evaluation.memory.file_bytes))
    return Recommendation(chosen, _why(chosen, rows, *limits))


def parse_bytes(size: str | int) -> int:
    """A number of bytes, or one with KB, MB or GB (of 1024).

    >>> parse_bytes("256KB")
    262144

    Raises:
        ConfigError: for anything else.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?B)?\s*", str(size), re.IGNORECASE)
    if match is None:
        raise ConfigError(
            "a size cannot be read.",
            got=repr(size),
            expected="bytes, or a number with KB, MB or GB",
            fix="write it like 256KB or 1MB",
        )
    return int(float(match[1]) * UNITS[(match[2] or "").upper()])


def _fits(evaluation: Evaluation, flash: int, ram: int) -> bool:
    arena = evaluation.memory.arena_bytes
    return evaluation.memory.file_bytes <= flash and arena is not None and arena <= ram


def _labelled(rows: Sequence[Row]) -> bool:
    return all(row.evaluation.top1 is not None for row in rows)


def _measure(rows: Sequence[Row]) -> tuple[Callable[[Evaluation], float], float]:
    """How rows are ranked, higher is better, and the difference that counts as none."""
    if _labelled(rows):
        return lambda evaluation: 100.0 * (evaluation.top1 or 0.0), 0.5
    # A row whose outputs equal the float model's has no error; it is as good as can be.
    return lambda evaluation: _or_infinity(evaluation.outputs[0].sqnr_db), 3.0


def _or_infinity(value: float | None) -> float:
    return float("inf") if value is None else value


def _why(chosen: Row, rows: Sequence[Row], flash: int, ram: int) -> str:
    memory = chosen.evaluation.memory
    reason = (
        f"{chosen.name} runs on TensorFlow Lite Micro within {ram // 1024} KB RAM and {flash // 1024} KB flash "
        f"(arena {(memory.arena_bytes or 0) / 1024:.1f} KB, file {memory.file_bytes / 1024:.1f} KB)"
    )
    original = next((row for row in rows if row.technique == "float"), None)
    if original is None or original is chosen:
        return reason + "."
    ratio = original.evaluation.memory.file_bytes / memory.file_bytes
    if ratio >= SMALLER_FROM:
        reason += f", {ratio:.1f}x smaller than float"
    if chosen.evaluation.top1 is None or original.evaluation.top1 is None:
        return reason + "."
    change = 100.0 * (chosen.evaluation.top1 - original.evaluation.top1)
    return reason + f", at {change:+.2f} points of accuracy."


def _why_nothing_fits(rows: Sequence[Row], flash: int, ram: int) -> str:
    arenas = [row.evaluation.memory.arena_bytes for row in rows if row.evaluation.memory.arena_bytes is not None]
    smallest = min(row.evaluation.memory.file_bytes for row in rows)
    needed = f"the smallest file takes {smallest / 1024:.0f} KB"
    if arenas:
        needed += f", the smallest arena {min(arenas) / 1024:.0f} KB"
    return f"Nothing fits {flash // 1024} KB flash and {ram // 1024} KB RAM: {needed}."
