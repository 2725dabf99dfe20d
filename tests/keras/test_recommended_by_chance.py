"""On many seeds of the demo's network no technique is recommended for a gain that chance explains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

import octavo
from octavo.comparison.rows import MORE, PTQ, QAT
from octavo.demo.data import digits
from octavo.demo.networks import train, train_further
from octavo.demo.tour import CALIBRATION_SAMPLES

pytest.importorskip("sklearn")
SEEDS = 20


def silent(*told: object) -> None:
    """No progress."""


def right(row: Any, data: Any) -> np.ndarray:
    """Which samples of the test set a row's file answers rightly."""
    return row.quantized.predict(data.x_test).argmax(1) == data.y_test


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_technique_is_recommended_for_a_gain_that_may_be_zero(seed: int) -> None:
    data = digits()
    model = train(data, epochs=None, seed=seed, progress=silent)
    table = octavo.compare(
        model,
        data.x_train[:CALIBRATION_SAMPLES],
        (data.x_test, data.y_test),
        schemes=("float32", "int8"),
        train=lambda trained: train_further(trained, data, seed=seed, progress=silent),
        time_it=False,
    )
    best = table.best(None, None)
    assert best.row is not None
    if best.row.technique not in (MORE, QAT):
        assert best.gain is None
        return
    assert best.gain is not None
    assert best.gain.proven
    mine = right(best.row, data)
    for rival in (row for row in table.rows if row.quantized.scheme.name == "int8" and row.technique in (PTQ, MORE)):
        if rival is not best.row:
            its = right(rival, data)
            won, lost = int((mine & ~its).sum()), int((its & ~mine).sum())
            assert won > lost
            assert binomtest(won, won + lost).pvalue < 0.05, rival.name
