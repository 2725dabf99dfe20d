"""The calibration data is not prepared as the samples the file meets: 0..255 instead of 0..1, and the like."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Mend, Suspicion
from octavo.diagnosis.samples import measure_extremes
from octavo.diagnosis.trial import Trial
from octavo.ir.types import Graph

# Where half of the samples of one set reach so many times as far as half of the other's, it is not the same thing.
RATIO = 3.0
# Values that go so far below zero, of how far they reach, are centred; those of the other set are not.
SIGNED = 0.2
# What pictures are usually brought to other numbers by: (factor, offset).
USUAL = (
    (1 / 255, 0.0), (255.0, 0.0), (1 / 127.5, -1.0), (127.5, 127.5), (1 / 128, -1.0), (128.0, 128.0),
    (1 / 256, 0.0), (256.0, 0.0), (2.0, -1.0), (0.5, 0.5), (1.0, -0.5), (1.0, 0.5),
)  # fmt: skip


def look(case: Case) -> Iterator[Suspicion]:
    """Float inputs whose values are of another size in the two sets."""
    for name in case.pair.floats.inputs:
        if not case.pair.floats.tensors[name].dtype.is_float:
            continue
        given, wanted = (_shape_of(each[name]) for each in (case.trial.data, case.judge.x))
        ratio = wanted[1] / given[1] if given[1] > 0 and wanted[1] > 0 else 1.0
        if 1 / RATIO < ratio < RATIO and _signed(given) == _signed(wanted):
            continue
        factor, offset = _best(given, wanted)
        text = f"x * {factor:.6g}" + (f" {'+' if offset > 0 else '-'} {abs(offset):.6g}" if offset else "")
        yield Suspicion(
            name,
            f"input '{name}' goes from {given[2]:.4g} to {given[3]:.4g} in nearly all calibration data, and from "
            f"{wanted[2]:.4g} to {wanted[3]:.4g} in the test data",
            {"calibration": given[1], "test": wanted[1], "ratio": ratio},
            case.outcome.loss,
            (
                Mend(
                    f"calibrate on data prepared as in the test: {text}",
                    f"data={text.replace('x', 'data')}",
                    partial(_rescaled, graph=case.pair.floats, name=name, factor=factor, offset=offset),
                ),
            ),
        )


def _shape_of(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, median reach of samples, and the 1st and 99th percentile of a set's values."""
    reach = np.abs(values.reshape(len(values), -1)).max(axis=1)
    low, high = np.percentile(values, [1, 99])
    return float(values.mean(dtype=np.float64)), float(np.median(reach)), float(low), float(high)


def _signed(shape: tuple[float, ...]) -> bool:
    """Whether values go below zero by more than a trace."""
    return shape[2] < -SIGNED * shape[1]


def _best(given: tuple[float, ...], wanted: tuple[float, ...]) -> tuple[float, float]:
    """The map of one set's values to the other's: a usual one where that fits, else that of nearly all their values."""
    reach = max(wanted[1], float(np.finfo(np.float32).tiny))

    def gap(factor: float, offset: float) -> float:
        places = (0, 2, 3)
        return sum(abs(given[i] * factor + offset - wanted[i]) for i in places) / reach

    best = min(USUAL, key=lambda each: round(gap(*each), 1))
    if gap(*best) < 0.5:
        return best
    if not (_signed(given) or _signed(wanted)) or given[3] == given[2]:
        return wanted[1] / given[1], 0.0
    factor = (wanted[3] - wanted[2]) / (given[3] - given[2])
    return factor, wanted[2] - factor * given[2]


def _rescaled(trial: Trial, graph: Graph, name: str, factor: float, offset: float) -> Trial:
    data = {**trial.data, name: (trial.data[name] * np.float32(factor) + np.float32(offset)).astype(np.float32)}
    return trial.with_data(data, measure_extremes(graph, data, lambda done, total: None))


CAUSE = Cause("mis_scaled_data", "calibration data prepared otherwise than the test data", look)
