"""Channels of an activation are scaled up to the range of the largest, and the layers around it the other way.

Source: Meller et al. 2019, "Same, Same But Different: Recovering Neural Network Quantization Error Through Weight
Factorization"; Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section
4.1; the compromise between activations and weights is that of Xiao et al. 2022, "SmoothQuant", equation 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from octavo.condition.method import Conditioned
from octavo.condition.samples import Samples, check_samples
from octavo.condition.scaling import Linear, Scalable, per_input, scalable, scaled
from octavo.dtypes import DType
from octavo.ir.graph import with_tensors
from octavo.ir.notes import Note
from octavo.ir.types import Graph, PerAxis
from octavo.plan.types import Plan, WeightRule
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite

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
        seen = _seen(graph, tuple(name for each in sets for name in each.tensors), samples, self.samples)
        rules = {rule.tensor: rule for rule in plan.weights}
        scaled_layers: list[str] = []
        for each in sets:
            folded = {name: seen[name].folded(each.channels) for name in each.tensors}
            factors = _factors(graph, each, folded, plan, rules)
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


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What samples showed of each channel of a tensor: extremes with 0, and variance; float64, shape (channels,)."""

    low: np.ndarray
    high: np.ndarray
    variance: np.ndarray

    def folded(self, channels: int) -> _Seen:
        """Of channels that repeat."""
        low, high, variance = (each.reshape(-1, channels) for each in (self.low, self.high, self.variance))
        return _Seen(low.min(axis=0), high.max(axis=0), variance.mean(axis=0))


def _seen(graph: Graph, names: Sequence[str], samples: Samples, count: int) -> dict[str, _Seen]:
    if not names:
        return {}
    # Outputs of the graph stay, so that the file has nothing dead.
    runtime = LiteRT(write_tflite(replace(graph, outputs=tuple(dict.fromkeys((*graph.outputs, *names))))))
    zeros = {name: np.zeros(graph.tensors[name].shape[-1]) for name in names}
    low, high, sums, squares = (dict(zeros) for _ in range(4))
    numbers = dict.fromkeys(names, 0)
    for sample in samples.some(count):
        runtime.reset()
        results = runtime.run(sample)
        for name in names:
            rows = results[name].reshape(-1, results[name].shape[-1])
            low[name] = np.minimum(low[name], rows.min(axis=0))
            high[name] = np.maximum(high[name], rows.max(axis=0))
            sums[name] = sums[name] + rows.sum(axis=0, dtype=np.float64)
            squares[name] = squares[name] + np.square(rows, dtype=np.float64).sum(axis=0)
            numbers[name] += len(rows)
    means = {name: sums[name] / numbers[name] for name in names}
    return {
        name: _Seen(low[name], high[name], np.maximum(squares[name] / numbers[name] - means[name] ** 2, 0.0))
        for name in names
    }


def _factors(
    graph: Graph, each: Scalable, seen: Mapping[str, _Seen], plan: Plan, rules: Mapping[str, WeightRule]
) -> np.ndarray:
    """The factors of least noise for the readers; ones where scaling brings nothing."""
    room = np.min([_room(one) for one in seen.values()], axis=0)
    tried = [room**exponent for exponent in EXPONENTS]
    noise = [
        sum(_noise(graph, reader, factors, seen[reader.data], plan, rules) for reader in each.readers)
        for factors in tried
    ]
    return tried[int(np.argmin(noise))]


def _room(seen: _Seen) -> np.ndarray:
    """By how much each channel may grow before it passes the range of its tensor; 1 for a channel of zeros."""
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.fmin(seen.high.max() / seen.high, seen.low.min() / seen.low)
    return np.where(np.isfinite(room), np.clip(room, 1.0, LARGEST_FACTOR), 1.0)


def _noise(
    graph: Graph, reader: Linear, factors: np.ndarray, seen: _Seen, plan: Plan, rules: Mapping[str, WeightRule]
) -> float:
    """Variance that rounding adds to a layer's outputs, all of them together, where its channels have these factors.

    A rounding to steps of d has a variance of d ** 2 / 12. The range of the activations is the same for all factors.
    """
    data, rule = graph.tensors[reader.data], rules.get(reader.weight)
    matrices = reader.form.matrices(data.shape, graph.tensors[reader.weight].values.astype(np.float64))
    divided = matrices / per_input(factors, matrices.shape, data)
    noise = 0.0
    dtype = plan.types.get(reader.node.outputs[0])
    if dtype is not None:
        noise += _step(seen.low.min(), seen.high.max(), dtype) ** 2 / 12 * float(np.square(divided).sum())
    if rule is not None and not rule.dtype.is_float:
        largest = np.abs(divided).max(axis=1)
        if not isinstance(rule.granularity, PerAxis):
            largest = np.full_like(largest, largest.max())
        steps = largest / rule.dtype.integer_range[1]
        power = per_input(factors**2 * seen.variance, matrices.shape, data).sum(axis=1)
        noise += float((steps**2 / 12 * power).sum())
    return noise


def _step(low: float, high: float, dtype: DType) -> float:
    smallest, largest = dtype.integer_range
    return max(-low, high) / largest if dtype is DType.INT16 else (high - low) / (largest - smallest)
