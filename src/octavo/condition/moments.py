"""First and second moments of a layer's inputs: in float, and behind layers that were rounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

# Rows that are multiplied at once, and values in them where products are small beside: what caches hold.
_BLOCK, _BLOCK_VALUES = 1 << 11, 1 << 20
# Rows that are looked at of all samples together; of more, evenly spaced ones serve. At most; as many as tell second
# moments, for each input; and values in them, as means, which all errors of a bias are, take thousands of rows.
ROWS, ROWS_OF_INPUT, VALUES = 1 << 14, 1 << 7, 1 << 25
# An input whose variance is less than this of its second moment is constant, as far as float32 sums of a block tell.
RESOLVED = _BLOCK * float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments of inputs x in float and x' as given, over samples and positions; float64.

    Attributes:
        wanted_mean, given_mean: Means of x and of x', [groups, inputs].
        given: mean x' x'^T, [groups, inputs, inputs].
        cross: mean x' x^T, likewise.
    """

    wanted_mean: np.ndarray
    given_mean: np.ndarray
    given: np.ndarray
    cross: np.ndarray

    @classmethod
    def of(cls, rows: Iterable[tuple[np.ndarray, np.ndarray]], *, centred: bool) -> Self:
        """Gather moments.

        Args:
            rows: (x, x') of each sample, [groups, rows, inputs]; some of at least one.
            centred: Whether second moments are those of deviations from the means.
        """
        count, centres = 0, [np.zeros((1, 1, 1), np.float32)] * 2
        sums, products = [np.zeros(1)] * 2, [np.zeros((1, 1, 1))] * 2
        for wanted, given in _blocks(rows):
            if not count:
                # Near the means, so that float32 products keep what deviates from them.
                centres = [each.mean(axis=1, keepdims=True) * np.float32(centred) for each in (given, wanted)]
            given -= centres[0]
            wanted -= centres[1]
            count += wanted.shape[1]
            # A product is quicker than a sum along rows.
            ones = np.ones((1, wanted.shape[1]), np.float32)
            sums = [a + (ones @ b)[:, 0].astype(np.float64) for a, b in zip(sums, (given, wanted), strict=True)]
            turned = given.transpose(0, 2, 1)
            products = [a + (turned @ b).astype(np.float64) for a, b in zip(products, (given, wanted), strict=True)]
        means = [each / count for each in sums]
        given, cross = (each / count for each in products)
        if centred:
            raw = np.diagonal(given, axis1=1, axis2=2)
            given, cross = (
                moment - means[0][:, :, np.newaxis] * mean[:, np.newaxis]
                for moment, mean in zip((given, cross), means, strict=True)
            )
            # Where rounding holds an input at one value, the two cancel, and what is left may be negative.
            varies = np.diagonal(given, axis1=1, axis2=2) > RESOLVED * raw
            given *= varies[:, :, np.newaxis] & varies[:, np.newaxis]
            cross *= varies[:, :, np.newaxis]
        return cls(means[1] + centres[1][:, 0], means[0] + centres[0][:, 0], given, cross)

    def damped(self, share: float) -> np.ndarray:
        """The second moments of x', each variance raised by a share of their mean: positive definite."""
        size = self.given.shape[1]
        mean = np.trace(self.given, axis1=1, axis2=2) / size
        raised = np.where(mean > 0, share * mean, 1.0)
        return self.given + raised[:, np.newaxis, np.newaxis] * np.eye(size)


def places(sample: int, samples: int, positions: int, groups: int, inputs: int) -> slice:
    """The positions to look at in one of so many samples, for so many groups of inputs."""
    rows = min(ROWS, max(ROWS_OF_INPUT * inputs, VALUES // (groups * inputs)))
    stride = max(1, -(-positions * samples // rows))
    # Others in each sample, as a stride that divides the columns would look at some columns alone.
    return slice(sample % stride, None, stride)


def _blocks(rows: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows of all samples, in blocks of their own memory."""
    block: list[tuple[np.ndarray, np.ndarray]] = []
    count = 0
    for pair in rows:
        block.append(pair)
        groups, more, inputs = pair[0].shape
        count += more
        if count >= min(_BLOCK, max(4 * inputs, _BLOCK_VALUES // (groups * inputs))):
            yield _joined(block)
            block, count = [], 0
    if count:
        yield _joined(block)


def _joined(block: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    wanted, given = (np.concatenate(each, axis=1) for each in zip(*block, strict=True))
    return wanted, given
