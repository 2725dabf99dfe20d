"""Whether one model is better than another, on the same samples: a difference and the interval it lies in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octavo.evaluate.accuracy import Marks

CONFIDENCE = 0.95
# Drawings of the bootstrap; fewer where each needs the metric anew over all samples.
RESAMPLES, COSTLY_RESAMPLES = 2000, 400
# Drawings made at a time, so that their indices stay small.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much one model's metric is better than another's on the same samples; positive is better.

    Attributes:
        value: The difference measured.
        low, high: The interval it lies in at 95 % confidence.
        text: The difference and its interval as sentences show them.
    """

    value: float
    low: float
    high: float
    text: str

    @property
    def proven(self) -> bool:
        """Whether the interval excludes zero and what lies below."""
        return self.low > 0.0

    @property
    def refuted(self) -> bool:
        """Whether the interval excludes zero and what lies above."""
        return self.high < 0.0


def gain(better: Marks, worse: Marks) -> Gain:
    """By how much a model's metric is better than another's.

    Right and wrong answers are counted where the two differ, as McNemar's exact test does: of `m` such samples `b`
    speak for the first, and the Clopper-Pearson interval of b / m gives that of (2b - m) / n. Other metrics are drawn
    again from the same samples of both (the paired bootstrap, percentiles).

    Args:
        better, worse: Marks of the same metric on the same samples, in the same order.
    """
    metric = better.metric
    sign = 1.0 if metric.higher_is_better else -1.0
    value = sign * (better.value - worse.value)
    if better.each is not None and worse.each is not None and _are_answers(better.each) and _are_answers(worse.each):
        low, high = _exact(better.each, worse.each)
    elif better.each is not None and worse.each is not None and not metric.root:
        low, high = _of_means(sign * (better.each - worse.each))
    else:
        low, high = _drawn_again(better, worse, sign)
    if metric.unit == "share":
        text = f"{100 * value:+.2f} points of {metric.name}, 95 % interval {100 * low:+.2f} to {100 * high:+.2f}"
    else:
        # As the metric moves: an error that falls is a gain.
        ends = sorted((sign * low, sign * high))
        text = f"{sign * value:+.3g} {metric.name}, 95 % interval {ends[0]:+.3g} to {ends[1]:+.3g}"
    return Gain(value, low, high, text)


def _are_answers(marks: np.ndarray) -> bool:
    """Whether each sample is right or wrong, and nothing between."""
    return bool(((marks == 0) | (marks == 1)).all())


def _exact(better: np.ndarray, worse: np.ndarray) -> tuple[float, float]:
    """The interval of a difference of shares of right answers."""
    from scipy.stats import binomtest

    first, second = int((better > worse).sum()), int((better < worse).sum())
    apart = first + second
    if not apart:
        return 0.0, 0.0
    interval = binomtest(first, apart).proportion_ci(CONFIDENCE, method="exact")
    share = apart / len(better)
    return share * (2 * float(interval.low) - 1), share * (2 * float(interval.high) - 1)


def _of_means(differences: np.ndarray) -> tuple[float, float]:
    """The interval of a mean."""
    if not np.ptp(differences):
        return float(differences[0]), float(differences[0])
    from scipy.stats import bootstrap

    interval = bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, batch=BATCH, method="percentile", confidence_level=CONFIDENCE,
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return float(interval.low), float(interval.high)


def _drawn_again(better: Marks, worse: Marks, sign: float) -> tuple[float, float]:
    """The interval of a difference of what is computed of all samples together."""
    rng, count = np.random.default_rng(0), len(better)
    drawn = (rng.integers(0, count, count) for _ in range(COSTLY_RESAMPLES))
    differences = np.array([sign * (better.of(chosen) - worse.of(chosen)) for chosen in drawn])
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.nanpercentile(differences, [tail, 100 - tail])
    return float(low), float(high)
