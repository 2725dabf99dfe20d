"""Batch normalization is estimated anew behind rounded weights, in the scale and the bias that it was folded into.

Source: Nagel et al. 2021, "A White Paper on Neural Network Quantization", section 5.2.1 (re-estimation); Sun et al.
2019, "Hybrid 8-bit Floating Point Training and Inference for Deep Neural Networks", section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.condition.biases import own_biases
from octavo.condition.method import Conditioned
from octavo.condition.rounding import with_rounded_weights
from octavo.condition.samples import Samples, check_samples
from octavo.condition.segments import Values, affordable, run_before_activation, segments
from octavo.ir.graph import consumers
from octavo.ir.notes import Note
from octavo.ir.types import Node, PerAxis
from octavo.ops.fused import clamp_real
from octavo.passes.affine import fused_activation
from octavo.plan.types import Plan, WeightRule
from octavo.quantization.weights import largest_magnitude

# No gain beyond these: what needs more is noise.
LEAST_GAIN, LARGEST_GAIN = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class ReestimateNorms:
    """Give each channel the mean and the deviation that it has in float: `gain (rounded w . x) + bias`, layer by layer.

    gain = deviation of float results / deviation of those of rounded weights, over samples and positions and before the
    layer's activation. The gain goes into the scale of the channel's weights, whose integers stay, and the bias takes
    the mean. A layer whose weights have one scale for all channels gets the bias alone. Activations stay in float.

    Attributes:
        samples: Look at so many at most, and at fewer where their activations would take too much memory.

    Raises:
        ConfigError: if `samples` is not positive.
    """

    samples: int = 64

    def __post_init__(self) -> None:
        check_samples("ReestimateNorms", self.samples, 64)

    @property
    def name(self) -> str:
        """The method's name."""
        return "reestimate_norms"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Correct scales and biases; see `octavo.condition.method.Method.apply`."""
        graph = before.graph
        places, notes = own_biases(graph, plan, self.name)
        if not places:
            return Conditioned(graph, notes=notes)
        rounded, readers = with_rounded_weights(before, plan), consumers(graph)
        rules = {rule.node: rule for rule in plan.weights}
        cuts = segments(graph, places)
        seen = samples.some(min(self.samples, affordable(graph, cuts)))
        wanted, given = [dict(sample) for sample in seen], [dict(sample) for sample in seen]
        limits: dict[str, np.ndarray] = {}
        deployed: dict[str, np.ndarray] = {}
        for cut in cuts:
            node, other = graph.nodes[cut.stop - 1], rounded.nodes[cut.stop - 1]
            rule, bias = rules[node.outputs[0]], places[node.outputs[0]]
            means, deviations = zip(
                _statistics(run_before_activation(graph, cut, wanted)),
                _statistics(run_before_activation(rounded, cut, given)),
                strict=True,
            )
            scales = _has_scales(rule) and len(readers[rule.tensor]) == 1
            gain = _gain(*deviations) if scales else np.ones_like(means[0])
            _follow(node, wanted, np.ones(1, np.float32), np.zeros(1, np.float32))
            shift = means[0] - gain * means[1]
            _follow(node, given, gain.astype(np.float32), shift.astype(np.float32))
            old = rounded.tensors[bias].values
            deployed[bias] = (gain.reshape(old.shape) * old + shift.reshape(old.shape)).astype(np.float32)
            if scales:
                weight = rounded.tensors[str(other.inputs[rule.input])].values
                limit = before.limits.get(
                    rule.tensor, largest_magnitude(graph.tensors[rule.tensor].values, rule.granularity)
                )
                deployed[rule.tensor] = (weight * _along(gain, weight.ndim, rule)).astype(np.float32)
                limits[rule.tensor] = (limit * gain.reshape(limit.shape)).astype(np.float32)
        told = Note(
            self.name,
            graph.name,
            f"gave the results of {len(places)} of {len(rules)} layers the means and, of {len(limits)}, the deviations "
            f"that they have in float, on {len(seen)} samples",
        )
        return Conditioned(graph, limits, deployed, (*notes, told))


def _has_scales(rule: WeightRule) -> bool:
    """Whether each channel has a scale of its own."""
    return isinstance(rule.granularity, PerAxis) and not rule.dtype.is_float


def _along(gain: np.ndarray, rank: int, rule: WeightRule) -> np.ndarray:
    """Gains of channels, to multiply a weight by."""
    assert isinstance(rule.granularity, PerAxis)
    shape = [1] * rank
    shape[rule.granularity.axis] = -1
    return gain.reshape(shape)


def _statistics(results: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel over samples and positions, float64."""
    rows = [each.reshape(-1, each.shape[-1]) for each in results]
    count = sum(len(each) for each in rows)
    mean = sum(each.sum(axis=0, dtype=np.float64) for each in rows) / count
    squares = sum(np.square(each - mean).sum(axis=0) for each in rows)
    return np.asarray(mean), np.sqrt(np.asarray(squares) / count)


def _gain(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The gain of each channel; 1 for one that does not move."""
    moves = (wanted > 0) & (found > 0)
    return np.clip(np.divide(wanted, found, out=np.ones_like(wanted), where=moves), LEAST_GAIN, LARGEST_GAIN)


def _follow(node: Node, frontier: Sequence[Values], gain: np.ndarray, shift: np.ndarray) -> None:
    """Put gain, shift and activation upon what a node made of each sample."""
    for values in frontier:
        values[node.outputs[0]] = clamp_real(values[node.outputs[0]] * gain + shift, fused_activation(node))
