"""One probe and what it has seen: gathers the statistics of every observed tensor over chunks of samples."""

from __future__ import annotations

from octavo.calibration.probe import Probe, Task, singly
from octavo.calibration.statistics import Statistics
from octavo.data.dataset import Chunk
from octavo.errors import DatasetError

# Samples that are looked at to find out whether a batch of them computes what each does.
COMPARED = 16


class Gatherer:
    """Statistics of what went through a probe.

    Args:
        probe: The runtime; it keeps nothing of what went through.
        together: Whether the samples of a chunk run as one batch.
    """

    def __init__(self, probe: Probe, *, together: bool) -> None:
        self.probe, self.together = probe, together
        self._gathered, self._samples = probe.task.accumulators(), 0

    def settle(self, chunk: Chunk) -> bool:
        """Decide, by the samples of a chunk, whether those of a chunk run as one batch; nothing is gathered of it."""
        self.together = can_batch(self.probe, chunk)
        return self.together

    def observe(self, chunk: Chunk) -> int:
        """Run a chunk and gather its statistics; returns its number of samples.

        Raises:
            NonFiniteError: naming the first sample with a NaN or an infinity, and the first tensor that has it.
        """
        for part in (chunk,) if self.together else singly(chunk):
            self.probe.add(part, self._gathered)
        self._samples += chunk.count
        return chunk.count

    def statistics(self, fingerprint: str) -> Statistics:
        """What was gathered of the observed tensors; at least one chunk must have been observed."""
        tensors = {name: self._gathered[name].result() for name in self.probe.task.tensors}
        return Statistics(tensors, self._samples, fingerprint)


def gatherer(task: Task, model: bytes, threads: int, *, together: bool) -> Gatherer:
    """One with a probe of its own, that has seen nothing yet."""
    return Gatherer(Probe(task, model, threads=threads), together=together)


def can_batch(probe: Probe, chunk: Chunk) -> bool:
    """Whether samples that run as one batch give, bit for bit, the statistics that each gives alone.

    Raises:
        NonFiniteError: see `Gatherer.observe`.
    """
    head = Chunk(chunk.start, tuple(array[:COMPARED] for array in chunk.arrays))
    if head.count == 1:
        return True

    def measured(*, together: bool) -> Statistics:
        gatherer = Gatherer(probe, together=together)
        gatherer.observe(head)
        return gatherer.statistics("")

    alone = measured(together=False)
    try:
        return measured(together=True) == alone
    except DatasetError:
        return False
