"""The calibration data never shows what the file meets: ranges that are too narrow, and values cut."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Mend, Suspicion
from octavo.diagnosis.samples import Arrays, Extremes, rows
from octavo.diagnosis.trial import Trial

# A range is too narrow where one in a hundred values of a layer is cut that calibration would have had to show.
CUT = 0.01
FARTHER = 1.25


def look(case: Case) -> Iterator[Suspicion]:
    """Layers where test samples go beyond what calibration samples did."""
    if len(case.test.low) < 2:
        return
    narrow = []
    for place, error in case.activations():
        given, met = (_reach(each, place.tensor) for each in (case.trial.extremes, case.test))
        if met > FARTHER * given and case.seen.beyond[place.tensor] > CUT:
            narrow.append((error, case.seen.beyond[place.tensor], met / max(given, float(np.finfo(np.float32).tiny))))
    if not narrow:
        return
    error, cut, times = max(narrow, key=lambda each: each[0].activations_effect)
    half = slice(0, None, 2)
    yield Suspicion(
        narrow[0][0].layer,
        f"test samples reach {times:.3g} times as far as calibration samples at '{error.layer}', and {100 * cut:.2g} % "
        f"of its values are cut; so at {len(narrow)} layers",
        {"times": times, "cut": cut, "layers": float(len(narrow))},
        max(error.activations_effect for error, _, _ in narrow),
        (
            Mend(
                "calibrate on samples like the test's as well: half of them were added, the other half judged",
                "data=numpy.concatenate([data, samples_like_the_test])",
                partial(_with_more, x=rows(case.judge.x, half), extremes=case.test.only(half)),
                slice(1, None, 2),
            ),
        ),
    )  # fmt: skip


def _reach(extremes: Extremes, name: str) -> float:
    low, high = extremes.of(name)
    return max(high, 0.0) - min(low, 0.0)


def _with_more(trial: Trial, x: Arrays, extremes: Extremes) -> Trial:
    data = {name: np.concatenate([values, x[name]]) for name, values in trial.data.items()}
    return trial.with_data(data, trial.extremes.beside(extremes))


CAUSE = Cause("narrow_data", "calibration data that does not show what the model meets", look)
