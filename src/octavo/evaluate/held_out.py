"""Test data held against what a file was calibrated for, and answers against guessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from octavo.evaluate.accuracy import OutputAccuracy
from octavo.evaluate.tasks import ONE_HOT, kind_of_labels, labels_by_output
from octavo.numerics.affine import Range, representable
from octavo.run.signature import Port

# The share of values that chance may leave beyond a range that some hundred samples were seen to have.
MOST_BEYOND = 0.05
# Of so many samples on, an answer that is best for all of them tells something of others.
ENOUGH_LABELS = 16
# Where no class is half of all labels: the least share of what the commonest label misses that must be right.
LEAST_GAIN = 0.1
# A range this many times as wide as the values that meet it costs them three of eight bits.
MOST_ROOM = 8.0


def range_notes(inputs: Sequence[Port], x: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """A sentence for each input whose samples do not fit the real range of its integers, or fit another input's.

    Args:
        inputs: Of the file.
        x: Real samples by input name.
    """
    ranges = {p.name: representable(p.quantization, p.dtype) for p in inputs if p.quantization is not None}
    known = {name: each for name, each in ranges.items() if x[name].dtype.kind == "f" and x[name].size}
    wrong = {name for name in known if not _fits(x[name], known[name])}
    for a, b in combinations(known, 2):
        crossed = x[a].shape[1:] == x[b].shape[1:] and _fits(x[a], known[b]) and _fits(x[b], known[a])
        if crossed and wrong & {a, b}:
            return (
                f"inputs '{a}' and '{b}' look swapped: the samples of each fit the range that the file was calibrated "
                "for at the other. Give samples by input name, for calibration and for the test.",
            )
    return tuple(_sentence(name, x[name], known[name]) for name in known if name in wrong)


def guess_notes(ports: Sequence[Port], outputs: Sequence[OutputAccuracy], y: Any) -> tuple[str, ...]:
    """A sentence for each output whose answers are hardly better than one answer to everything would be.

    Args:
        ports: The model's outputs.
        outputs: What was measured of each.
        y: Labels, as for `measure`.
    """
    labels = labels_by_output(y, [port.name for port in ports])
    guesses = (_guess(labels.get(port.name), port, found) for port, found in zip(ports, outputs, strict=True))
    doubt = "Are samples prepared as for training, and do labels belong to them?"
    return tuple(
        f"output '{found.name}': {guess}. {doubt}" for found, guess in zip(outputs, guesses, strict=True) if guess
    )


def _guess(labels: np.ndarray | None, port: Port, found: OutputAccuracy) -> str:
    """How answers compare with one to everything, where that is nearly as good; else ""."""
    if labels is None:
        return ""
    if found.top1 is not None:
        commonest = _commonest(labels, port)
        needed = commonest if commonest >= 0.5 else commonest + LEAST_GAIN * (1 - commonest)
        more = "no more than" if found.top1 <= commonest else "hardly more than"
        share = f"{found.top1:.1%} right, {more} by always answering the commonest label ({commonest:.1%})"
        return share if commonest < 1 and found.top1 <= needed else ""
    marks = found.marks
    if marks is None or marks.each is None or marks.metric.higher_is_better or len(labels) < ENOUGH_LABELS:
        return ""
    constants = (np.broadcast_to(of(labels, axis=0), labels.shape) for of in (np.mean, np.median))
    constant = min(marks.metric.value(np.asarray(marks.metric.function(labels, each))) for each in constants)
    error = f"{marks.metric.name} {found.value:.4g}, no less than by always answering the mean of the labels"
    return f"{error} ({constant:.4g})" if found.value is not None and 0 < constant <= found.value else ""


def _commonest(labels: np.ndarray, port: Port) -> float:
    """Share of the label that occurs most."""
    is_one_hot = kind_of_labels(labels, port.shape[1:], port.name) == ONE_HOT
    _, counts = np.unique(labels.argmax(-1) if is_one_hot else labels, return_counts=True)
    return float(counts.max() / counts.sum())


def _fits(values: np.ndarray, found: Range) -> bool:
    return _beyond(values, found) <= MOST_BEYOND and not _is_lost(values, found)


def _beyond(values: np.ndarray, found: Range) -> float:
    """Share of values beyond a range, farther than rounding carries."""
    slack = (found[1] - found[0]) / 100
    return float(np.mean((values < found[0] - slack) | (values > found[1] + slack)))


def _is_lost(values: np.ndarray, found: Range) -> bool:
    """Whether a range is far wider than what meets it."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    return low < high and (found[1] - found[0]) > MOST_ROOM * (high - low)


def _sentence(name: str, values: np.ndarray, found: Range) -> str:
    beyond = _beyond(values, found)
    what = f"{beyond:.0%} of the values lie beyond" if beyond > MOST_BEYOND else "the values use little of"
    return (
        f"input '{name}': samples from {values.min():.3g} to {values.max():.3g}, and {what} the {found[0]:.3g} to "
        f"{found[1]:.3g} that the file was calibrated for. Prepare both alike, as for training."
    )
