"""What each layer loses: by itself, by what it is given, and what that does to the outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from octavo.diagnosis.downstream import Downstream, Shown
from octavo.diagnosis.noise import Power, mean_share, noise_share
from octavo.diagnosis.pair import Opened, Pair
from octavo.diagnosis.places import Place, layer_of, with_twins
from octavo.diagnosis.samples import Arrays, Told, count_of, float_activations, one
from octavo.dtypes import DType
from octavo.ir.graph import rename_inputs, with_nodes
from octavo.ir.types import Graph
from octavo.numerics.affine import dequantize, quantize, representable

Score = Callable[[Mapping[str, np.ndarray]], float]


@dataclass(frozen=True, slots=True)
class LayerError:
    """What rounding does at one layer and through it.

    SQNR is `10 log10(sum(float ** 2) / sum(error ** 2))` of the layer's results; None without error, or not measured.

    Attributes:
        layer: As the user named it.
        operators: What it consists of.
        weights_db: SQNR of the results with rounded weights and biases, on the float network's inputs.
        activations_db: SQNR of the float results rounded to the layer's parameters.
        inherited_db: SQNR of the float operators on the inputs that the file gives them.
        total_db: SQNR of the file's results.
        weights_effect, activations_effect: Share of the outputs' signal that is noise where this alone is rounded, and
            everything else is float; a mean over samples, each between 0 and 1.
        metric: The metric of the float network with this layer alone rounded; None without labels.
        clipped: Share of the results' values beyond the layer's range by more than a step.
        used: Share of the layer's range that the results' values span.
        channels, dead, outliers: Channels of the first result; those that are always zero; and those that reach
            `OUTLIER_RATIO` times as far as a quarter of the others, at least.
        headroom_bits: Bits that the largest possible accumulator leaves of 32; None where nothing is accumulated.
    """

    layer: str
    operators: tuple[str, ...]
    weights_db: float | None = None
    activations_db: float | None = None
    inherited_db: float | None = None
    total_db: float | None = None
    weights_effect: float = 0.0
    activations_effect: float = 0.0
    metric: float | None = None
    clipped: float = 0.0
    used: float | None = None
    channels: int = 0
    dead: int = 0
    outliers: int = 0
    headroom_bits: float | None = None

    @property
    def effect(self) -> float:
        """Of weights and activations together."""
        return min(1.0, self.weights_effect + self.activations_effect)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**asdict(self), "effect": self.effect}


OUTLIER_RATIO = 16.0
# Results of a layer are measured one by one where together they make this share of the outputs' signal noise, and where
# there are no more of them, as an unrolled loop has.
LEAST_APART, MOST_APART = 0.001, 8
# Share of the channels that may be small without others standing out.
SMALL_CHANNELS = 0.25


@dataclass(slots=True, frozen=True)
class Seen:
    """What the float network's tensors hold on the samples that were looked at closely.

    Attributes:
        reach: Largest magnitude of each channel (last axis) by tensor, float64.
        lows, highs: Smallest and largest value of each channel, likewise.
        low, high: Of each tensor.
        beyond: Share of values outside the range of the file by more than a step, by tensor.
        effects: What rounding an activation or operand alone makes of the outputs, by `Place.measured`.
    """

    reach: dict[str, np.ndarray] = field(default_factory=dict)
    lows: dict[str, np.ndarray] = field(default_factory=dict)
    highs: dict[str, np.ndarray] = field(default_factory=dict)
    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    beyond: dict[str, float] = field(default_factory=dict)
    effects: dict[str, float] = field(default_factory=dict)

    def ratio(self, name: str) -> float:
        """How far the farthest channel reaches, as a multiple of what a quarter of the living ones do not reach."""
        living = self.reach[name][self.reach[name] > 0]
        return float(living.max() / np.quantile(living, SMALL_CHANNELS, method="higher")) if living.size > 1 else 1.0

    def typical_span(self, name: str) -> float:
        """From the smallest to the largest value of a channel: half of the living channels span less."""
        spans = (self.highs[name] - self.lows[name])[self.reach[name] > 0]
        return float(np.median(spans)) if spans.size else 0.0


def layer_errors(
    pair: Pair, places: Sequence[Place], model: bytes, x: Arrays, score: Score | None, told: Told
) -> tuple[tuple[LayerError, ...], Seen]:
    """Measure every layer on some samples.

    Args:
        pair: The two graphs.
        places: Where the file rounds.
        model: The file.
        x: Samples by the float graph's input names; each is run some times for every layer.
        score: The metric of outputs by name; None without labels.
        told: Told how much of it is done.
    """
    layers = _operators(pair.floats, places)
    count = count_of(x)
    total = count + 2 * len(layers)
    powers, seen = _close_look(pair, places, model, x, lambda done: told(done, total))
    network = Downstream(pair.floats, x)
    wanted = network.outputs()
    errors = []
    for number, (layer, operators) in enumerate(layers.items()):
        own = [place for place in places if place.layer == layer]
        parts = ([p for p in own if p.is_constant], [p for p in own if not p.is_constant])
        found = [network.outputs(part) if part else wanted for part in parts]
        effects = [mean_share(noise_share(outputs, wanted)) for outputs in found]
        apart = effects[1] >= LEAST_APART and 1 < len(parts[1]) <= MOST_APART
        for place in parts[1]:
            alone = mean_share(noise_share(network.outputs([place]), wanted)) if apart else effects[1]
            seen.effects[place.measured] = alone
        both = found[0] if not parts[1] else found[1] if not parts[0] else None
        if both is None and score is not None:
            both = network.outputs(own)
        errors.append(
            replace(
                _error(layer, operators, pair, own, powers, seen),
                weights_effect=effects[0],
                activations_effect=effects[1],
                metric=None if score is None or both is None else score(both),
            )
        )
        told(count + 2 * (number + 1), total)
    return tuple(errors), seen


def _operators(graph: Graph, places: Sequence[Place]) -> dict[str, tuple[str, ...]]:
    """Operators by layer, of the layers where something is rounded, in execution order."""
    layers: dict[str, list[str]] = {place.layer: [] for place in places}
    for node in graph.nodes:
        if layer_of(node) in layers:
            layers[layer_of(node)].append(node.op)
    return {layer: tuple(operators) for layer, operators in layers.items()}


def _close_look(
    pair: Pair, places: Sequence[Place], model: bytes, x: Arrays, told: Callable[[int], None]
) -> tuple[dict[tuple[str, str], Power], Seen]:
    """Errors of every tensor by (kind, tensor), and what the tensors hold."""
    graph = pair.floats
    names = [name for name in float_activations(graph) if not graph.tensors[name].is_variable]
    made = [name for name in names if name not in graph.inputs]
    twinned, twins = with_twins(graph, places)
    run_twins = Shown(replace(twinned, outputs=tuple(dict.fromkeys((*made, *twins.values())))))
    run_apart = Shown(_apart(graph, made))
    behind = {place.tensor: place for place in places if place.kind == "activations"}
    operands = [place for place in places if place.kind == "operand"]
    powers: dict[tuple[str, str], Power] = {}
    seen, counted = Seen(), dict.fromkeys(names, 0)
    outside = dict.fromkeys(names, 0)

    def add(kind: str, name: str, found: np.ndarray, wanted: np.ndarray) -> None:
        powers.setdefault((kind, name), Power()).add(found, wanted)

    with Opened(model, pair.integers, pair.inputs) as file:
        for i in range(count_of(x)):
            sample = one(x, i, graph)
            values = run_twins(sample) | sample
            real = file.real_values(sample)
            given = {
                name: real[pair.tensors[name]].reshape(graph.tensors[name].shape)
                if pair.tensors.get(name) in real
                else values[name]
                for name in names
            }
            reals = {f"{name}{_GIVEN}": array.astype(np.float32) for name, array in given.items()}
            apart = run_apart(sample | reals)
            for name in names:
                wanted = values[name]
                if pair.tensors.get(name) in real:
                    add("total", name, given[name], wanted)
                if name in apart:
                    add("inherited", name, apart[name], wanted)
                if name in twins:
                    add("weights", name, values[twins[name]], wanted)
                if name in behind:
                    place = behind[name]
                    low, high = representable(place.parameters, place.dtype)
                    # Within a step of the ends little is cut: the 1 of a softmax, whose range ends at 255/256.
                    step = float(place.parameters.scale[0]) * 1.001
                    outside[name] += int(np.count_nonzero((wanted < low - step) | (wanted > high + step)))
                    add("activations", name, fake_quantized(wanted, place), wanted)
                counted[name] += wanted.size
                _look(seen, name, wanted)
            for place in operands:
                add("activations", place.measured, fake_quantized(values[place.tensor], place), values[place.tensor])
            told(i + 1)
    seen.beyond.update({name: outside[name] / max(1, counted[name]) for name in names})
    return powers, seen


def fake_quantized(values: np.ndarray, place: Place) -> np.ndarray:
    """Values rounded to a place's integers and back."""
    return dequantize(quantize(values, place.parameters, place.dtype), place.parameters)


def _look(seen: Seen, name: str, values: np.ndarray) -> None:
    low, high = float(values.min()), float(values.max())
    seen.low[name], seen.high[name] = min(low, seen.low.get(name, low)), max(high, seen.high.get(name, high))
    channels = values.shape[-1] if values.ndim > 1 else 1
    rows = values.reshape(-1, channels)
    lows, highs = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
    seen.lows[name] = np.minimum(lows, seen.lows.get(name, lows))
    seen.highs[name] = np.maximum(highs, seen.highs.get(name, highs))
    seen.reach[name] = np.maximum(np.abs(seen.lows[name]), np.abs(seen.highs[name]))


_GIVEN = "/given"


def _apart(graph: Graph, made: Sequence[str]) -> Graph:
    """Each float operator by itself: what it reads of others is an input of the graph."""
    names = [name for name in float_activations(graph) if not graph.tensors[name].is_variable]
    renamed = {name: f"{name}{_GIVEN}" for name in names}
    nodes = rename_inputs(graph.nodes, renamed)
    tensors = {**graph.tensors, **{new: replace(graph.tensors[old], name=new) for old, new in renamed.items()}}
    whole = (name for name in graph.inputs if name not in renamed)  # indices and the like
    alone = replace(graph, tensors=tensors, inputs=(*renamed.values(), *whole), outputs=tuple(made))
    return with_nodes(alone, nodes)


def _error(
    layer: str, operators: tuple[str, ...], pair: Pair, own: Sequence[Place], powers: Mapping[tuple[str, str], Power],
    seen: Seen,
) -> LayerError:  # fmt: skip
    results = [node.outputs[0] for node in pair.floats.nodes if layer_of(node) == layer] or [own[0].tensor]

    def merged(kind: str, names: Sequence[str]) -> float | None:
        total = Power()
        for name in names:
            power = powers.get((kind, name))
            if power is not None:
                total.signal, total.noise = total.signal + power.signal, total.noise + power.noise
        return total.decibels

    ranged = [place for place in own if place.kind == "activations"]
    last = results[-1]
    reach = seen.reach.get(last, np.zeros(0))
    living = reach[reach > 0]
    far = int((living >= living.max() * OUTLIER_RATIO / seen.ratio(last)).sum()) if living.size > 1 else 0
    return LayerError(
        layer,
        operators,
        weights_db=merged("weights", results),
        activations_db=merged("activations", [place.measured for place in own if not place.is_constant]),
        inherited_db=merged("inherited", results),
        total_db=merged("total", results[-1:]),
        clipped=max((seen.beyond[place.tensor] for place in ranged), default=0.0),
        used=min((used_share(seen, place) for place in ranged), default=None),
        channels=int(reach.size),
        dead=int(reach.size - living.size),
        outliers=far,
        headroom_bits=_headroom(pair, own),
    )


def used_share(seen: Seen, place: Place) -> float:
    """Share of a place's range between the smallest and the largest value that was seen, zero among them."""
    low, high = representable(place.parameters, place.dtype)
    if place.dtype is DType.INT16:  # symmetric by demand of the kernels
        low, high = 0.0, max(-low, high)
        return min(1.0, max(abs(seen.low[place.tensor]), abs(seen.high[place.tensor])) / high)
    span = min(high, max(0.0, seen.high[place.tensor])) - max(low, min(0.0, seen.low[place.tensor]))
    return max(0.0, span / (high - low))


def _headroom(pair: Pair, own: Sequence[Place]) -> float | None:
    """Bits left of a 32-bit accumulator by the largest sum that weights, bias and any int8 input can make."""
    found = []
    for place in own:
        if place.kind != "weights" or place.rounded is None:
            continue
        node = pair.nodes[place.node]
        data = pair.integers.tensors[str(node.inputs[0])]
        stored = pair.integers.tensors[str(node.inputs[place.index])]
        if data.dtype not in (DType.INT8, DType.UINT8) or stored.data is None:
            continue
        axis = getattr(stored.parameters.granularity, "axis", 0)
        others = tuple(i for i in range(stored.data.ndim) if i != axis)
        sums = np.abs(stored.data.astype(np.int64)).sum(axis=others) * 255
        bias = pair.integers.tensors[str(node.inputs[2])] if len(node.inputs) > 2 and node.inputs[2] else None
        if bias is not None and bias.data is not None and bias.data.size == sums.size:
            sums = sums + np.abs(bias.data.astype(np.int64))
        found.append(31 - math.log2(max(1, int(sums.max()))))
    return min(found, default=None)
