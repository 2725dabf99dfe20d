"""Blocks of a rounded network trained one behind the other, each judged by samples that were held out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from octavo.condition.block_training import Moving, block_model, results, steps_of, train_block
from octavo.condition.rounded_network import RoundedNetwork, batch_of, fits, in_block, weight_bytes
from octavo.condition.segments import Segment, Values, run_segment
from octavo.condition.training import Alike, Schedule, Until, key_of
from octavo.condition.trial import shares_of_noise, surely_less
from octavo.files import whole_file
from octavo.ir.samples import stacked
from octavo.progress import Progress, batch_counter


@dataclass(frozen=True, slots=True, eq=False)
class Reconstructed:
    """What training the blocks found.

    Attributes:
        limits: Of weights, by name.
        constants: By name, as they are deployed.
        trained, kept: How many blocks were trained, and how many of them are closer to float.
        large: The layer that ends it, of each block that takes too much memory.
        is_over: Whether time was over before all were trained.
        before, after: The noise of the outputs on the samples held out; nothing is changed where it is no less.
    """

    limits: Mapping[str, np.ndarray]
    constants: Mapping[str, np.ndarray]
    trained: int
    kept: int
    large: tuple[str, ...]
    is_over: bool
    before: float
    after: float


@dataclass(frozen=True, slots=True, eq=False)
class _Planned:
    """A block, samples of a step, and steps in all: 0 where it has nothing to train, or does not fit."""

    cut: Segment
    network: RoundedNetwork
    batch: int
    steps: int


def reconstructed(
    network: RoundedNetwork,
    cuts: Sequence[Segment],
    held: Sequence[Values],
    seen: Sequence[Values],
    schedule: Schedule,
    progress: Progress | None,
) -> Reconstructed:
    """Train block after block.

    Args:
        network: All nodes of its graph are of use.
        cuts: Its blocks.
        held: Samples to judge by.
        seen: Samples to train on.
        schedule: Of each block, but for the batch; minutes of all.
        progress: Told of every step.
    """
    graph, count = network.graph, len(held)
    exact = [dict(sample) for sample in (*held, *seen)]
    given = stacked(exact, graph.inputs)
    start = {name: values[:count] for name, values in given.items()}
    planned = [_planned(network, cut, len(seen), schedule) for cut in cuts]
    total, done = sum(each.steps for each in planned), 0
    end = None if schedule.minutes is None else time.monotonic() + 60 * schedule.minutes
    limits, constants = dict[str, np.ndarray](), dict[str, np.ndarray]()
    trained, kept, noises = 0, 0, []
    for block in planned:
        run_segment(graph, block.cut, graph.nodes[block.cut.stop - 1], exact)
        wanted = stacked(exact, block.cut.outputs)
        run = _Run(block, *block_model(block.network))
        plain = run.results(start)
        if block.steps and not _is_over(end):
            before, first = run.noise(given, wanted, count), run.twin.get_weights()
            callbacks = [] if end is None else [Until(end)]
            if progress is not None:
                callbacks.append(batch_counter(progress, "reconstruct", total, done))
            run.train(given, wanted, count, replace(schedule, batch=block.batch), callbacks, end)
            done += block.steps
            is_whole = not _is_over(end)
            trained += is_whole
            if is_whole and surely_less(run.noise(given, wanted, count), before):
                kept += 1
                limits |= run.twin.limits()
                constants |= run.twin.found()
            else:
                run.twin.set_weights(first)
        found = run.results(given)
        noises += [
            [shares_of_noise(each[name][:count], wanted[name][:count]).mean() for each in (plain, found)]
            for name in wanted
            if name in graph.outputs
        ]
        start, given = ({name: each[name] for name in exact[0]} for each in (start | plain, given | found))
    before, after = np.mean(noises, axis=0)
    large = tuple(graph.nodes[each.cut.stop - 1].layer for each in planned if each.network.learned and not each.steps)
    is_over = trained < sum(each.steps > 0 for each in planned)
    if after >= before:
        return Reconstructed({}, {}, trained, kept, large, is_over, before, before)
    return Reconstructed(limits, constants, trained, kept, large, is_over, before, after)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """A block on a Keras backend."""

    block: _Planned
    twin: Moving
    model: Alike

    def results(self, given: Mapping[str, np.ndarray], count: int | None = None) -> dict[str, np.ndarray]:
        """What it makes of the first samples of what is given by name, by output."""
        arrays = [given[name][:count] for name in self.block.network.graph.inputs]
        return dict(zip(self.block.cut.outputs, results(self.model, arrays, self.block.batch), strict=True))

    def noise(self, given: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray], count: int) -> np.ndarray:
        """The noise of each of the first samples, the mean of all outputs."""
        found = self.results(given, count)
        shares = (shares_of_noise(found[name], wanted[name][:count]) for name in found)
        return np.mean([each.reshape(count, -1).mean(axis=1) for each in shares], axis=0)

    def train(
        self,
        given: Mapping[str, np.ndarray],
        wanted: Mapping[str, np.ndarray],
        count: int,
        schedule: Schedule,
        callbacks: Sequence[Any],
        end: float | None,
    ) -> None:
        """Train it on all samples but the first, or read what training found that was interrupted later."""
        graph = self.block.network.graph
        pairs = [given[name][count:] for name in graph.inputs], [each[count:] for each in wanted.values()]
        kept = None
        if schedule.resume is not None:
            kept = schedule.resume / f"{key_of(self.block.network, [*pairs[0], *pairs[1]], schedule)}.npz"
            if kept.exists():
                with np.load(kept) as arrays:
                    self.twin.set_weights(list(arrays.values()))
                return
        train_block(self.twin, self.model, *pairs, schedule, callbacks)
        if kept is not None and not _is_over(end):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(kept) as beside:
                np.savez(beside, *self.twin.get_weights())


def _planned(network: RoundedNetwork, cut: Segment, count: int, schedule: Schedule) -> _Planned:
    block = in_block(network, cut)
    batch = batch_of(block.graph, count, weight_bytes(block))
    epochs, each = steps_of(count, replace(schedule, batch=batch))
    return _Planned(cut, block, batch, epochs * each if block.learned and fits(block) else 0)


def _is_over(end: float | None) -> bool:
    return end is not None and time.monotonic() > end
