"""How a range is made of statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from octavo.calibration.statistics import Statistics, TensorStatistics
from octavo.config import QuantizeConfig
from octavo.numerics.affine import Range

# The upper halves of the float32 patterns of infinity and of -0.0.
INFINITY, NEGATIVE = 0x7F80, 0x8000


@dataclass(frozen=True, slots=True)
class Estimator:
    """A way to make ranges.

    Attributes:
        name: For reports.
        needs_histogram: Whether extremes alone do not suffice.
        range_of: From a tensor's statistics to its real (low, high).
    """

    name: str
    needs_histogram: bool
    range_of: Callable[[TensorStatistics], Range]


def minmax() -> Estimator:
    """The extremes themselves: nothing that calibration saw is cut."""
    return Estimator("minmax", False, lambda statistics: (statistics.low, statistics.high))


def percentile(percent: float) -> Estimator:
    """The range that keeps `percent` of the values and cuts half of the rest at each end.

    The cut lies within a bin of relative width 1/128, at the place proportional to its share of the bin's values, and
    never outside the extremes.
    """
    share = (100.0 - percent) / 200.0

    def range_of(statistics: TensorStatistics) -> Range:
        return _quantile(statistics, share), _quantile(statistics, 1.0 - share)

    return Estimator(f"percentile {percent:g}", True, range_of)


def estimator_for(config: QuantizeConfig) -> Estimator:
    """The estimator a configuration names."""
    return {"minmax": minmax, "percentile": lambda: percentile(config.percentile)}[config.estimator]()


def estimate(statistics: Statistics, estimator: Estimator) -> dict[str, Range]:
    """Range of each observed tensor."""
    return {name: estimator.range_of(tensor) for name, tensor in statistics.items()}


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
