"""What a comparison gives reason to doubt: its data, and rows that collapse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from octavo.comparison.rows import FLOAT, Row
from octavo.evaluate.accuracy import OutputAccuracy
from octavo.evaluate.fidelity import POOR_SQNR_DB

EVERY_ROW = "all"
# A loss of a tenth of all answers is none that rounding explains.
COLLAPSED_POINTS = 0.1


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason.

    Attributes:
        name: The row, or `EVERY_ROW`.
        text: A sentence.
        of_data: Whether it is the data, and so the whole comparison, that is doubtful.
    """

    name: str
    text: str
    of_data: bool


def doubts(rows: Sequence[Row], of_test: Sequence[str] = ()) -> tuple[Doubt, ...]:
    """Each reason once, those about the data first.

    Args:
        rows: Of a comparison; the first float row is what the others are held against.
        of_test: Sentences on the test set, whatever the row.
    """
    original = next((row for row in rows if row.technique == FLOAT), None)
    found: dict[tuple[str, bool], list[str]] = {}
    for row in rows:
        for text, of_data in _of_row(row, original):
            found.setdefault((text, of_data), []).append(row.name)
    listed = [
        Doubt(EVERY_ROW if len(names) > 1 and of_data else ", ".join(names), text, of_data)
        for (text, of_data), names in found.items()
    ]
    listed += [Doubt(EVERY_ROW, text, True) for text in of_test]
    return tuple(sorted(listed, key=lambda doubt: not doubt.of_data))


def _of_row(row: Row, original: Row | None) -> Iterator[tuple[str, bool]]:
    notes = row.quantized.notes
    yield from ((f"'{note.subject}': {note.text}", True) for note in notes if note.stage == "data")
    arena = row.evaluation.memory.arena_reason
    # Where the float model answers well, a row that only guesses says something of itself.
    own = row.evaluation.guesses if original is not None and not original.evaluation.guesses else ()
    yield from ((text, text not in own) for text in row.evaluation.notes if text != arena)
    if original is None or row is original:
        return
    yield from ((f"'{note.subject}': {note.text}", False) for note in notes if note.stage == "quantize")
    for mine, its in zip(row.evaluation.outputs, original.evaluation.outputs, strict=False):
        if (text := _collapse(mine, its)) is not None:
            yield f"'{mine.name}' collapses: {text}. Look at its layers with skip=[...], or train for it", False


def _collapse(mine: OutputAccuracy, its: OutputAccuracy) -> str | None:
    """What an output has lost beside the float one, where that is no matter of rounding."""
    if mine.top1 is not None and its.top1 is not None:
        lost = its.top1 - mine.top1
        return f"{mine.top1:.1%} right, {its.top1:.1%} in float" if lost >= COLLAPSED_POINTS else None
    if mine.sqnr_db is not None and mine.sqnr_db < POOR_SQNR_DB:
        return f"its error has more than a tenth of the float output's power, SQNR {mine.sqnr_db:.1f} dB"
    return None
