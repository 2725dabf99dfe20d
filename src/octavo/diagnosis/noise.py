"""Noise and signal: of a network's outputs by sample, and of any quantity over samples."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

SMALLEST_SIGNAL = 0.01
# Share of the outputs that are no further from the others than ordinary.
ORDINARY = 0.75
# Values that are squared at a time: in float64, few enough for a processor's cache.
_BLOCK = 1 << 14


def noise_share(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> np.ndarray:
    """Noise of each sample's outputs, by what outputs differ between samples; the worst output counts.

        share[i] = mean((found[i] - wanted[i]) ** 2) / mean((wanted - mean over samples) ** 2)

    What all samples have in common tells nothing of them. Outputs that hardly differ count as if they did by
    `SMALLEST_SIGNAL` of their power, see `_power`. Where rounding leaves a float function no value, see `saturated`.

    Args:
        found, wanted: Real values by output name, first axis the sample.

    Returns:
        Shape (samples,).
    """
    worst = np.zeros(len(next(iter(wanted.values()))))
    for name, values in wanted.items():
        flat = values.reshape(len(values), -1).astype(np.float64)
        noise = ((saturated(found[name].reshape(flat.shape), flat).astype(np.float64) - flat) ** 2).mean(axis=1)
        signal = max(float(flat.var(axis=0).mean()), SMALLEST_SIGNAL * _power(flat))
        worst = np.maximum(worst, noise / max(signal, float(np.finfo(np.float32).tiny)))
    return worst


def _power(flat: np.ndarray) -> float:
    """How far outputs are from what they have in common, squared; of three in four, whatever the others do.

    An offset of all logits, or one class that never is, is nothing that an answer is read from.

    Args:
        flat: float64 [samples, outputs].
    """
    means = flat.mean(axis=0)
    common = float(np.median(means)) if len(means) > 1 else 0.0
    return float(np.quantile((means - common) ** 2 + flat.var(axis=0), ORDINARY, method="lower"))


def mean_share(shares: np.ndarray) -> float:
    """The mean over samples, each at most 1: where noise is as strong as the signal, nothing more can be lost."""
    return float(np.minimum(shares, 1.0).mean())


def saturated(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """`found` with values that are not finite, as the logarithm of what was rounded to 0, at the ends of `wanted`.

    Integer kernels saturate there. Infinities go to their own end, NaN to the one farther from what is wanted.
    """
    if np.isfinite(found).all():
        return found
    low, high = wanted.min(), wanted.max()
    farther = np.where(high - wanted > wanted - low, high, low)
    return np.nan_to_num(np.where(np.isnan(found), farther, found), posinf=float(high), neginf=float(low))


class Power:
    """Signal and noise of one quantity over samples."""

    def __init__(self) -> None:
        self.signal, self.noise = 0.0, 0.0

    def add(self, found: np.ndarray, wanted: np.ndarray) -> None:
        """Count the values of a sample; sums are float64."""
        left, right = saturated(found, wanted).ravel(), wanted.ravel()
        for start in range(0, right.size, _BLOCK):
            real = right[start : start + _BLOCK].astype(np.float64)
            off = left[start : start + _BLOCK] - real
            self.signal += float(np.square(real).sum())
            self.noise += float(np.square(off).sum())

    @property
    def decibels(self) -> float | None:
        """SQNR; None without signal or without noise."""
        if not self.noise or not self.signal:
            return None
        return 10 * math.log10(self.signal / self.noise)
