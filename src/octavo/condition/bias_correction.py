"""Empirical bias correction: what rounding the weights moves the mean of each output channel by, the bias takes back.

Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2 and
appendix D: in execution order, each layer on the inputs that the layers before it leave, corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from octavo.condition.biases import linear_bias
from octavo.condition.method import Conditioned
from octavo.condition.rounding import with_rounded_weights
from octavo.condition.samples import Samples
from octavo.condition.segments import Segment, Values, live_bytes, run_segment, segments
from octavo.errors import ConfigError
from octavo.ir.graph import consumers, with_tensors
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Tensor
from octavo.ops.fused import FusedActivation, clamp_real
from octavo.passes.affine import fused_activation, with_activation
from octavo.plan.types import Plan
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite

# What the activations of all samples may take, of the float network and of the rounded one together.
FRONTIER_BYTES = 256 << 20
# One sample in so many is held out, to measure the gain.
HELD_OUT = 3


@dataclass(frozen=True, slots=True)
class BiasCorrection:
    """`bias[c] += mean(float output[c]) - mean(output of rounded weights[c])`, layer by layer.

    Means are over samples and positions, before the layer's own activation. Activations stay in float; only weights are
    rounded. Costs about two inferences of each sample.

    Attributes:
        samples: Look at so many at most, and at fewer where their activations would take too much memory.

    Raises:
        ConfigError: if `samples` is not positive.
    """

    samples: int = 64

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigError(
                "samples of bias correction is out of range.",
                got=str(self.samples),
                expected="a positive number",
                fix="use some tens, for example BiasCorrection(samples=64)",
            )

    @property
    def name(self) -> str:
        """The method's name."""
        return "bias_correction"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Correct every bias that a planned weight has to itself; see `octavo.condition.method.Method.apply`."""
        graph = before.graph
        places, notes = _biases(graph, plan, self.name)
        if not places:
            return Conditioned(graph, {}, notes)
        cuts = segments(graph, places)
        room = max(1, FRONTIER_BYTES // (2 * live_bytes(graph, cuts)))
        taken = samples.first(min(self.samples, room) * HELD_OUT // (HELD_OUT - 1))
        held = len(taken) // HELD_OUT
        seen, unseen = taken[: len(taken) - held], taken[len(taken) - held :] or taken
        rounded = with_rounded_weights(graph, plan, before.limits)
        corrected = _corrected(graph, rounded, cuts, places, seen)
        changed = with_tensors(graph, corrected.values())
        gain = _gain(graph, rounded, with_tensors(rounded, corrected.values()), unseen)
        where = f"{len(unseen)} samples held out" if held else "the same samples, as there are too few to hold any out"
        layers = len({rule.node for rule in plan.weights})
        told = Note(
            self.name,
            graph.name,
            f"corrected the biases of {len(places)} of {layers} layers on {len(seen)} samples",
        )
        gains = (
            Note(
                self.name,
                name,
                f"SQNR by rounded weights is {old:.1f} dB without corrected biases and {new:.1f} dB with, on {where}",
            )
            for name, (old, new) in gain.items()
        )
        return Conditioned(changed, {}, (*notes, told, *gains))


def _biases(graph: Graph, plan: Plan, method: str) -> tuple[dict[str, str], tuple[Note, ...]]:
    """The bias to correct, by its node's first output; and a note for each layer that has none of its own."""
    ruled, readers = {rule.node for rule in plan.weights}, consumers(graph)
    places, notes = {}, []
    for node in graph.nodes:
        if node.outputs[0] not in ruled:
            continue
        name = linear_bias(node)
        if name is None or not graph.tensors[name].is_constant:
            notes.append(Note(method, node.layer, f"{node.op} has no constant bias to correct"))
        elif len(readers[name]) > 1:
            notes.append(Note(method, node.layer, f"bias '{name}' is read elsewhere too, and stays as it is"))
        elif graph.tensors[name].size != graph.tensors[node.outputs[0]].shape[-1]:
            notes.append(Note(method, node.layer, f"bias '{name}' is not one number for each channel"))
        else:
            places[node.outputs[0]] = name
    return places, tuple(notes)


def _corrected(
    graph: Graph, rounded: Graph, cuts: Sequence[Segment], places: dict[str, str], samples: Sequence[Values]
) -> dict[str, Tensor]:
    """The corrected biases by name."""
    frontiers = [dict(sample) for sample in samples], [dict(sample) for sample in samples]
    corrected = {}
    for cut in cuts:
        node = graph.nodes[cut.stop - 1]
        result, bias = node.outputs[0], graph.tensors[places[node.outputs[0]]]
        means = [_run_to(each, cut, frontier) for each, frontier in zip((graph, rounded), frontiers, strict=True)]
        assert bias.data is not None
        shift = (means[0] - means[1]).astype(np.float32)
        corrected[bias.name] = replace(bias, data=bias.data + shift.reshape(bias.shape))
        for frontier, added in zip(frontiers, (np.float32(0), shift), strict=True):
            for values in frontier:
                values[result] = clamp_real(values[result] + added, fused_activation(node))
    return corrected


def _run_to(graph: Graph, cut: Segment, frontier: Sequence[Values]) -> np.ndarray:
    """Mean of each channel of what a segment's last node makes, before its activation, which the values are too."""
    node = graph.nodes[cut.stop - 1]
    options = with_activation(node.options, FusedActivation.NONE)
    run_segment(graph, cut, replace(node, options=options), frontier)
    results = [values[node.outputs[0]] for values in frontier]
    return np.mean([each.reshape(-1, each.shape[-1]).mean(axis=0, dtype=np.float64) for each in results], axis=0)


def _gain(graph: Graph, before: Graph, after: Graph, samples: Sequence[Values]) -> dict[str, tuple[float, float]]:
    """SQNR in dB of two networks against a third, by output."""
    signal, *noises = (dict.fromkeys(graph.outputs, 0.0) for _ in range(3))
    wanted, *others = (LiteRT(write_tflite(each)) for each in (graph, before, after))
    for sample in samples:
        floats = {name: values.astype(np.float64) for name, values in wanted.run(sample).items()}
        found = [runtime.run(sample) for runtime in others]
        for name, values in floats.items():
            signal[name] += float(np.sum(values**2))
            for noise, outputs in zip(noises, found, strict=True):
                noise[name] += float(np.sum((outputs[name] - values) ** 2))
    return {
        name: (_decibels(power, noises[0][name]), _decibels(power, noises[1][name])) for name, power in signal.items()
    }


def _decibels(signal: float, noise: float) -> float:
    return float("inf") if noise == 0 else 10 * float(np.log10(max(signal, np.finfo(np.float64).tiny) / noise))
