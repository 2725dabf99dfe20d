"""What is known of the values of a tensor: extremes and, where asked for, how often each value occurs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A bin is the upper half of a float32's bit pattern: sign, exponent and 7 bits of mantissa. Its values differ by less
# than one part in 128, and the bins are known before the first value is.
BINS = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class TensorStatistics:
    """Statistics of one tensor over all samples.

    Attributes:
        low, high: Smallest and largest value.
        count: Number of values.
        histogram: int64, shape (65536,): number of values by the upper 16 bits of their float32 pattern; None if not
            asked for.
    """

    low: float
    high: float
    count: int
    histogram: np.ndarray | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorStatistics):
            return NotImplemented
        if (self.low, self.high, self.count) != (other.low, other.high, other.count):
            return False
        if self.histogram is None or other.histogram is None:
            return self.histogram is other.histogram
        return np.array_equal(self.histogram, other.histogram)

    def __hash__(self) -> int:
        return hash((self.low, self.high, self.count))

    def merge(self, other: TensorStatistics) -> TensorStatistics:
        """Statistics of both sets of values; both have a histogram or neither."""
        histogram = None
        if self.histogram is not None and other.histogram is not None:
            histogram = self.histogram + other.histogram
        return TensorStatistics(
            min(self.low, other.low), max(self.high, other.high), self.count + other.count, histogram
        )

    def times(self, count: int) -> TensorStatistics:
        """Statistics of the same values, each occurring `count` times as often."""
        histogram = None if self.histogram is None else self.histogram * count
        return TensorStatistics(self.low, self.high, self.count * count, histogram)
