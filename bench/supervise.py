"""What it costs that native code runs in child processes: verification and calibration, against the same in this one.

Both run in turn, several times; a ratio is the median of the ratios of neighbours in time. The children are warm, as
they are from a process's second call on; what the first one pays is told apart.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar
from unittest.mock import patch

from bench.process import in_process
from bench.speed import MODELS, load, seconds_of

__all__ = ["MODELS", "measure"]
VERIFIED = 4


class Inside:
    """Stands in for a child process, and for those who keep them: calls in this process.

    Runtimes that verify are called one after the other, as one process holds them all; calibration's side by side.
    """

    owner, alive = None, True
    guard: ClassVar[AbstractContextManager[Any]] = nullcontext()

    def take(self) -> Inside:
        return Inside()

    def warm_up(self, count: int, modules: Sequence[str]) -> None:
        """Nothing is started."""

    def give_back(self, worker: Inside) -> None:
        worker.held = None

    def call(self, name: str, where: str, units: int, request: tuple[bool, Any, Any, Any]) -> Any:
        opens, function, args, kwargs = request
        with self.guard:
            if not opens:
                return function(self.held, *args, **kwargs)
            self.held = None
            self.held = function(*args, **kwargs)
            return None


def measure(model: str, repeats: int) -> dict[str, Any]:
    """All figures of one model; ratios above 1 mean that supervision costs."""
    return in_process("supervise", "costs", model, repeats)


def costs(model: str, repeats: int) -> dict[str, float]:
    """Seconds and ratios, measured in one process."""
    import os

    from octavo.config import QuantizeConfig
    from octavo.evaluate.verify import verify
    from octavo.pipeline import quantize_prepared
    from octavo.plan.make import make_plan
    from octavo.run import worker
    from octavo.stages import Source, gather, prepare

    Inside.owner = os.getpid()
    network, samples = load(model)
    prepared, config = prepare(network), QuantizeConfig("int8", verify="off")
    plan = make_plan(prepared.graph, config)
    first = seconds_of(lambda: worker.pool().give_back(worker.pool().take()))
    quantized = quantize_prepared(prepared, config, Source(samples))
    inputs = [{prepared.graph.inputs[0]: samples[i : i + 1]} for i in range(VERIFIED)]
    tasks: dict[str, Callable[[], object]] = {
        "calibration": lambda: gather(prepared, plan, config, Source(samples)),
        "verification": lambda: verify(quantized.model, quantized.graph, inputs),
    }
    return {"start_of_a_child_s": first} | {
        name: value for task in tasks for name, value in _compared(task, tasks[task], repeats).items()
    }


def _compared(name: str, task: Callable[[], object], repeats: int) -> dict[str, float]:
    Inside.guard = threading.RLock() if name == "verification" else nullcontext()

    def inside() -> None:
        with patch("octavo.run.supervised.pool", Inside):
            task()

    inside(), task()
    times = [(seconds_of(task), seconds_of(inside)) for _ in range(repeats)]
    return {
        f"{name}_s": min(ours for ours, _ in times),
        f"{name}_unsupervised_s": min(theirs for _, theirs in times),
        f"{name}_over_unsupervised": statistics.median(ours / theirs for ours, theirs in times),
    }
