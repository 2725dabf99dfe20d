"""One runtime and what it has seen: runs chunks of samples and gathers the statistics of every observed tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from octavo.calibration.dataset import Chunk
from octavo.calibration.statistics import Accumulator, Statistics
from octavo.errors import DatasetError, NonFiniteError
from octavo.ir.types import Tensor
from octavo.run.litert import LiteRT


@dataclass(frozen=True, slots=True)
class Task:
    """What to observe.

    Attributes:
        model: A float .tflite whose outputs are the observed tensors that are not inputs.
        tensors: The observed tensors, in execution order.
        layers: The user's layer by tensor name.
        inputs: The model's inputs.
        needs_histogram: Whether to count values by bin.
    """

    model: bytes
    tensors: tuple[str, ...]
    layers: Mapping[str, str]
    inputs: tuple[Tensor, ...]
    needs_histogram: bool


class Observer:
    """A runtime with the statistics of what went through it.

    Args:
        task: What to observe.
        threads: Threads the runtime may use, and as many that gather.
        together: Whether the samples of a chunk run as one batch.
    """

    def __init__(self, task: Task, *, threads: int = 1, together: bool = False) -> None:
        self.task, self.threads, self.together = task, threads, together
        self._runtime, self._samples = LiteRT(task.model, threads=threads), 0
        floats = [tensor.name for tensor in task.inputs if tensor.dtype.is_float]
        # Inputs come first: a sample that is not finite is named before the activations it spoils.
        self._gathered = {
            name: Accumulator(histogram=task.needs_histogram and name in task.tensors)
            for name in dict.fromkeys((*floats, *task.tensors))
        }
        sizes = {port.name: int(np.prod(port.shape)) for port in (*self._runtime.inputs, *self._runtime.outputs)}
        self._shares = _shares({name: sizes[name] for name in self._gathered}, threads)
        self._pool = ThreadPoolExecutor(threads, "gather")
        self._values: dict[str, np.ndarray] = {}

    def twin(self) -> Observer:
        """Another one for the same task that has seen nothing yet."""
        return Observer(self.task, threads=self.threads, together=self.together)

    def can_batch(self, chunk: Chunk) -> bool:
        """Whether the samples of a chunk, run as one batch, give bit for bit what each gives alone."""
        rows, last = len(chunk.arrays[0]), chunk.count - 1
        if rows == 1:
            return True
        alone = self._runtime.run(self._named([array[last : last + 1] for array in chunk.arrays]))
        try:
            batch = self._runtime.run(self._named(chunk.arrays))
        except DatasetError:
            return False
        return all(
            value.shape == (rows, *alone[name].shape[1:])
            and np.array_equal(value[last : last + 1], alone[name], equal_nan=True)
            for name, value in batch.items()
        )

    def observe(self, chunk: Chunk) -> int:
        """Run a chunk and gather its statistics; returns its number of samples.

        Raises:
            NonFiniteError: naming the first sample with a NaN or an infinity, and the first tensor that has it.
        """
        for part in (chunk,) if self.together else _singly(chunk):
            self._gather(part)
        self._samples += chunk.count
        return chunk.count

    def statistics(self, fingerprint: str) -> Statistics:
        """What was gathered of the observed tensors; at least one chunk must have been observed."""
        tensors = {name: self._gathered[name].result() for name in self.task.tensors}
        return Statistics(tensors, self._samples, fingerprint)

    def _gather(self, chunk: Chunk) -> None:
        """Run a chunk as one batch; the views of the runtime's memory end with this call, as its next run demands."""
        inputs = self._named(chunk.arrays)
        self._values = {**self._runtime.run(inputs, copy=False), **inputs}
        try:
            each = map if self.threads == 1 else self._pool.map
            if not all(list(each(partial(self._add, chunk.count), self._shares))):
                raise self._fault(chunk)
        finally:
            self._values = {}

    def _add(self, count: int, names: Sequence[str]) -> bool:
        """Gather the first `count` rows of some tensors; whether all are finite."""
        return all([self._gathered[name].add(self._values[name][:count]) for name in names])

    def _named(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return {tensor.name: array for tensor, array in zip(self.task.inputs, arrays, strict=True)}

    def _fault(self, chunk: Chunk) -> NonFiniteError:
        """The error for the first sample of `chunk`, just run, that is not finite somewhere."""
        values = self._values
        row, name = next(
            (row, name)
            for row in range(chunk.count)
            for name in self._gathered
            if not np.isfinite(values[name][row]).all()
        )
        return _non_finite(chunk.start + row, values[name][row], name, self.task)


def _shares(sizes: Mapping[str, int], count: int) -> list[list[str]]:
    """The names in `count` lists whose sizes add up to about the same."""
    shares: list[list[str]] = [[] for _ in range(count)]
    totals = [0] * count
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        smallest = totals.index(min(totals))
        shares[smallest].append(name)
        totals[smallest] += sizes[name]
    return shares


def _singly(chunk: Chunk) -> Iterator[Chunk]:
    """The samples of a chunk, each by itself."""
    for row in range(chunk.count):
        yield Chunk(chunk.start + row, 1, tuple(array[row : row + 1] for array in chunk.arrays))


def _non_finite(sample: int, values: np.ndarray, tensor: str, task: Task) -> NonFiniteError:
    bad = np.argwhere(~np.isfinite(values))
    first = tuple(int(index) for index in bad[0])
    got = f"{values[first]} at index {first} of tensor '{tensor}', {len(bad)} of its {values.size} values"
    if tensor in {spec.name for spec in task.inputs}:
        return NonFiniteError(
            f"sample {sample} of the data is not finite in input '{tensor}'.",
            got=got,
            expected="numbers that float32 can hold",
            fix=f"repair sample {sample}, or leave it out",
        )
    layer = task.layers.get(tensor, tensor)
    return NonFiniteError(
        f"layer '{layer}' computes a value that is not finite from sample {sample}, which itself is finite.",
        got=got,
        expected="finite activations",
        fix=f"look for huge or NaN weights in layer '{layer}', and in sample {sample} for what training never showed",
    )
