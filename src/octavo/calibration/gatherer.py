"""One probe and what it has seen: gathers the statistics of every observed tensor over chunks of samples."""

from __future__ import annotations

from octavo.calibration.probe import Probe
from octavo.calibration.statistics import Statistics
from octavo.calibration.task import Task
from octavo.data.dataset import Chunk
from octavo.errors import DatasetError

# Samples that are looked at to find out whether a batch of them computes what each does.
COMPARED = 16


class Gatherer:
    """Statistics of what went through a probe.

    Args:
        probe: The runtime; it keeps nothing of what went through.
        rows: Samples that run as one batch; 1 where a batch computes otherwise than its samples do.
    """

    def __init__(self, probe: Probe, rows: int) -> None:
        self.probe, self.rows = probe, rows
        self._gathered, self._samples = probe.task.accumulators(), 0

    def settle(self, chunk: Chunk) -> int:
        """Decide, by the samples of a chunk, whether samples run as one batch; nothing is gathered of it.

        Returns:
            `rows` from now on.
        """
        if not can_batch(self.probe, chunk, self.rows):
            self.rows = 1
        return self.rows

    def observe(self, chunk: Chunk) -> int:
        """Run a chunk and gather its statistics.

        Returns:
            The number of samples, from the first, that are finite for certain, as is all that they make, and were
            gathered; `observe_each` is for the others.
        """
        gathered = 0
        for part in chunk.parts(self.rows):
            if not self.probe.add(part, self._gathered):
                break
            gathered += part.count
        self._samples += gathered
        return gathered

    def observe_each(self, chunk: Chunk, model: bytes) -> None:
        """Gather the statistics of samples by looking at every value of each.

        Raises:
            NonFiniteError: naming the first sample with a NaN or an infinity, and the first tensor that has it.
        """
        self.probe.add_each(chunk, model, self._gathered)
        self._samples += chunk.count

    def statistics(self, fingerprint: str) -> Statistics:
        """What was gathered of the observed tensors; at least one chunk must have been observed."""
        tensors = {name: self._gathered[name].result() for name in self.probe.task.sizes}
        return Statistics(tensors, self._samples, fingerprint)


def gatherer(task: Task, model: bytes, threads: int, rows: int) -> Gatherer:
    """One with a probe of its own, that has seen nothing yet."""
    return Gatherer(Probe(task, model, threads=threads), rows)


def can_batch(probe: Probe, chunk: Chunk, rows: int) -> bool:
    """Whether `rows` samples that run as one batch surely give, bit for bit, the statistics that each gives alone."""
    head = next(chunk.parts(min(rows, COMPARED)))
    if head.count == 1:
        return True
    if not probe.takes_batches:
        return False

    def measured(rows: int) -> Statistics | None:
        gatherer = Gatherer(probe, rows)
        return gatherer.statistics("") if gatherer.observe(head) == head.count else None

    alone = measured(1)
    try:
        return alone is not None and measured(head.count) == alone
    except DatasetError:
        return False
