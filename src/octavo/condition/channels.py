"""What samples show of each channel of a network's tensors."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from octavo.calibration.runner import processors
from octavo.condition.samples import Samples
from octavo.ir.types import Graph
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """What samples showed of each channel of a tensor; float64, shape (channels,).

    Attributes:
        least, most: Extremes.
        variance: Over samples and positions.
    """

    least: np.ndarray
    most: np.ndarray
    variance: np.ndarray

    @property
    def low(self) -> np.ndarray:
        """The least, or 0."""
        return np.minimum(self.least, 0.0)

    @property
    def high(self) -> np.ndarray:
        """The most, or 0."""
        return np.maximum(self.most, 0.0)


def seen_channels(graph: Graph, names: Sequence[str], samples: Samples, count: int) -> dict[str, Channels]:
    """Of tensors that a float graph computes, on some samples."""
    if not names:
        return {}
    # Outputs of the graph stay, so that the file has nothing dead.
    shown = tuple(dict.fromkeys((*graph.outputs, *names)))
    runtime = LiteRT(write_tflite(replace(graph, outputs=shown)), threads=processors())
    zeros = {name: np.zeros(graph.tensors[name].shape[-1]) for name in names}
    least, most = ({name: each + sign * np.inf for name, each in zeros.items()} for sign in (1, -1))
    sums, squares, numbers = dict(zeros), dict(zeros), dict.fromkeys(names, 0)
    with ThreadPoolExecutor(processors(), "channels") as pool:
        for sample in samples.some(count):
            runtime.reset()
            results = runtime.run(sample)
            rows = [results[name].reshape(-1, results[name].shape[-1]) for name in names]
            for name, own, (low, high, total, square) in zip(names, rows, pool.map(_of_rows, rows), strict=True):
                least[name] = np.minimum(least[name], low)
                most[name] = np.maximum(most[name], high)
                sums[name] = sums[name] + total
                squares[name] = squares[name] + square
                numbers[name] += len(own)
    means = {name: sums[name] / numbers[name] for name in names}
    return {
        name: Channels(least[name], most[name], np.maximum(squares[name] / numbers[name] - means[name] ** 2, 0.0))
        for name in names
    }


def _of_rows(rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Extremes, sum and sum of squares of each channel, of rows [rows, channels]."""
    squares = np.square(rows, dtype=np.float64)
    return rows.min(axis=0), rows.max(axis=0), rows.sum(axis=0, dtype=np.float64), squares.sum(axis=0)
