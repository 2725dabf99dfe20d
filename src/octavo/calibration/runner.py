"""Calibration: LiteRT runs an instrumented float model on the samples, and the statistics of its tensors are gathered.

Several single-threaded runtimes run side by side, each in a child process; a model of which memory holds few copies
runs in fewer runtimes of several threads each. Samples go through in batches only where a batch computes, bit for bit,
what its samples compute alone; statistics then depend neither on how the data comes in batches nor on the number of
threads. Where the graph writes states, the samples are one sequence: a state shows its range after many of them.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import reduce
from typing import Any

from octavo.calibration.fingerprint import fingerprint
from octavo.calibration.gatherer import COMPARED, Gatherer, gatherer
from octavo.calibration.instrument import instrumented, with_values
from octavo.calibration.states import with_states_shown, with_what_counts
from octavo.calibration.statistics import Statistics
from octavo.calibration.task import Task, task_of
from octavo.data.dataset import Chunk, Dataset
from octavo.errors import RuntimeEndedError
from octavo.evaluate.culprit import blamed
from octavo.ir.types import Graph
from octavo.run.signature import read_signature
from octavo.run.supervised import Remote
from octavo.run.targets import DEFAULT
from octavo.run.worker import stop_children, warm_up

MAXIMUM_THREADS = 8
# Activations of one batch: few enough for a cache, enough to outweigh the cost of a call.
BATCH_BYTES = 4 << 20
MAXIMUM_BATCH = 256
# Inputs of one chunk, and batches in it: enough to outweigh the cost of a message, few enough to share out.
CHUNK_BYTES = 2 << 20
MAXIMUM_BATCHES = 8
# What runtimes side by side may take; each holds the weights and every activation.
RUNTIMES_BYTES = 96 << 20

Progress = Callable[[int, int | None], None]


def calibrate(
    graph: Graph,
    tensors: Sequence[str],
    data: Any,
    *,
    needs_histogram: bool = False,
    samples: int | None = None,
    integer_divisor: float | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Statistics:
    """Run samples through a model and gather statistics of its activations.

    Args:
        graph: The float graph.
        tensors: The observed tensors, in execution order.
        data: The samples, in any form `octavo.data.sources.ACCEPTED` lists.
        needs_histogram: Whether to count values by bin, which percentiles need.
        samples: Use at most this many.
        integer_divisor: What integer samples are divided by, see `octavo.data.dataset.Dataset`.
        progress: Called with the number of samples done and, if known, of all.
        threads: Threads in all; None takes one for each available processor, at most eight.

    Returns:
        Statistics of each of `tensors`. They can be saved, and merged with those of other samples.

    Raises:
        DatasetError: if the data has no sample, or one that does not fit the inputs.
        NonFiniteError: naming the first sample with a NaN or an infinity, and the first tensor that has it.
        RuntimeEndedError: naming the samples on which LiteRT ended its process.
    """
    showing, shown = with_states_shown(graph, tensors)
    showing, counting = with_what_counts(showing, tensors)
    shown |= counting
    task = task_of(showing, [shown.get(name, name) for name in tensors], needs_histogram=needs_histogram)
    inputs = [graph.tensors[name] for name in graph.inputs]
    dataset = Dataset(data, inputs, integer_divisor=integer_divisor, samples=samples)
    model = instrumented(showing, task)
    sample_bytes = read_signature(model).activation_bytes
    rows = 1 if task.is_sequence else _batch_rows(sample_bytes)
    available = threads or processors()
    workers, each = (1, available) if task.is_sequence else _crew(len(model) + rows * sample_bytes, available)
    warm_up(workers, gatherer.__module__)
    chunks = dataset.chunks(rows * _batches(rows * sum(tensor.size * tensor.dtype.bits // 8 for tensor in inputs)))
    first = next(chunks)
    crew = _Crew(showing, task, model, each, rows)
    done = 0
    try:
        crew.settle(first)
        for count in _spread(crew, itertools.chain([first], chunks), workers):
            done += count
            if progress is not None:
                progress(done, dataset.total)
        found = crew.statistics(fingerprint(graph, tensors))
        return replace(found, tensors={name: found[shown.get(name, name)] for name in tensors})
    finally:
        crew.close()


class _Crew:
    """Gatherers of one task, each in a child process; as many as observe at the same time.

    Args:
        graph: The float graph.
        task: What they observe of it.
        model: `instrumented(graph, task)`.
        threads: Of each one's runtime.
        rows: Samples that run as one batch, where it computes what they do.
    """

    def __init__(self, graph: Graph, task: Task, model: bytes, threads: int, rows: int) -> None:
        self._graph = graph
        self._task, self._model, self._threads, self._rows = task, model, threads, rows
        self._all: list[Remote[Gatherer]] = []
        self._idle: deque[Remote[Gatherer]] = deque()

    def settle(self, chunk: Chunk) -> None:
        """Decide by some samples, which are not gathered, whether samples run as one batch."""
        first, head = self._another(), next(chunk.parts(min(self._rows, COMPARED)))
        self._rows = first.ask_for(self._samples(head), head.count, Gatherer.settle, head)
        self._idle.append(first)

    def observe(self, chunk: Chunk) -> int:
        """Let one of them observe a chunk; returns its number of samples."""
        try:
            one = self._idle.popleft()
        except IndexError:
            one = self._another()
        try:
            count = one.ask_for(self._samples(chunk), chunk.count, Gatherer.observe, chunk)
            if count < chunk.count:
                rest, model = chunk.after(count), with_values(self._graph, self._task.made)
                one.ask_for(self._samples(rest), rest.count, Gatherer.observe_each, rest, model)
        except RuntimeEndedError as error:
            inputs = [self._graph.tensors[name] for name in self._graph.inputs]
            singles = [
                {tensor.name: array.reshape(tensor.shape) for tensor, array in zip(inputs, sample.arrays, strict=True)}
                for sample in chunk.parts(1)
            ]
            told, _ = blamed(error, DEFAULT, self._graph, singles)
            raise told from error
        self._idle.append(one)
        return chunk.count

    def statistics(self, measured_on: str) -> Statistics:
        """Of everything that all have observed."""
        return reduce(Statistics.merge, (one.ask(Gatherer.statistics, measured_on) for one in self._all))

    def close(self) -> None:
        """Give the child processes back."""
        for one in self._all:
            one.close()

    def _another(self) -> Remote[Gatherer]:
        one = Remote("LiteRT", gatherer, self._task, self._model, self._threads, self._rows)
        self._all.append(one)
        return one

    def _samples(self, chunk: Chunk) -> str:
        return f"on samples {chunk.start} to {chunk.start + chunk.count - 1} of model '{self._graph.name}'"


def _spread(crew: _Crew, chunks: Iterable[Chunk], workers: int) -> Iterator[int]:
    """Number of samples of each chunk once it is observed, in order."""
    with ThreadPoolExecutor(workers, "calibrate") as pool:
        pending: deque[Future[int]] = deque()
        try:
            for chunk in chunks:
                pending.append(pool.submit(crew.observe, chunk))
                # So few chunks are held at a time that memory stays bounded, whatever the data's size.
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except KeyboardInterrupt:
            stop_children()
            raise
        finally:
            for future in pending:
                future.cancel()


def _batch_rows(sample_bytes: int) -> int:
    """Samples that make a batch."""
    return min(max(1, BATCH_BYTES // max(1, sample_bytes)), MAXIMUM_BATCH)


def _batches(input_bytes: int) -> int:
    """Batches that make a chunk, by the bytes of one's inputs."""
    return min(max(1, CHUNK_BYTES // max(1, input_bytes)), MAXIMUM_BATCHES)


def _crew(runtime_bytes: int, threads: int) -> tuple[int, int]:
    """How many runtimes run side by side, and with how many threads each."""
    workers = min(threads, max(1, RUNTIMES_BYTES // runtime_bytes))
    return workers, threads // workers


def processors() -> int:
    """How many threads this process may use, at most eight."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MAXIMUM_THREADS)
