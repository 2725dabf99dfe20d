"""A runtime and what its outputs tell: adds to accumulators what a chunk of samples makes of every observed tensor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from octavo.calibration.statistics import Accumulator
from octavo.calibration.task import REDUCTIONS, Task
from octavo.data.dataset import Chunk
from octavo.errors import NonFiniteError
from octavo.run.litert import LiteRT

_LARGEST = float(np.finfo(np.float32).max)


class Probe:
    """A runtime of a task.

    Args:
        task: What to observe.
        model: `octavo.calibration.instrument.instrumented`.
        threads: Threads the runtime may use.
    """

    def __init__(self, task: Task, model: bytes, *, threads: int = 1) -> None:
        self.task = task
        self._runtime = LiteRT(model, threads=threads)

    @property
    def takes_batches(self) -> bool:
        """Whether the samples of every input can be the rows of a batch."""
        return all(port.shape[:1] == (1,) for port in self._runtime.inputs)

    def add(self, chunk: Chunk, gathered: Mapping[str, Accumulator]) -> bool:
        """Run a chunk as one batch and add what its tensors hold.

        Returns:
            Whether everything is finite for certain; if not, `add_each` is to be called next.
        """
        add = self._add_values if self.task.needs_histogram else self._add_extremes
        return add(chunk, gathered)

    def add_each(self, chunk: Chunk, model: bytes, gathered: Mapping[str, Accumulator]) -> None:
        """Look at all values of one sample after the other, for the first that is not finite.

        There is none where a sum of large values overflowed.

        Args:
            chunk: What `add` was not certain of.
            model: `octavo.calibration.instrument.with_values`.
            gathered: Its accumulators.

        Raises:
            NonFiniteError: naming the first sample with a NaN or an infinity, and the first tensor that has it.
        """
        runtime = LiteRT(model)
        for sample in chunk.parts(1):
            inputs = self._named(sample)
            self._begin(runtime)
            values = {**runtime.run(inputs), **inputs}
            for name, accumulator in gathered.items():
                if not accumulator.add(values[name]):
                    raise _non_finite(sample.start, np.atleast_1d(values[name])[0], name, self.task)

    def _add_extremes(self, chunk: Chunk, gathered: Mapping[str, Accumulator]) -> bool:
        """As `add`, of which nothing is added where it is not certain."""
        inputs = self._named(chunk)
        self._begin(self._runtime)
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
                accumulator.add_extremes(low, high, chunk.count * self.task.sizes[name])
        return True

    def _add_values(self, chunk: Chunk, gathered: Mapping[str, Accumulator]) -> bool:
        """As `add`, where all values are known; the views of the runtime's memory end here, as its next run demands."""
        inputs = self._named(chunk)
        self._begin(self._runtime)
        values = {**self._runtime.run(inputs, copy=False), **inputs}
        return all([accumulator.add(values[name]) for name, accumulator in gathered.items()])

    def _begin(self, runtime: LiteRT) -> None:
        if not self.task.is_sequence:
            runtime.reset()

    def _named(self, chunk: Chunk) -> dict[str, np.ndarray]:
        named = dict(zip(self.task.inputs, chunk.arrays, strict=True))
        if chunk.count > 1:
            return named
        return {port.name: named[port.name].reshape(port.shape) for port in self._runtime.inputs}


def _surely_finite(reduced: list[float]) -> bool:
    """Whether no value can be NaN or infinite; reductions outside XNNPACK turn infinity into the largest float."""
    low, high, total = reduced
    return bool(np.isfinite(total)) and -_LARGEST < low <= high < _LARGEST


def _non_finite(sample: int, values: np.ndarray, tensor: str, task: Task) -> NonFiniteError:
    bad = np.argwhere(~np.isfinite(values))
    first = tuple(int(index) for index in bad[0])
    got = f"{values[first]} at index {first} of tensor '{tensor}', {len(bad)} of its {values.size} values"
    if tensor in task.inputs:
        return NonFiniteError(
            f"sample {sample} of the data is not finite in input '{tensor}'.",
            got=got,
            expected="numbers that float32 can hold",
            fix=f"repair sample {sample}, or leave it out",
        )
    layer = task.layers[tensor]
    return NonFiniteError(
        f"layer '{layer}' computes a value that is not finite from sample {sample}, which itself is finite.",
        got=got,
        expected="finite activations",
        fix=f"look for huge or NaN weights in layer '{layer}', and in sample {sample} for what training never showed",
    )
