"""What calibration learns of a tensor: its extremes and, where asked for, how often each value occurs.

Counts are integers and extremes are exact, so that statistics of parts, merged in any order, equal those of the whole.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from octavo.data.arrays import DAMAGES, open_arrays
from octavo.errors import DatasetError, InputError
from octavo.files import write_whole
from octavo.numerics.tensor_statistics import BINS, TensorStatistics

# Converting at most this many patterns to indices at a time keeps the temporary arrays small.
_BLOCK = 1 << 18


class Accumulator:
    """Gathers the statistics of one tensor.

    Args:
        histogram: Whether to count values by bin.
    """

    def __init__(self, *, histogram: bool = False) -> None:
        self._low, self._high, self._count = np.inf, -np.inf, 0
        self._histogram = np.zeros(BINS, np.int64) if histogram else None

    def add(self, values: np.ndarray) -> bool:
        """Add values, float32 of any shape with at least one element.

        Returns:
            False, with nothing added, if one of them is NaN or infinite.
        """
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            return False
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._count += values.size
        if self._histogram is not None:
            _count_bins(values, self._histogram)
        return True

    def add_extremes(self, low: float, high: float, count: int) -> None:
        """Add values of which only the extremes are known, both finite; not for an accumulator with a histogram."""
        assert self._histogram is None, "a histogram needs the values"
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._count += count

    def result(self) -> TensorStatistics:
        """What was gathered; at least one value must have been added."""
        assert self._count, "statistics of no values"
        # -0.0 and 0.0 compare equal, and which of them min keeps depends on the order.
        return TensorStatistics(self._low + 0.0, self._high + 0.0, self._count, self._histogram)


def _count_bins(values: np.ndarray, histogram: np.ndarray) -> None:
    """Add the number of float32 `values` in each bin to `histogram`."""
    patterns = np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32)
    for start in range(0, patterns.size, _BLOCK):
        bins = patterns[start : start + _BLOCK] >> np.uint32(16)
        if bins.size < BINS:
            np.add.at(histogram, bins, 1)
        else:
            # Faster, once there are enough values to outweigh a second array of bins.
            histogram += np.bincount(bins, minlength=BINS)


@dataclass(frozen=True, slots=True, eq=False)
class Statistics(Mapping[str, TensorStatistics]):
    """Statistics of every observed tensor, by tensor name.

    Attributes:
        tensors: By tensor name.
        samples: Number of samples seen.
        fingerprint: Digest of the model they were measured on; only statistics of the same model can be merged.
    """

    tensors: Mapping[str, TensorStatistics]
    samples: int
    fingerprint: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))

    def __reduce__(self) -> tuple[object, ...]:
        return Statistics, (dict(self.tensors), self.samples, self.fingerprint)

    def __getitem__(self, name: str) -> TensorStatistics:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Statistics):
            return NotImplemented
        same = (self.samples, self.fingerprint) == (other.samples, other.fingerprint)
        return same and dict(self.tensors) == dict(other.tensors)

    def __hash__(self) -> int:
        return hash((self.samples, self.fingerprint))

    @property
    def has_histograms(self) -> bool:
        """Whether values were counted by bin."""
        return any(statistics.histogram is not None for statistics in self.tensors.values())

    def check_measured_on(self, measured_on: str, needs_histogram: bool) -> None:
        """Refuse statistics that do not serve to quantize a model.

        Args:
            measured_on: The fingerprint of what calibration would run.
            needs_histogram: Whether ranges are made of histograms.

        Raises:
            DatasetError: for those of another model, or without the histograms that are needed.
        """
        if self.fingerprint != measured_on:
            raise DatasetError(
                "these statistics were not measured on this model.",
                got="statistics of another model, scheme or skip=",
                expected="what octavo.calibrate measured on the same model with the same options",
                fix="calibrate again: octavo.calibrate(model, data, scheme=..., skip=...)",
            )
        if needs_histogram and not self.has_histograms:
            raise DatasetError(
                "these statistics do not serve the estimator.",
                got="extremes alone",
                expected="histograms of the values",
                fix="calibrate again with the same estimator=..., or use estimator='minmax'",
            )

    def merge(self, other: Statistics) -> Statistics:
        """Statistics of both sets of samples; associative and commutative.

        Raises:
            InputError: if they are of different models or tensors, or only one has histograms.
        """
        for kind, mine, theirs in (
            ("models", self.fingerprint, other.fingerprint),
            ("tensors", sorted(self), sorted(other)),
            ("kinds", _kind(self), _kind(other)),
        ):
            if mine != theirs:
                raise InputError(
                    f"statistics of different {kind} cannot be merged.",
                    got=f"{mine} and {theirs}",
                    expected="statistics of one model, one set of options and different samples",
                    fix="calibrate the same model with the same options on each part of the data, then merge",
                )
        merged = {name: statistics.merge(other[name]) for name, statistics in self.tensors.items()}
        return Statistics(merged, self.samples + other.samples, self.fingerprint)

    def save(self, path: str | Path) -> Path:
        """Write an .npz file, whole or not at all.

        Returns:
            The path written.

        Raises:
            OutputError: if the file cannot be written.
        """
        head = {"samples": self.samples, "fingerprint": self.fingerprint, "tensors": list(self.tensors)}
        arrays = {
            "head": np.array(json.dumps(head)),
            "low": np.array([statistics.low for statistics in self.tensors.values()], np.float64),
            "high": np.array([statistics.high for statistics in self.tensors.values()], np.float64),
            "count": np.array([statistics.count for statistics in self.tensors.values()], np.int64),
        }
        for i, statistics in enumerate(self.tensors.values()):
            if statistics.histogram is not None:
                arrays[f"histogram_{i}"] = statistics.histogram
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
        return write_whole(Path(path), content.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> Statistics:
        """Read what `save` wrote.

        Raises:
            InputError: if the file is missing or is not one `save` wrote.
        """
        try:
            with open_arrays(Path(path)) as file:
                head = json.loads(str(file["head"]))
                columns = zip(head["tensors"], file["low"], file["high"], file["count"], strict=True)
                tensors = {
                    name: _checked(name, TensorStatistics(float(low), float(high), int(count), _histogram(file, i)))
                    for i, (name, low, high, count) in enumerate(columns)
                }
                if not isinstance(head["samples"], int) or head["samples"] < 1 or len(tensors) < len(head["tensors"]):
                    raise ValueError(f"{head['samples']} samples of {len(tensors)} different tensors")
                if len({statistics.histogram is None for statistics in tensors.values()}) > 1:
                    raise ValueError("histograms of some tensors alone")
                return cls(tensors, head["samples"], str(head["fingerprint"]))
        except DAMAGES as error:
            raise InputError(
                f"'{path}' does not hold calibration statistics.",
                got=f"{type(error).__name__}: {error}",
                expected="an .npz file written by Statistics.save",
                fix="check the path, or calibrate again and save the result",
            ) from error


def _histogram(file: Mapping[str, np.ndarray], index: int) -> np.ndarray | None:
    """A stored histogram, or None where there is none.

    Raises:
        ValueError: if it is not int64 [65536] of counts.
    """
    histogram = file.get(f"histogram_{index}")
    if histogram is None:
        return None
    if histogram.shape != (BINS,) or histogram.dtype != np.int64 or histogram.min() < 0:
        raise ValueError(f"histogram {index} is {histogram.dtype}{list(histogram.shape)} of counts not all positive")
    return histogram


def _checked(name: object, statistics: TensorStatistics) -> TensorStatistics:
    """The statistics, if some values can have them.

    Raises:
        ValueError: if not.
    """
    low, high, count = statistics.low, statistics.high, statistics.count
    counted = count if statistics.histogram is None else int(statistics.histogram.sum())
    if not isinstance(name, str) or not (np.isfinite([low, high]).all() and low <= high) or not 0 < count == counted:
        raise ValueError(f"'{name}' from {low} to {high}, {count} values, {counted} of them in its histogram")
    return statistics


def _kind(statistics: Statistics) -> str:
    return "extremes and histograms" if statistics.has_histograms else "extremes"
