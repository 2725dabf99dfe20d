"""Calibration: LiteRT runs an instrumented float model on the samples, and the statistics of its tensors are gathered.

Several single-threaded runtimes run side by side; a model of which memory holds few copies runs in fewer runtimes of
several threads each. Samples go through in batches only where a batch computes, bit for bit, what its samples compute
alone; statistics then depend neither on how the data comes in batches nor on the number of threads.
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

from octavo.calibration.gatherer import Gatherer, can_batch
from octavo.calibration.probe import Probe, Task
from octavo.calibration.states import with_states_shown
from octavo.calibration.statistics import Statistics, fingerprint
from octavo.data.dataset import Chunk, Dataset
from octavo.ir.types import Graph
from octavo.run.signature import read_signature

MAXIMUM_THREADS = 8
# Activations of one chunk: few enough for a cache, enough to outweigh the cost of a call.
CHUNK_BYTES = 4 << 20
MAXIMUM_CHUNK = 256
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
    """
    showing, shown = with_states_shown(graph, tensors)
    task = Task(showing, tuple(shown.get(name, name) for name in tensors), needs_histogram)
    dataset = Dataset(data, task.inputs, integer_divisor=integer_divisor, samples=samples)
    model = task.instrumented()
    sample_bytes = read_signature(model).activation_bytes
    rows = _chunk_rows(sample_bytes)
    workers, each = _crew(len(model) + rows * sample_bytes, threads or _processors())
    chunks = dataset.chunks(rows)
    first, probe = next(chunks), Probe(task, model, threads=each)
    gatherers = [Gatherer(probe, together=can_batch(probe, first))]
    done = 0
    for count in _spread(gatherers, itertools.chain([first], chunks), workers):
        done += count
        if progress is not None:
            progress(done, dataset.total)
    measured_on = fingerprint(graph, tensors)
    found = reduce(Statistics.merge, (gatherer.statistics(measured_on) for gatherer in gatherers))
    return replace(found, tensors={name: found[shown.get(name, name)] for name in tensors})


def _spread(gatherers: list[Gatherer], chunks: Iterable[Chunk], workers: int) -> Iterator[int]:
    """Number of samples of each chunk once it is observed, in order; gatherers are added as workers need them."""
    idle = deque(gatherers)

    def observe(chunk: Chunk) -> int:
        try:
            gatherer = idle.popleft()
        except IndexError:
            gatherer = gatherers[0].twin()
            gatherers.append(gatherer)
        count = gatherer.observe(chunk)
        idle.append(gatherer)
        return count

    with ThreadPoolExecutor(workers, "calibrate") as pool:
        pending: deque[Future[int]] = deque()
        try:
            for chunk in chunks:
                pending.append(pool.submit(observe, chunk))
                # So few chunks are held at a time that memory stays bounded, whatever the data's size.
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _chunk_rows(sample_bytes: int) -> int:
    """Samples that make a chunk."""
    return min(max(1, CHUNK_BYTES // max(1, sample_bytes)), MAXIMUM_CHUNK)


def _crew(runtime_bytes: int, threads: int) -> tuple[int, int]:
    """How many runtimes run side by side, and with how many threads each."""
    workers = min(threads, max(1, RUNTIMES_BYTES // runtime_bytes))
    return workers, threads // workers


def _processors() -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MAXIMUM_THREADS)
