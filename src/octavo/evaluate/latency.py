"""How long one inference takes on this machine."""

from __future__ import annotations

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
        one_thread_ms: On one thread. More threads would say more of what else this machine does than of the model.
    """

    one_thread_ms: float

    def to_dict(self) -> dict[str, object]:
        """The fields, for JSON."""
        return asdict(self)


def latency(model: bytes) -> Latency:
    """Time a model on zeros, on one thread: the median of up to `REPEATS` runs after `WARM_UPS`.

    It is cut short after `BUDGET_S` seconds.

    Raises:
        ModelFileError: if LiteRT refuses the model.
        RuntimeEndedError: if the model ends the process it is timed in.
    """
    return Latency(in_child("LiteRT", median_ms, model))


def median_ms(model: bytes) -> float:
    """Median milliseconds of one inference on one thread, inputs in place and outputs left there."""
    runtime = LiteRT(model, threads=1)
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
