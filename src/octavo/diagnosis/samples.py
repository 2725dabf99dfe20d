"""Samples held in memory, and what single samples make of a float network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.calibration.instrument import REDUCTIONS, with_extremes
from octavo.calibration.states import with_states_shown
from octavo.calibration.statistics import Statistics
from octavo.data.dataset import Dataset
from octavo.errors import NonFiniteError
from octavo.ir.types import Graph, Tensor
from octavo.numerics.tensor_statistics import TensorStatistics
from octavo.ops.operands import states
from octavo.run.litert import LiteRT

Arrays = Mapping[str, np.ndarray]
Told = Callable[[int, int], None]
# What samples held at a time may take.
HELD_BYTES = 1 << 29
_CHUNK = 16
MOST_THREADS = 4


def held(data: Any, inputs: Sequence[Tensor], divisor: float | None, limit: int | None) -> dict[str, np.ndarray]:
    """The first samples of a dataset by input name, as many as `HELD_BYTES` hold.

    Raises:
        DatasetError: if there is none, or one does not fit.
    """
    room = max(1, HELD_BYTES // max(1, sum(tensor.size * tensor.dtype.bits // 8 for tensor in inputs)))
    dataset = Dataset(data, inputs, integer_divisor=divisor, samples=min(room, limit or room))
    chunks = [[array.copy() for array in chunk.arrays] for chunk in dataset.chunks(_CHUNK)]
    arrays = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    return dict(zip((tensor.name for tensor in inputs), arrays, strict=True))


def count_of(x: Arrays) -> int:
    """How many samples there are."""
    return len(next(iter(x.values())))


def rows(x: Arrays, chosen: Any) -> dict[str, np.ndarray]:
    """Some of the samples, by an index as numpy takes it."""
    return {name: array[chosen] for name, array in x.items()}


def one(x: Arrays, index: int, graph: Graph) -> dict[str, np.ndarray]:
    """A sample, in the shapes of the graph's inputs."""
    return {name: array[index].reshape(graph.tensors[name].shape) for name, array in x.items()}


def rows_of(results: Arrays, chosen: Any, count: int) -> dict[str, np.ndarray]:
    """What some of `count` samples result in: each has the same number of rows, one unless the graph says otherwise."""
    return {
        name: array.reshape(count, -1, *array.shape[1:])[chosen].reshape(-1, *array.shape[1:])
        for name, array in results.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class Extremes:
    """The smallest and largest value that each sample makes each float tensor hold.

    Attributes:
        names: Of the tensors.
        sizes: Elements of each in one sample.
        low, high: float64 [samples, tensors].
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    low: np.ndarray
    high: np.ndarray

    @property
    def reach(self) -> np.ndarray:
        """The largest magnitude, [samples, tensors]."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def of(self, name: str) -> tuple[float, float]:
        """(low, high) of a tensor over all samples."""
        place = self.names.index(name)
        return float(self.low[:, place].min()), float(self.high[:, place].max())

    def only(self, kept: np.ndarray | slice) -> Extremes:
        """Those of some samples, by a mask or indices."""
        return Extremes(self.names, self.sizes, self.low[kept], self.high[kept])

    def beside(self, other: Extremes) -> Extremes:
        """Those of the samples of both."""
        low, high = (np.concatenate(pair) for pair in ((self.low, other.low), (self.high, other.high)))
        return Extremes(self.names, self.sizes, low, high)

    def statistics(self) -> Statistics:
        """What calibration on these samples would have found."""
        count = len(self.low)
        found = {
            name: TensorStatistics(float(self.low[:, i].min()), float(self.high[:, i].max()), count * self.sizes[i])
            for i, name in enumerate(self.names)
        }
        return Statistics(found, count, "")


def float_activations(graph: Graph) -> tuple[str, ...]:
    """Inputs, results and variables that hold reals, in execution order."""
    made = (name for node in graph.nodes for name in (*node.outputs, *(each.name for each in states(graph, node))))
    names = dict.fromkeys((*graph.inputs, *made))
    return tuple(name for name in names if graph.tensors[name].dtype.is_float and not graph.tensors[name].is_constant)


def measure_extremes(graph: Graph, x: Arrays, told: Told) -> Extremes:
    """Run each sample alone through the float network and note the extremes of every tensor.

    Raises:
        NonFiniteError: naming the sample and the tensor, where one is not finite.
    """
    names = float_activations(graph)
    showing, shown = with_states_shown(graph, names)
    made = tuple(name for name in names if name not in graph.inputs)
    model = with_extremes(showing, tuple(shown.get(name, name) for name in made))
    count, step = count_of(x), len(REDUCTIONS)
    idle: deque[LiteRT] = deque()

    def pairs_of(i: int) -> np.ndarray:
        try:
            runtime = idle.pop()
        except IndexError:
            runtime = LiteRT(model)
        sample = one(x, i, graph)
        runtime.reset()
        numbers = [float(output.item()) for output in runtime.run({n: sample[n] for n in graph.inputs}).values()]
        idle.append(runtime)
        found = {name: numbers[step * k : step * k + 2] for k, name in enumerate(made)}
        pairs = [found.get(name) or [float(sample[name].min()), float(sample[name].max())] for name in names]
        for name, pair in zip(names, pairs, strict=True):
            if not np.isfinite(pair).all():
                raise _not_finite(i, name)
        return np.array(pairs)

    found = np.empty((count, len(names), 2))
    with ThreadPoolExecutor(threads_for(count), "diagnose") as pool:
        for i, pairs in enumerate(pool.map(pairs_of, range(count))):
            found[i] = pairs
            told(i + 1, count)
    return Extremes(names, tuple(graph.tensors[name].size for name in names), found[..., 0], found[..., 1])


def threads_for(count: int) -> int:
    """Threads that look at so many samples side by side, each on a runtime of its own."""
    return max(1, min(MOST_THREADS, os.cpu_count() or 1, count))


def _not_finite(sample: int, tensor: str) -> NonFiniteError:
    return NonFiniteError(
        f"sample {sample} makes '{tensor}' hold NaN or infinity.",
        got="a value that is not finite",
        expected="finite values in the float network",
        fix=f"leave sample {sample} out, or mend what made it",
    )
