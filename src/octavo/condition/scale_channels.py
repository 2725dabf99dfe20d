"""Channels of an activation are scaled up to the range of the largest, and the layers around it the other way.

Source: Meller et al. 2019, "Same, Same But Different: Recovering Neural Network Quantization Error Through Weight
Factorization"; Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section
4.1; the compromise between activations and weights is that of Xiao et al. 2022, "SmoothQuant", equation 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from octavo.condition.channels import Channels, seen_channels
from octavo.condition.method import Conditioned
from octavo.condition.samples import Samples, check_samples
from octavo.condition.scaling import Linear, Scalable, per_input, scalable, scaled
from octavo.dtypes import DType
from octavo.ir.graph import with_tensors
from octavo.ir.notes import Note
from octavo.ir.types import Graph, PerAxis
from octavo.plan.types import Plan, WeightRule

# How far channels are scaled, as a power of how far they could be; the one of least noise is taken.
EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
# No channel is scaled by more: what lies further below the largest is noise.
LARGEST_FACTOR = 2.0**12


@dataclass(frozen=True, slots=True)
class ScaleChannels:
    """Give small channels more steps: `w1[c] * s, b1[c] * s, w2[c] / s`, which changes no result in float.

    s is a power of what the channel lacks to the range of its tensor: the power that leaves the layers reading it the
    least noise by rounded activations and rounded weights together. It passes through ReLU, poolings, sums and whatever
    else only scales channels; where a maker clips, as ReLU6 does, channels stay within what samples showed.

    Attributes:
        samples: Look at so many at most.

    Raises:
        ConfigError: if `samples` is not positive.
    """

    samples: int = 64

    def __post_init__(self) -> None:
        check_samples("ScaleChannels", self.samples, 64)

    @property
    def name(self) -> str:
        """The method's name."""
        return "scale_channels"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Scale what can be scaled; see `octavo.condition.method.Method.apply`."""
        graph = before.graph
        sets = scalable(graph)
        names = tuple(dict.fromkeys(name for each in sets for name in each.tensors))
        seen = seen_channels(graph, names, samples, self.samples)
        reaches = _reaches(seen, plan)
        rules = {rule.tensor: rule for rule in plan.weights}
        scaled_layers: list[str] = []
        for each in sets:
            factors = _factors(graph, each, seen, reaches, plan, rules)
            if (factors != 1).any():
                changes = scaled(graph, each, factors)
                graph = with_tensors(graph, (replace(graph.tensors[n], data=data) for n, data in changes.items()))
                scaled_layers += [maker.node.layer for maker in each.makers]
        exact = sum(len(each.makers) for each in sets)
        told = Note(
            self.name,
            graph.name,
            f"scaled the channels of {len(scaled_layers)} layers, of {exact} where it is exact",
        )
        return Conditioned(graph, notes=(told,))


def _reaches(seen: Mapping[str, Channels], plan: Plan) -> dict[str, tuple[float, float]]:
    """The extremes of each tensor, and of what shares its parameters, as operands of a concatenation do."""
    reaches = {name: (float(each.low.min()), float(each.high.max())) for name, each in seen.items()}
    for group in plan.groups:
        own = [reaches[name] for name in group.tensors if name in reaches]
        if len(own) > 1:
            widest = min(low for low, _ in own), max(high for _, high in own)
            reaches |= {name: widest for name in group.tensors if name in reaches}
    return reaches


def _factors(
    graph: Graph,
    each: Scalable,
    seen: Mapping[str, Channels],
    reaches: Mapping[str, tuple[float, float]],
    plan: Plan,
    rules: Mapping[str, WeightRule],
) -> np.ndarray:
    """The factors of least noise for the readers; ones where scaling brings nothing."""
    room = np.full(each.count + 1, LARGEST_FACTOR)
    for name in each.tensors:
        own = seen[name]
        reach = (own.low.min(), own.high.max()) if name in each.clipped else reaches[name]
        np.minimum.at(room, each.places[name], _room(own, *reach))
    tried = [room[:-1] ** exponent for exponent in EXPONENTS]

    def noise(factors: np.ndarray) -> float:
        return sum(
            _noise(
                graph,
                reader,
                each.of_channels(reader.data, factors),
                seen[reader.data],
                reaches[reader.data],
                plan,
                rules,
            )
            for reader in each.readers
        )

    return tried[int(np.argmin([noise(factors) for factors in tried]))]


def _room(seen: Channels, low: float, high: float) -> np.ndarray:
    """By how much each channel may grow before it passes a range; 1 for a channel of zeros."""
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.fmin(high / seen.high, low / seen.low)
    return np.where(np.isfinite(room), np.clip(room, 1.0, LARGEST_FACTOR), 1.0)


def _noise(
    graph: Graph,
    reader: Linear,
    factors: np.ndarray,
    seen: Channels,
    reach: tuple[float, float],
    plan: Plan,
    rules: Mapping[str, WeightRule],
) -> float:
    """Variance that rounding adds to a layer's outputs, all of them together, where its channels have these factors.

    A rounding to steps of d has a variance of d ** 2 / 12. The range of the activations is the same for all factors.
    """
    data, rule = graph.tensors[reader.data], rules.get(reader.weight)
    matrices = reader.form.matrices(data.shape, graph.tensors[reader.weight].values.astype(np.float64))
    divided = matrices / per_input(factors, matrices.shape)
    noise = 0.0
    dtype = plan.types.get(reader.node.outputs[0])
    if dtype is not None:
        noise += _step(*reach, dtype) ** 2 / 12 * float(np.square(divided).sum())
    if rule is not None and not rule.dtype.is_float:
        largest = np.abs(divided).max(axis=1)
        if not isinstance(rule.granularity, PerAxis):
            largest = np.full_like(largest, largest.max())
        steps = largest / rule.dtype.integer_range[1]
        power = per_input(factors**2 * seen.variance, matrices.shape).sum(axis=1)
        noise += float((steps**2 / 12 * power).sum())
    return noise


def _step(low: float, high: float, dtype: DType) -> float:
    smallest, largest = dtype.integer_range
    return max(-low, high) / largest if dtype is DType.INT16 else (high - low) / (largest - smallest)
