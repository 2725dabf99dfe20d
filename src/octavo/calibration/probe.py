"""A runtime and what its outputs tell: adds to accumulators what a chunk of samples makes of every observed tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from octavo.calibration.instrument import REDUCTIONS, with_extremes, with_values
from octavo.calibration.statistics import Accumulator
from octavo.data.dataset import Chunk
from octavo.errors import NonFiniteError
from octavo.ir.types import Graph, Tensor
from octavo.run.litert import LiteRT

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Task:
    """What to observe.

    Attributes:
        graph: The float graph.
        tensors: The observed tensors, in execution order.
        needs_histogram: Whether to count values by bin.
    """

    graph: Graph
    tensors: tuple[str, ...]
    needs_histogram: bool

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The graph's inputs."""
        return tuple(self.graph.tensors[name] for name in self.graph.inputs)

    @property
    def made(self) -> tuple[str, ...]:
        """The observed tensors that are not inputs."""
        return tuple(name for name in self.tensors if name not in self.graph.inputs)

    def instrumented(self) -> bytes:
        """The file to run: histograms need all values, else extremes do."""
        return (with_values if self.needs_histogram else with_extremes)(self.graph, self.made)

    def accumulators(self) -> dict[str, Accumulator]:
        """An empty accumulator by tensor name.

        Float inputs have one, observed or not, and come first: a sample that is not finite is named before the
        activations it spoils.
        """
        floats = [tensor.name for tensor in self.inputs if tensor.dtype.is_float]
        return {
            name: Accumulator(histogram=self.needs_histogram and name in self.tensors)
            for name in dict.fromkeys((*floats, *self.tensors))
        }


class Probe:
    """A runtime of a task.

    Args:
        task: What to observe.
        model: `task.instrumented()`.
        threads: Threads the runtime may use.
    """

    def __init__(self, task: Task, model: bytes, *, threads: int = 1) -> None:
        self.task = task
        self._runtime = LiteRT(model, threads=threads)

    def add(self, chunk: Chunk, gathered: Mapping[str, Accumulator]) -> None:
        """Run a chunk as one batch and add what its tensors hold.

        Raises:
            NonFiniteError: naming the first sample with a NaN or an infinity, and the first tensor that has it.
        """
        add = self._add_values if self.task.needs_histogram else self._add_extremes
        if not add(chunk, gathered):
            self._add_singly(chunk, gathered)

    def _add_extremes(self, chunk: Chunk, gathered: Mapping[str, Accumulator]) -> bool:
        """Whether everything is finite for certain; if not, nothing was added."""
        inputs = self._named(chunk)
        self._runtime.reset()
        numbers = [output.item() for output in self._runtime.run(inputs, copy=False).values()]
        count = len(REDUCTIONS)
        found = {name: numbers[count * i : count * (i + 1)] for i, name in enumerate(self.task.made)}
        checked = [inputs[name] for name in inputs if name in gathered]
        if not (all(np.isfinite(array).all() for array in checked) and all(map(_surely_finite, found.values()))):
            return False
        for name, accumulator in gathered.items():
            if name in inputs:
                accumulator.add(inputs[name])
            else:
                low, high, _ = found[name]
                accumulator.add_extremes(low, high, chunk.count * self.task.graph.tensors[name].size)
        return True

    def _add_values(self, chunk: Chunk, gathered: Mapping[str, Accumulator]) -> bool:
        """Whether all values are finite; the views of the runtime's memory end here, as its next run demands."""
        inputs = self._named(chunk)
        self._runtime.reset()
        values = {**self._runtime.run(inputs, copy=False), **inputs}
        return all([accumulator.add(values[name]) for name, accumulator in gathered.items()])

    def _add_singly(self, chunk: Chunk, gathered: Mapping[str, Accumulator]) -> None:
        """Look at all values of one sample after the other, for the first that is not finite.

        There is none where a sum of large values overflowed.
        """
        runtime = LiteRT(with_values(self.task.graph, self.task.made))
        for sample in chunk.parts(1):
            inputs = self._named(sample)
            runtime.reset()
            values = {**runtime.run(inputs), **inputs}
            for name, accumulator in gathered.items():
                if not accumulator.add(values[name]):
                    raise _non_finite(sample.start, np.atleast_1d(values[name])[0], name, self.task)

    def _named(self, chunk: Chunk) -> dict[str, np.ndarray]:
        return dict(zip(self.task.graph.inputs, chunk.arrays, strict=True))


def _surely_finite(reduced: list[float]) -> bool:
    """Whether no value can be NaN or infinite; reductions outside XNNPACK turn infinity into the largest float."""
    low, high, total = reduced
    return bool(np.isfinite(total)) and -_LARGEST < low <= high < _LARGEST


def _non_finite(sample: int, values: np.ndarray, tensor: str, task: Task) -> NonFiniteError:
    bad = np.argwhere(~np.isfinite(values))
    first = tuple(int(index) for index in bad[0])
    got = f"{values[first]} at index {first} of tensor '{tensor}', {len(bad)} of its {values.size} values"
    if tensor in task.graph.inputs:
        return NonFiniteError(
            f"sample {sample} of the data is not finite in input '{tensor}'.",
            got=got,
            expected="numbers that float32 can hold",
            fix=f"repair sample {sample}, or leave it out",
        )
    layer = task.graph.tensors[tensor].layer or tensor
    return NonFiniteError(
        f"layer '{layer}' computes a value that is not finite from sample {sample}, which itself is finite.",
        got=got,
        expected="finite activations",
        fix=f"look for huge or NaN weights in layer '{layer}', and in sample {sample} for what training never showed",
    )
