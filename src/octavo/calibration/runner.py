"""Calibration: LiteRT runs an instrumented float model on the samples, and every observed tensor's values are gathered.

Each worker thread has a single-threaded runtime of its own and reads its outputs where they lie, so that a chunk is
reduced while it is still in the cache. Samples go through in batches only where a batch computes, bit for bit, what its
samples compute alone; statistics then depend neither on how the data comes in batches nor on the number of threads.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import reduce
from typing import Any

from octavo.calibration.dataset import Chunk, Dataset
from octavo.calibration.observer import Observer, Task
from octavo.calibration.statistics import Statistics, fingerprint
from octavo.ir.types import Tensor

# Every worker holds a copy of the weights.
MAXIMUM_WORKERS = 8

Progress = Callable[[int, int | None], None]


def calibrate(
    model: bytes,
    tensors: Sequence[str],
    layers: Mapping[str, str],
    data: Any,
    *,
    inputs: Sequence[Tensor],
    needs_histogram: bool = False,
    samples: int | None = None,
    integer_divisor: float | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Statistics:
    """Run samples through a model and gather statistics of its activations.

    Args:
        model: A float .tflite whose outputs are the observed tensors; observed inputs may be left out.
        tensors: The observed tensors, in execution order.
        layers: The user's layer by tensor name, for messages.
        data: The samples, in any form `octavo.calibration.sources.ACCEPTED` lists.
        inputs: The model's inputs, batch dimension 1.
        needs_histogram: Whether to count values by bin, which percentiles need.
        samples: Use at most this many.
        integer_divisor: What integer samples are divided by, see `octavo.calibration.dataset.Dataset`.
        progress: Called with the number of samples done and, if known, of all.
        threads: Worker threads; None takes one for each available processor, at most eight.

    Returns:
        Statistics of each of `tensors`. They can be saved, and merged with those of other samples.

    Raises:
        DatasetError: if the data has no sample, or one that does not fit the inputs.
        NonFiniteError: naming the first sample with a NaN or an infinity, and the first tensor that has it.
    """
    dataset = Dataset(data, inputs, integer_divisor=integer_divisor, samples=samples)
    task = Task(model, tuple(tensors), layers, tuple(inputs), needs_histogram)
    observers = [Observer(task)]
    chunks = dataset.chunks(observers[0].chunk_size)
    first = next(chunks)
    observers[0].together = observers[0].can_batch(first)
    done = 0
    for count in _spread(observers, itertools.chain([first], chunks), threads or _processors()):
        done += count
        if progress is not None:
            progress(done, dataset.total)
    return reduce(Statistics.merge, (observer.statistics(fingerprint(model)) for observer in observers))


def _spread(observers: list[Observer], chunks: Iterable[Chunk], workers: int) -> Iterator[int]:
    """Number of samples of each chunk once it is observed, in order; observers are added as workers need them."""
    idle = deque(observers)

    def observe(chunk: Chunk) -> int:
        try:
            observer = idle.popleft()
        except IndexError:
            observer = Observer(observers[0].task, together=observers[0].together)
            observers.append(observer)
        count = observer.observe(chunk)
        idle.append(observer)
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


def _processors() -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MAXIMUM_WORKERS)
