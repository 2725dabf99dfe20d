"""How the range of a group of tensors is made of the statistics of their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np

from octavo.dtypes import DType
from octavo.numerics.affine import Range
from octavo.numerics.tensor_statistics import TensorStatistics

# The upper halves of the float32 patterns of infinity and of -0.0.
INFINITY, NEGATIVE = 0x7F80, 0x8000
# Ends of a range that are tried: the extreme, and down to 1/256 of it in steps of 4 %.
_SHARES = 2.0 ** (-np.arange(129) / 16)


@runtime_checkable
class Estimator(Protocol):
    """A way to make ranges; an object of one's own will do as well as those below."""

    @property
    def name(self) -> str:
        """For the file's metadata and reports."""
        ...

    @property
    def needs_histogram(self) -> bool:
        """Whether extremes alone do not suffice."""
        ...

    def range_of(self, statistics: TensorStatistics, dtype: DType) -> Range:
        """The real (low, high) that integers of a type should stand for.

        Args:
            statistics: Of all values of a group of tensors with the same parameters, its constants counted in.
            dtype: The integer type of the group.
        """
        ...


@dataclass(frozen=True, slots=True)
class MinMax:
    """The extremes themselves: nothing that calibration saw is cut."""

    name: str = "minmax"
    needs_histogram: bool = False

    def range_of(self, statistics: TensorStatistics, dtype: DType) -> Range:
        """(low, high)."""
        return statistics.low, statistics.high


@dataclass(frozen=True, slots=True)
class Auto(MinMax):
    """Each range by the error it causes, which `octavo.condition.ChooseRanges` measures; the extremes until then."""

    name: str = "auto"


@dataclass(frozen=True, slots=True)
class Shares:
    """A share of either extreme, by the name that a range is filed under; the extremes of what is not named.

    Attributes:
        shares: (of low, of high), each above 0 and at most 1.
    """

    shares: Mapping[str, tuple[float, float]]
    name: str = "auto"
    needs_histogram: bool = False

    def range_of(self, statistics: TensorStatistics, dtype: DType) -> Range:
        """(low, high)."""
        return statistics.low, statistics.high

    def cut(self, name: str, found: Range) -> Range:
        """The range to take for one that was found."""
        low, high = self.shares.get(name, (1.0, 1.0))
        return found[0] * low, found[1] * high


@dataclass(frozen=True, slots=True)
class Percentile:
    """The range that keeps `percent` of the values and cuts half of the rest at each end.

    The cut lies within a bin of relative width 1/128, at the place proportional to its share of the bin's values, and
    never outside the extremes.
    """

    percent: float
    needs_histogram: bool = True

    @property
    def name(self) -> str:
        """With the percentage."""
        return f"percentile {self.percent:g}"

    def range_of(self, statistics: TensorStatistics, dtype: DType) -> Range:
        """The two quantiles."""
        share = (100.0 - self.percent) / 200.0
        return _quantile(statistics, share), _quantile(statistics, 1.0 - share)


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """The range of the least squared error, of cut values and of rounded ones together.

        error(low, high) = sum over values beyond (value - nearest end) ** 2  +  sum over others step ** 2 / 12

    A value stands for its bin's middle. Zeros are exact, whatever the range. Both ends are searched, or for 16-bit
    integers, whose range is symmetric, the one magnitude.

    Source: Sung et al. 2015, "Resiliency of Deep Neural Networks under Quantization", L2 error minimization.
    """

    name: str = "mse"
    needs_histogram: bool = True

    def range_of(self, statistics: TensorStatistics, dtype: DType) -> Range:
        """The best of 129 shares of each extreme."""
        assert statistics.histogram is not None, "squared errors need histograms"
        counts, edges = _ascending(statistics.histogram)
        filled = np.flatnonzero(counts)
        middles = np.clip((edges[filled] + edges[filled + 1]) / 2, statistics.low, statistics.high)
        counts = counts[filled].astype(np.float64)
        low, high = min(statistics.low, 0.0), max(statistics.high, 0.0)
        # Zeros and what rounds to them in float32 share the two bins next to 0.
        inside = counts[np.abs(middles) >= np.finfo(np.float32).tiny].sum()
        steps = dtype.integer_range[1] - dtype.integer_range[0]
        if dtype is DType.INT16:
            ends = max(-low, high) * _SHARES
            cut, number = (
                a + b for a, b in zip(_beyond(middles, counts, ends), _beyond(-middles, counts, ends), strict=True)
            )
            end = float(ends[np.argmin(cut + (2 * ends / steps) ** 2 / 12 * (inside - number))])
            return max(low, -end), min(high, end)
        lows, highs = low * _SHARES, high * _SHARES
        below, left = _beyond(-middles, counts, -lows)
        above, right = _beyond(middles, counts, highs)
        step = (highs[np.newaxis, :] - lows[:, np.newaxis]) / steps
        error = below[:, np.newaxis] + above + step**2 / 12 * (inside - left[:, np.newaxis] - right)
        row, column = np.unravel_index(np.argmin(error), error.shape)
        return float(lows[row]), float(highs[column])


@dataclass(frozen=True, slots=True)
class KullbackLeibler:
    """The range whose integers keep most of what the distribution of the values says.

        minimize over ends   sum p log(p / q)

    p are the shares of the values by bin, cut ones counted at the ends; q spreads what falls into an integer's step,
    cut values left out, evenly over the filled bins there. Zeros, which are exact, do not count. 16-bit integers take
    the extremes, as there are steps enough.

    Source: Migacz 2017, "8-bit Inference with TensorRT", pages 19-23, on the bins of `TensorStatistics`.
    """

    name: str = "kl"
    needs_histogram: bool = True

    def range_of(self, statistics: TensorStatistics, dtype: DType) -> Range:
        """The best of 129 shares of the larger magnitude, which the other extreme keeps within, too."""
        low, high = min(statistics.low, 0.0), max(statistics.high, 0.0)
        assert statistics.histogram is not None, "a divergence needs histograms"
        counts, edges = _ascending(statistics.histogram)
        filled = np.flatnonzero(counts)
        middles = np.clip((edges[filled] + edges[filled + 1]) / 2, statistics.low, statistics.high)
        inside = np.abs(middles) >= np.finfo(np.float32).tiny
        middles, filled = middles[inside], filled[inside]
        shares, widths = counts[filled].astype(np.float64), edges[filled + 1] - edges[filled]
        if dtype is DType.INT16 or not len(middles):
            return low, high
        steps = dtype.integer_range[1] - dtype.integer_range[0]
        shares /= shares.sum()
        ranges = [(max(low, -end), min(high, end)) for end in (max(-low, high) * _SHARES).tolist()]
        losses = [_divergence(middles, widths, shares, *each, steps) for each in ranges]
        return ranges[int(np.argmin(losses))]


# What a name stands for, given the share that "percentile" keeps.
ESTIMATORS: Mapping[str, Callable[[float], Estimator]] = MappingProxyType(
    {
        "minmax": lambda percent: MinMax(),
        "percentile": Percentile,
        "mse": lambda percent: LeastSquares(),
        "kl": lambda percent: KullbackLeibler(),
        "auto": lambda percent: Auto(),
    }
)


def _divergence(
    middles: np.ndarray, widths: np.ndarray, shares: np.ndarray, low: float, high: float, steps: int
) -> float:
    """How much less the integers of a range tell than the values, in nats; bins ascend."""
    kept = (middles >= low) & (middles <= high)
    if not kept.any():
        return np.inf
    integers = np.rint((middles[kept] - low) * (steps / (high - low))).astype(np.int64)
    p, width = shares[kept].copy(), widths[kept]
    q = np.bincount(integers, p)[integers] * width / np.bincount(integers, width)[integers]
    p[0] += shares[middles < low].sum()
    p[-1] += shares[middles > high].sum()
    return float(np.sum(p * np.log(p * q.sum() / q)))


def _beyond(values: np.ndarray, counts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each end, the squared distances of the values above it, added up, and how many there are."""
    over = np.maximum(values - ends[:, np.newaxis], 0.0)
    return over**2 @ counts, (over > 0) @ counts


def _quantile(statistics: TensorStatistics, share: float) -> float:
    """The value below which `share` of all values lie."""
    assert statistics.histogram is not None, "a percentile needs histograms"
    counts, edges = _ascending(statistics.histogram)
    filled = np.flatnonzero(counts)
    below = np.cumsum(counts[filled])
    rank = share * statistics.count
    place = min(int(np.searchsorted(below, rank)), len(filled) - 1)
    bin_ = filled[place]
    fraction = (rank - (below[place] - counts[bin_])) / counts[bin_]
    value = edges[bin_] + (edges[bin_ + 1] - edges[bin_]) * fraction
    return float(np.clip(value, statistics.low, statistics.high))


def _ascending(histogram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts of the finite bins from the most negative to the largest, and the edges between them (one more).

    Patterns of positive floats ascend with their values; negative ones follow, and descend.
    """
    counts = np.concatenate([histogram[NEGATIVE : NEGATIVE + INFINITY][::-1], histogram[:INFINITY]])
    magnitudes = (np.arange(INFINITY + 1, dtype=np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    magnitudes[-1] = np.finfo(np.float32).max
    return counts, np.concatenate([-magnitudes[:0:-1], magnitudes])
