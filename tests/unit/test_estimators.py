"""Estimators: from statistics to ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.calibration.ranges import estimate
from octavo.calibration.statistics import Accumulator, Statistics
from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.errors import ConfigError
from octavo.numerics.affine import Range, asymmetric, dequantize, quantize, symmetric
from octavo.numerics.estimators import ESTIMATORS, KullbackLeibler, LeastSquares, MinMax, Percentile
from octavo.numerics.tensor_statistics import TensorStatistics
from octavo.ops.text import parse_graph
from octavo.plan.make import make_plan

# Values of one bin agree in sign, exponent and 7 bits of mantissa.
BIN_WIDTH = 2.0**-7


def statistics_of(values: np.ndarray) -> TensorStatistics:
    accumulator = Accumulator(histogram=True)
    accumulator.add(values.astype(np.float32))
    return accumulator.result()


def test_minmax_takes_the_extremes() -> None:
    assert MinMax().range_of(statistics_of(np.array([-3.0, 0.5, 7.0])), DType.INT8) == (-3.0, 7.0)
    assert not MinMax().needs_histogram


def test_a_hundred_percent_are_the_extremes() -> None:
    statistics = statistics_of(np.random.default_rng(0).normal(size=1000))
    assert Percentile(100.0).range_of(statistics, DType.INT8) == (statistics.low, statistics.high)


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
    low, high = Percentile(percent).range_of(statistics_of(values), DType.INT8)
    cut = (100 - percent) / 2
    # The rank lies between two of the 20,000 values, whose distance adds to that of the bin's edges.
    for got, share in ((low, cut), (high, 100 - cut)):
        below, above = (np.percentile(values, share, method=method) for method in ("lower", "higher"))
        assert below - BIN_WIDTH * abs(below) <= got <= above + BIN_WIDTH * abs(above)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40), st.floats(51, 99.5), st.floats(0.01, 0.4))
@settings(deadline=None, max_examples=60)
def test_keeping_more_never_narrows_the_range(values: list[float], percent: float, more: float) -> None:
    statistics = statistics_of(np.array(values))
    low, high = Percentile(percent).range_of(statistics, DType.INT8)
    wider_low, wider_high = Percentile(percent + more).range_of(statistics, DType.INT8)
    assert statistics.low <= wider_low <= low <= high <= wider_high <= statistics.high


def test_one_value_in_a_thousand_does_not_stretch_the_range() -> None:
    values = np.append(np.random.default_rng(2).uniform(-1, 1, size=5000), 1e4)
    low, high = Percentile(99.9).range_of(statistics_of(values), DType.INT8)
    assert -1.0 <= low < high <= 1.0


def test_a_cut_among_equal_values_is_that_value() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(0.5, 6.0, 90), np.full(10, 6.0)])
    low, high = Percentile(99.0).range_of(statistics_of(values), DType.INT8)
    assert 0.0 <= low < np.finfo(np.float32).tiny
    assert high == 6.0


def test_the_configuration_chooses_the_estimator() -> None:
    configs = [QuantizeConfig(estimator=name, percentile=99.5) for name in ESTIMATORS]
    chosen = [config.range_estimator for config in configs]
    names = [(each.name, each.needs_histogram) for each in chosen]
    assert names == [("minmax", False), ("percentile 99.5", True), ("mse", True), ("kl", True), ("auto", False)]
    own = Percentile(80.0)
    assert QuantizeConfig(estimator=own).range_estimator is own


def test_what_is_no_estimator_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected: minmax, percentile, mse"):
        QuantizeConfig(estimator=len)  # type: ignore[arg-type]


GROUPS = """
input x: float32[1,4]
const c: float32[1,4] = -7 0 0 3
low = RELU(x)
joined = CONCATENATION(low, c) {axis=1}
y = MUL(joined, joined)
output y
"""


def test_a_range_is_made_of_the_whole_group_constants_counted_in() -> None:
    graph = parse_graph(GROUPS)
    plan = make_plan(graph, QuantizeConfig())
    group = next(each for each in plan.groups if "joined" in each.tensors)
    assert {"low", "c"} <= set(group.observed)
    observed = {name: statistics_of(np.array([0.0, 2.0, 5.0])) for name in plan.observed if name != "c"}
    seen: list[tuple[TensorStatistics, DType]] = []

    class Own:
        name, needs_histogram = "own", True

        def range_of(self, statistics: TensorStatistics, dtype: DType) -> Range:
            seen.append((statistics, dtype))
            return -1.0, 4.0

    ranges = estimate(graph, plan, Statistics(observed, 2, "m"), Own())
    assert ranges == dict.fromkeys(observed, (-1.0, 4.0))
    merged = next(each for each, _ in seen if each.low == -7.0)
    # Each of the constant's four values is there in both samples.
    assert (merged.high, merged.count) == (5.0, 3 * (len(group.observed) - 1) + 2 * 4)
    assert merged.histogram is not None
    assert merged.histogram.sum() == merged.count
    assert {dtype for _, dtype in seen} == {DType.INT8}
    assert estimate(graph, plan, Statistics(observed, 2, "m"), MinMax())["low"] == (-7.0, 5.0)


def squared_error(values: np.ndarray, reach: Range, dtype: DType) -> float:
    """Of quantizing values by a range."""
    limit = max(abs(reach[0]), abs(reach[1]))
    parameters = symmetric(limit, dtype) if dtype is DType.INT16 else asymmetric(*reach, dtype)
    return float(np.sum((dequantize(quantize(values, parameters, dtype), parameters) - values) ** 2))


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16])
@pytest.mark.parametrize("kind", ["normal", "heavy", "one-sided", "uniform", "relu", "outlier below"])
def test_no_range_nearby_has_a_much_smaller_squared_error(kind: str, dtype: DType) -> None:
    rng = np.random.default_rng(4)
    values = {
        "normal": rng.normal(size=20_000),
        "heavy": rng.standard_t(2, size=20_000),
        "one-sided": rng.exponential(size=20_000),
        "uniform": rng.uniform(-3, 1, size=20_000),
        "relu": np.maximum(rng.normal(size=20_000) ** 3, 0),
        "outlier below": np.append(rng.uniform(0, 1, 20_000), -30.0),
    }[kind].astype(np.float32)
    statistics = statistics_of(values)
    low, high = LeastSquares().range_of(statistics, dtype)
    assert min(statistics.low, 0.0) <= low <= high <= max(statistics.high, 0.0)
    found = squared_error(values, (low, high), dtype)
    extremes = (min(statistics.low, 0.0), max(statistics.high, 0.0))
    others = [(extremes[0] * a, extremes[1] * b) for a in np.linspace(0.05, 1, 20) for b in np.linspace(0.05, 1, 20)]
    # Rounding is not exactly uniform within a step, nor are values within a bin.
    assert found <= 1.1 * min(squared_error(values, other, dtype) for other in others)


def test_a_rare_outlier_is_cut_for_eight_bits_and_not_for_sixteen() -> None:
    values = np.append(np.random.default_rng(2).uniform(-1, 1, size=500_000), 3.0)
    reach = [LeastSquares().range_of(statistics_of(values), dtype) for dtype in (DType.INT8, DType.INT16)]
    assert reach[0][1] < 2.0
    assert reach[1][1] == 3.0


def test_the_least_divergence_cuts_what_is_far_off_and_keeps_what_is_not() -> None:
    rng = np.random.default_rng(0)
    bulk = rng.normal(size=200_000)
    low, high = KullbackLeibler().range_of(statistics_of(np.append(bulk, 400.0)), DType.INT8)
    # The outlier takes all but a few of the steps of the others; one in 200,000 is worth none of them.
    assert bulk.max() / 2 < high < 40
    even = rng.uniform(-1, 3, size=200_000)
    low, high = KullbackLeibler().range_of(statistics_of(even), DType.INT8)
    assert (low, high) == (pytest.approx(-1, rel=0.1), pytest.approx(3, rel=0.1))


def test_nothing_is_cut_of_sixteen_bits_and_of_zeros_by_divergence() -> None:
    values = statistics_of(np.append(np.random.default_rng(0).normal(size=1000), 50.0))
    assert KullbackLeibler().range_of(values, DType.INT16) == (values.low, values.high)
    assert KullbackLeibler().range_of(statistics_of(np.zeros(4)), DType.INT8) == (0.0, 0.0)
