"""Estimators: from statistics to ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.calibration.estimators import estimate, estimator_for, minmax, percentile
from octavo.calibration.statistics import Accumulator, Statistics, TensorStatistics
from octavo.config import QuantizeConfig

# Values of one bin agree in sign, exponent and 7 bits of mantissa.
BIN_WIDTH = 2.0**-7


def statistics_of(values: np.ndarray) -> TensorStatistics:
    accumulator = Accumulator(histogram=True)
    accumulator.add(values.astype(np.float32))
    return accumulator.result()


def test_minmax_takes_the_extremes() -> None:
    assert minmax().range_of(statistics_of(np.array([-3.0, 0.5, 7.0]))) == (-3.0, 7.0)
    assert not minmax().needs_histogram


def test_a_hundred_percent_are_the_extremes() -> None:
    statistics = statistics_of(np.random.default_rng(0).normal(size=1000))
    assert percentile(100.0).range_of(statistics) == (statistics.low, statistics.high)


@pytest.mark.parametrize("percent", [60.0, 90.0, 99.0, 99.9])
@pytest.mark.parametrize("kind", ["normal", "uniform", "positive", "negative"])
def test_a_percentile_is_numpys_up_to_the_width_of_a_bin(percent: float, kind: str) -> None:
    rng = np.random.default_rng(1)
    values = {
        "normal": rng.normal(size=20_000),
        "uniform": rng.uniform(-1, 3, size=20_000),
        "positive": rng.exponential(size=20_000),
        "negative": -rng.exponential(size=20_000),
    }[kind]
    low, high = percentile(percent).range_of(statistics_of(values))
    cut = (100 - percent) / 2
    # The rank lies between two of the 20,000 values, whose distance adds to that of the bin's edges.
    for got, share in ((low, cut), (high, 100 - cut)):
        below, above = (np.percentile(values, share, method=method) for method in ("lower", "higher"))
        assert below - BIN_WIDTH * abs(below) <= got <= above + BIN_WIDTH * abs(above)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40), st.floats(51, 99.5), st.floats(0.01, 0.4))
@settings(deadline=None, max_examples=60)
def test_keeping_more_never_narrows_the_range(values: list[float], percent: float, more: float) -> None:
    statistics = statistics_of(np.array(values))
    low, high = percentile(percent).range_of(statistics)
    wider_low, wider_high = percentile(percent + more).range_of(statistics)
    assert statistics.low <= wider_low <= low <= high <= wider_high <= statistics.high


def test_one_value_in_a_thousand_does_not_stretch_the_range() -> None:
    values = np.append(np.random.default_rng(2).uniform(-1, 1, size=5000), 1e4)
    low, high = percentile(99.9).range_of(statistics_of(values))
    assert -1.0 <= low < high <= 1.0


def test_a_cut_among_equal_values_is_that_value() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(0.5, 6.0, 90), np.full(10, 6.0)])
    low, high = percentile(99.0).range_of(statistics_of(values))
    assert 0.0 <= low < np.finfo(np.float32).tiny
    assert high == 6.0


def test_the_configuration_chooses_the_estimator() -> None:
    chosen = [estimator_for(QuantizeConfig(estimator="percentile", percentile=99.5)), estimator_for(QuantizeConfig())]
    assert [(e.name, e.needs_histogram) for e in chosen] == [("percentile 99.5", True), ("minmax", False)]


def test_ranges_are_made_for_every_tensor() -> None:
    statistics = Statistics({"a": statistics_of(np.array([1.0, 2.0])), "b": statistics_of(np.array([-4.0]))}, 2, "m")
    assert estimate(statistics, minmax()) == {"a": (1.0, 2.0), "b": (-4.0, -4.0)}
