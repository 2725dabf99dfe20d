"""A few calibration samples reach so far that the ranges are made for them, and too coarse for all others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Mend, Suspicion
from octavo.diagnosis.trial import Trial

# A sample stands out where it reaches so many times as far as all but one in ten, in a quarter of the tensors or in an
# input: behind activations that end, as ReLU6 does, no other tensor shows it.
TIMES, USUAL, TENSORS = 4.0, 0.9, 0.25
LEAST_SAMPLES = 8


def look(case: Case) -> Iterator[Suspicion]:
    """Samples that stand out in many tensors or in an input, at most one in ten."""
    extremes = case.trial.extremes
    reach = extremes.reach
    if len(reach) < LEAST_SAMPLES:
        return
    usual = np.quantile(reach, USUAL, axis=0, method="lower")
    times = reach / np.maximum(usual, np.finfo(np.float32).tiny)
    inputs = [name for name in case.pair.floats.inputs if name in extremes.names]
    entering = times[:, [extremes.names.index(name) for name in inputs]]
    odd = np.flatnonzero(((times > TIMES).mean(axis=1) >= TENSORS) | (entering > TIMES).any(axis=1))
    if not 0 < len(odd) <= max(1, len(reach) * (1 - USUAL)):
        return
    kept = np.setdiff1d(np.arange(len(reach)), odd)
    middle = float(np.median(times[odd].max(axis=0)))
    farthest = entering[odd].max(axis=0)
    most = float(farthest.max(initial=0.0))
    numbers = ", ".join(map(str, odd[:5])) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
    which = f"sample {numbers}" if len(odd) == 1 else f"samples {numbers}"
    yield Suspicion(
        inputs[int(farthest.argmax())] if inputs else case.pair.floats.inputs[0],
        f"of {len(reach)} calibration samples, {which} {'reaches' if len(odd) == 1 else 'reach'} up to {most:.3g} "
        f"times as far as the others do, and up to {middle:.3g} times in half of the tensors",
        {"samples": float(len(odd)), "times": max(middle, most)},
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
