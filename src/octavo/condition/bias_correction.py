"""Empirical bias correction: what rounding the weights moves the mean of each output channel by, the bias takes back.

Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2 and
appendix D: in execution order, each layer on the inputs that the layers before it leave, corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from octavo.condition.biases import own_biases
from octavo.condition.method import Conditioned
from octavo.condition.rounding import with_rounded_weights
from octavo.condition.samples import Samples, check_samples
from octavo.condition.segments import Segment, Values, affordable, run_before_activation, segments
from octavo.condition.trial import decibels, decibels_text
from octavo.ir.graph import with_tensors
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Tensor
from octavo.ops.fused import clamp_real
from octavo.passes.affine import fused_activation
from octavo.plan.types import Plan
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite

# One sample in so many is held out, to measure the gain.
HELD_OUT = 3


@dataclass(frozen=True, slots=True)
class BiasCorrection:
    """`bias[c] += mean(float output[c]) - mean(output of rounded weights[c])`, layer by layer.

    Means are over samples and positions, before the layer's own activation. Activations stay in float; only weights are
    rounded. Costs about two inferences of each sample.

    Attributes:
        samples: Look at so many at most, and at fewer where their activations would take too much memory.
        measure: Whether to hold some more out and tell what they gain.

    Raises:
        ConfigError: if `samples` is not positive.
    """

    samples: int = 64
    measure: bool = True

    def __post_init__(self) -> None:
        check_samples("BiasCorrection", self.samples, 64)

    @property
    def name(self) -> str:
        """The method's name."""
        return "bias_correction"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Correct every bias that a planned weight has to itself; see `octavo.condition.method.Method.apply`."""
        graph = before.graph
        places, notes = own_biases(graph, plan, self.name)
        if not places:
            return Conditioned(graph, notes=notes)
        cuts = segments(graph, places)
        count = min(self.samples, affordable(graph, cuts))
        taken = samples.some(count * HELD_OUT // (HELD_OUT - 1) if self.measure else count)
        held = len(taken) // HELD_OUT if self.measure else 0
        seen, unseen = taken[: len(taken) - held], taken[len(taken) - held :] or taken
        rounded = with_rounded_weights(before, plan)
        corrected = _corrected(graph, rounded, cuts, places, seen)
        layers = len({rule.node for rule in plan.weights})
        told = Note(
            self.name,
            graph.name,
            f"corrected the biases of {len(places)} of {layers} layers on {len(seen)} samples",
        )
        where = f"{len(unseen)} samples held out" if held else "the same samples, as there are too few to hold any out"
        gain = _gain(graph, rounded, with_tensors(rounded, corrected.values()), unseen) if self.measure else {}
        gains = (
            Note(
                self.name,
                name,
                f"SQNR by rounded weights is {decibels_text(old)} without corrected biases and {decibels_text(new)} "
                f"with, on {where}",
            )
            for name, (old, new) in gain.items()
        )
        deployed = {name: tensor.values for name, tensor in corrected.items()}
        return Conditioned(graph, deployed=deployed, notes=(*notes, told, *gains))


def _corrected(
    graph: Graph, rounded: Graph, cuts: Sequence[Segment], places: dict[str, str], samples: Sequence[Values]
) -> dict[str, Tensor]:
    """The corrected biases by name."""
    frontiers = [dict(sample) for sample in samples], [dict(sample) for sample in samples]
    corrected = {}
    for cut in cuts:
        node = graph.nodes[cut.stop - 1]
        result, bias = node.outputs[0], rounded.tensors[places[node.outputs[0]]]
        pairs = zip((graph, rounded), frontiers, strict=True)
        means = [_mean(run_before_activation(each, cut, frontier)) for each, frontier in pairs]
        shift = (means[0] - means[1]).astype(np.float32)
        corrected[bias.name] = replace(bias, data=bias.values + shift.reshape(bias.shape))
        for frontier, added in zip(frontiers, (np.float32(0), shift), strict=True):
            for values in frontier:
                values[result] = clamp_real(values[result] + added, fused_activation(node))
    return corrected


def _mean(results: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of each channel over samples and positions."""
    return np.mean([each.reshape(-1, each.shape[-1]).mean(axis=0, dtype=np.float64) for each in results], axis=0)


def _gain(graph: Graph, before: Graph, after: Graph, samples: Sequence[Values]) -> dict[str, tuple[float, float]]:
    """SQNR in dB of two networks against a third, by output."""
    signal, *noises = (dict.fromkeys(graph.outputs, 0.0) for _ in range(3))
    wanted, *others = (LiteRT(write_tflite(each)) for each in (graph, before, after))
    for sample in samples:
        for runtime in (wanted, *others):
            runtime.reset()
        floats = {name: values.astype(np.float64) for name, values in wanted.run(sample).items()}
        found = [runtime.run(sample) for runtime in others]
        for name, values in floats.items():
            signal[name] += float(np.sum(values**2))
            for noise, outputs in zip(noises, found, strict=True):
                noise[name] += float(np.sum((outputs[name] - values) ** 2))
    return {
        name: (decibels(noises[0][name] / (power or 1.0)), decibels(noises[1][name] / (power or 1.0)))
        for name, power in signal.items()
    }
