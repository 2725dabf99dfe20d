"""A few calibration samples reach so far that the ranges are made for them, and too coarse for all others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Mend, Suspicion
from octavo.diagnosis.trial import Trial

# A sample stands out where it reaches so many times as far as all but one in twenty, in a quarter of the tensors.
TIMES, USUAL, TENSORS = 4.0, 0.95, 0.25
LEAST_SAMPLES = 8


def look(case: Case) -> Iterator[Suspicion]:
    """Samples that stand out in many tensors, at most one in twenty."""
    reach = case.trial.extremes.reach
    if len(reach) < LEAST_SAMPLES:
        return
    usual = np.quantile(reach, USUAL, axis=0, method="lower")
    times = reach / np.maximum(usual, np.finfo(np.float32).tiny)
    odd = np.flatnonzero((times > TIMES).mean(axis=1) >= TENSORS)
    if not 0 < len(odd) <= max(1, len(reach) * (1 - USUAL)):
        return
    kept = np.setdiff1d(np.arange(len(reach)), odd)
    worst = float(np.median(times[odd].max(axis=0)))
    numbers = ", ".join(map(str, odd[:5])) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
    which = f"sample {numbers}" if len(odd) == 1 else f"samples {numbers}"
    yield Suspicion(
        case.pair.floats.inputs[0],
        f"calibration {which} of {len(reach)} makes the middle tensor reach {worst:.3g} times as far as the others do",
        {"samples": float(len(odd)), "times": worst},
        case.outcome.loss,
        (
            Mend(
                f"leave {which} out of the calibration data",
                f"data=numpy.delete(data, {odd.tolist()}, axis=0)",
                partial(_without, kept=kept),
            ),
        ),
        tuple(int(index) for index in odd),
    )


def _without(trial: Trial, kept: np.ndarray) -> Trial:
    return trial.on(kept)


CAUSE = Cause("outlier_samples", "outlier samples in the calibration data", look)
