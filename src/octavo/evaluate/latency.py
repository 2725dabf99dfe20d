"""How long one inference takes on this machine."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import asdict, dataclass

import numpy as np

from octavo.run.litert import LiteRT
from octavo.run.supervised import in_child

WARM_UPS = 5
REPEATS = 200
BUDGET_S = 0.5


@dataclass(frozen=True, slots=True)
class Latency:
    """Median time of one inference in LiteRT on its default kernels, in milliseconds.

    Attributes:
        one_thread_ms: On one thread.
        all_cores_ms: On as many threads as this process may use.
        cores: How many those are.
    """

    one_thread_ms: float
    all_cores_ms: float
    cores: int

    def to_dict(self) -> dict[str, object]:
        """The fields, for JSON."""
        return asdict(self)


def latency(model: bytes) -> Latency:
    """Time a model on zeros: on one thread, and on all cores.

    Each is the median of up to `REPEATS` runs after `WARM_UPS`, cut short after `BUDGET_S` seconds.

    Raises:
        ModelFileError: if LiteRT refuses the model.
        RuntimeEndedError: if the model ends the process it is timed in.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    one = in_child("LiteRT", median_ms, model, threads=1)
    return Latency(one, in_child("LiteRT", median_ms, model, threads=cores) if cores > 1 else one, cores)


def median_ms(model: bytes, *, threads: int) -> float:
    """Median milliseconds of one inference on `threads` threads, inputs in place and outputs left there."""
    runtime = LiteRT(model, threads=threads)
    runtime.run({port.name: np.zeros(port.shape, port.dtype.numpy) for port in runtime.inputs})
    for _ in range(WARM_UPS):
        runtime.invoke()
    times: list[float] = []
    end = time.perf_counter() + BUDGET_S
    while len(times) < REPEATS and (not times or time.perf_counter() < end):
        start = time.perf_counter()
        runtime.invoke()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3
