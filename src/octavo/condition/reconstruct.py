"""Rounding is reconstructed block by block: integers, scales and biases train until it makes what it does in float.

Source: Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization" (integers that train, without
labels); Li et al. 2021, "BRECQ" (blocks); Li and Panda 2024, "TesseraQ: Ultra Low-Bit LLM Post-Training Quantization
with Block Reconstruction" (integers are settled in rounds, and what is not settled makes up for those that are).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from octavo.condition.blocks import blocks
from octavo.condition.method import Conditioned
from octavo.condition.rounded_network import MEMORY_BYTES, fits, in_block, rounded_network, what_hinders
from octavo.condition.samples import Samples, check_samples
from octavo.condition.segments import affordable
from octavo.condition.trial import compared_tensors
from octavo.condition.variation import with_variations
from octavo.ir.graph import drop_dead
from octavo.ir.notes import Note
from octavo.ir.samples import stacked
from octavo.ir.types import Graph
from octavo.numerics.estimators import Estimator, MinMax
from octavo.plan.types import Plan

if TYPE_CHECKING:
    from octavo.condition.reconstruction import Reconstructed

# Of so many samples one is held out, and two at least, of which the spread tells.
HELD_OUT, FEWEST = 4, 4


@dataclass(frozen=True, slots=True)
class Reconstruct:
    """Train the integers of weights block by block, with their scales and biases, each block by what it makes in float.

        minimize   share(outputs of a block),   share(y) = |rounded y - y|^2 / |y|^2

    From what was chosen before, each integer moves by at most 1, as a real number; in rounds those closest to an
    integer are settled there, ever fewer, and all others make up for them. A block, a residual unit or two layers of a
    chain, is trained on what the rounded blocks before it leave, with activations rounded as the file rounds them, by
    ranges that stay. A quarter of the samples is never trained on: a block that is not surely closer to float on these
    keeps what it had, and so does the network, where its outputs are not. It needs a Keras backend, whatever the model
    comes from. The same seed makes the same file on the same machine and backend.

    Memory is bounded: 1 GiB for what all samples leave between blocks, and 2 GiB for a block, one at a time, that gets
    smaller batches; one of which not even a sample fits is left as it was, and named.

    Attributes:
        samples: Look at so many at most, and at fewer where what they leave between blocks takes too much memory.
        variations: And at so many variations of each, as `octavo.condition.variation` makes them.
        passes: Samples trained on, in each block.
        rate: The most that a step of Adam moves a number by: an integer in `MOVE_STEP`, a scale in `GAIN_STEP`, a bias
            in steps of its results.
        seed: Of variations, and of the order of samples.
        minutes: Stop after so long, with the blocks that were finished, which then depend on the machine; None for no
            limit.
        resume: A folder that keeps the blocks that were finished, so that training which was interrupted goes on; None
            for none.
        estimator: Of the ranges.

    Raises:
        ConfigError: if `samples` is not positive.
    """

    samples: int = 256
    variations: int = 4
    passes: int = 12800
    rate: float = 0.01
    seed: int = 0
    minutes: float | None = None
    resume: str | Path | None = None
    estimator: Estimator = field(default_factory=MinMax)

    def __post_init__(self) -> None:
        check_samples("Reconstruct", self.samples, 256)

    @property
    def name(self) -> str:
        """The method's name."""
        return "reconstruct"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Train block after block; see `octavo.condition.method.Method.apply`.

        Raises:
            MissingDependencyError: without a Keras backend.
            OutputError: where `resume` cannot be written.
        """
        graph = before.graph
        own = samples.some(self.samples)
        hindrance = what_hinders(graph, plan) or _what_hinders_blocks(graph, len(own))
        if hindrance:
            return Conditioned(graph, notes=(Note(self.name, graph.name, f"nothing was trained: {hindrance}"),))
        from octavo.backend import start_keras

        start_keras()
        from octavo.condition.reconstruction import reconstructed
        from octavo.condition.training import Schedule

        network = rounded_network(before, plan, stacked(own, graph.inputs), before.estimator or self.estimator)
        network = replace(network, graph=drop_dead(replace(graph, outputs=compared_tensors(graph))))
        cuts = blocks(
            network.graph, {layer.node for layer in network.learned}, lambda cut: fits(in_block(network, cut))
        )
        own = own[: max(FEWEST, affordable(network.graph, cuts))]
        held = max(2, len(own) // HELD_OUT)
        most = min(affordable(network.graph, cuts), held + (len(own) - held) * (1 + self.variations))
        seen = with_variations(own[held:], graph.inputs, max(1, most - held), self.seed)
        resume = None if self.resume is None else Path(self.resume)
        schedule = Schedule(0, self.passes, self.rate, self.seed, self.minutes, resume)
        found = reconstructed(network, cuts, own[:held], seen, schedule, samples.progress)
        told = (Note(self.name, *each) for each in _told(graph.name, found, len(own) - held, held))
        return Conditioned(graph, found.limits, found.constants, tuple(told))


def _what_hinders_blocks(graph: Graph, count: int) -> str:
    """Why blocks cannot be trained and judged on so many samples; "" if they can."""
    names = (name for name in (*graph.inputs, *compared_tensors(graph)) if graph.tensors[name].shape[:1] != (1,))
    unbatched = next(names, None)
    if unbatched is not None:
        return f"'{unbatched}' has no dimension of samples, {list(graph.tensors[unbatched].shape)}"
    return f"of {count} samples none can be held out, give {FEWEST} or more" if count < FEWEST else ""


def _told(name: str, found: Reconstructed, seen: int, held: int) -> Iterator[tuple[str, str]]:
    """Of what something is told, and what."""
    for layer in found.large:
        large = f"the block that ends here takes more than {MEMORY_BYTES >> 20} MiB to train, and is left as it was"
        yield layer, f"{large}; methods=[GPTQ()] rounds its layers one by one"
    if found.is_over:
        yield name, f"time was over after {found.trained} blocks: give more minutes, or resume='folder' to go on"
    text = (
        f"trained {found.trained} blocks on {seen} samples, of which {found.kept} are closer to float on {held} others"
    )
    share = f"is {found.after / max(found.before, 1e-30):.0%} there of what it was"
    kept = found.limits or not found.kept
    yield name, f"{text}: the noise of the outputs {share if kept else 'is not, and all is left as it was'}"
