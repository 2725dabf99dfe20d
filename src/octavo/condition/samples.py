"""Representative data that conditioning methods read, each as often as it needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from octavo.calibration.statistics import Statistics
from octavo.data.dataset import Dataset
from octavo.data.sources import is_spent
from octavo.errors import ConfigError, DatasetError
from octavo.ir.types import Tensor
from octavo.progress import Progress

Values = Mapping[str, np.ndarray]

# Samples copied at a time.
_CHUNK = 16


def check_samples(method: str, count: int, usual: int) -> None:
    """Refuse a method that would look at no sample.

    Raises:
        ConfigError: naming the method.
    """
    if count < 1:
        raise ConfigError(
            f"samples of {method} is out of range.",
            got=str(count),
            expected="a positive number",
            fix=f"use some tens, for example {method}(samples={usual})",
        )


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples that can be read again.

    Attributes:
        data: In any form of `octavo.data.sources.ACCEPTED` that is not a generator.
        inputs: The graph's inputs.
        integer_divisor: What integer samples are divided by for a float input.
        limit: Read at most this many; None for all.
        progress: Told of long work on them.

    Raises:
        DatasetError: without data, for statistics of data, and for data that can be read only once.
    """

    data: Any
    inputs: tuple[Tensor, ...]
    integer_divisor: float | None = None
    limit: int | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.data is None or isinstance(self.data, Statistics):
            raise DatasetError(
                "conditioning methods need samples.",
                got="no data" if self.data is None else "octavo.Statistics, which hold none",
                expected="a representative dataset",
                fix="pass the samples: data=x_train[:500]; or leave methods out",
            )
        if is_spent(self.data):
            raise DatasetError(
                "conditioning methods read the data more than once.",
                got="a generator, which can be read only once",
                expected="an array, a list, or a function that returns a new generator",
                fix="pass the function itself: data=samples instead of data=samples(); or leave methods out",
            )

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        """The samples from the first on, by input name, batch 1 each.

        Raises:
            DatasetError: if there is no sample, or one does not fit the inputs.
        """
        dataset = Dataset(self.data, self.inputs, integer_divisor=self.integer_divisor, samples=self.limit)
        for chunk in dataset.chunks(_CHUNK):
            for row in range(chunk.count):
                pairs = zip(self.inputs, chunk.arrays, strict=True)
                yield {tensor.name: array[row].reshape(tensor.shape).copy() for tensor, array in pairs}

    def some(self, count: int) -> tuple[dict[str, np.ndarray], ...]:
        """`count` samples, or as many as there are; at least one.

        They are those of the smallest digests, by these: the same whatever order the data come in, and no longer sorted
        by class where the data are. All samples are read.
        """
        kept: list[tuple[bytes, dict[str, np.ndarray]]] = []
        for sample in self:
            kept.append((_digest(sample), sample))
            if len(kept) >= 2 * count:
                kept = sorted(kept, key=itemgetter(0))[:count]
        return tuple(sample for _, sample in sorted(kept, key=itemgetter(0))[:count])


def _digest(sample: dict[str, np.ndarray]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for array in sample.values():
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
