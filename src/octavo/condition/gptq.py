"""Rounding by products: the weights of a layer are rounded so that its outputs, not the weights, keep close.

Source: Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers". In
execution order, each layer on the inputs that the rounded layers before it leave (Li et al. 2025, "GPTAQ", section 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from octavo.condition.biases import own_biases
from octavo.condition.method import Conditioned
from octavo.condition.moments import Moments, places
from octavo.condition.rounding import with_rounded_weights
from octavo.condition.samples import Samples, check_samples
from octavo.condition.segments import Segment, Values, affordable, run_segment, segments
from octavo.condition.variation import with_variations
from octavo.ir.graph import consumers, producers, with_tensors
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node, PerAxis
from octavo.numerics.affine import dequantize, symmetric
from octavo.numerics.feedback_rounding import product_error, refine, round_with_feedback
from octavo.ops.matrix_form import MatrixForm
from octavo.ops.table import spec_of
from octavo.ops.whole_graph import products_of
from octavo.plan.types import Plan, WeightRule
from octavo.quantization.weights import largest_magnitude

# What rounding one layer may take: so many times its moments [groups, inputs, inputs] and its weights, in float64.
LAYER_BYTES, MOMENTS_HELD, WEIGHTS_HELD = 2 << 30, 8, 28
# Added to the variance of each input, as a share of their mean: what some hundred samples do not tell of, and what
# rounded activations add.
DAMPING = 0.2
# Of the largest magnitude, what the largest integer may stand for; the best is taken, channel by channel. Of eight bits
# there are enough for all of it.
SHARES, CLIPPED_BELOW = (1.0, 0.92, 0.84, 0.76, 0.68), 8
SWEEPS = 4
# What running samples and variations may take; samples alone may take more. Processors make some 3e10 a second.
VARIED_PRODUCTS = 7.5e10


@dataclass(frozen=True, slots=True)
class GPTQ:
    """Round each planned weight so that the mean squared error of its layer's outputs is least.

        minimize over integers q   mean |w . x - scale * q . x'|^2

    x are the layer's inputs in float, x' those that the rounded layers before it leave. Where the layer has a bias of
    its own, that takes the means, and only deviations from them count. A convolution is its windows times its kernel, a
    depthwise one a small product for each channel. Activations stay in float.

    Memory is bounded: 256 MiB for the activations of all samples, and 2 GiB for a layer, one at a time; one that would
    take more is rounded to nearest, and named. Where activations are large, as at the beginning of a network of large
    images, layers look at fewer samples, which have many positions there.

    Attributes:
        samples: Look at so many at most.
        variations: And at so many variations of each, as `octavo.condition.variation` makes them; at fewer where the
            network is large.
        seed: Of the variations.

    Raises:
        ConfigError: if `samples` is not positive.
    """

    samples: int = 128
    variations: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        check_samples("GPTQ", self.samples, 128)

    @property
    def name(self) -> str:
        """The method's name."""
        return "gptq"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Choose the integers of every weight that is a matrix; see `octavo.condition.method.Method.apply`."""
        graph = before.graph
        layers, notes = _layers(graph, plan, self.name)
        if not layers:
            return Conditioned(graph, notes=notes)
        cuts = _cuts(graph, layers)
        own = samples.some(self.samples)
        counts = [affordable(graph, cuts[place:]) for place in range(max(1, len(cuts)))]
        affordably = int(VARIED_PRODUCTS // max(1, products_of(graph)))
        wanted = max(len(own), min(len(own) * (1 + self.variations), affordably))
        taken = with_variations(own, graph.inputs, min(counts[-1], wanted), self.seed)
        biases = own_biases(graph, plan, self.name)[0]
        limits, deployed, shares = {}, {}, []
        for layer, found in _walk(graph, with_rounded_weights(before, plan), layers, biases, cuts, counts, taken):
            limits[layer.rule.tensor], deployed[layer.rule.tensor] = found.limit, found.weight
            deployed |= {} if found.bias is None else {biases[layer.node.outputs[0]]: found.bias}
            shares.append(found.share)
        first = min(counts[0], len(own))
        looked_at = f"{first} to {len(own)}" if first < len(own) else f"{len(own)}"
        looked_at += " samples" if len(taken) <= len(own) else " samples and variations of them"
        told = Note(
            self.name,
            graph.name,
            f"rounded the weights of {len(layers)} of {len({rule.node for rule in plan.weights})} layers by their "
            f"outputs on {looked_at}; the error is {np.median(shares):.0%} of what it was (median of layers)",
        )
        return Conditioned(graph, limits, deployed, (*notes, told))


@dataclass(frozen=True, slots=True)
class _Layer:
    """A node with one planned weight that is a matrix, and the tensor it multiplies."""

    node: Node
    rule: WeightRule
    data: str
    matrix_form: MatrixForm


@dataclass(frozen=True, slots=True, eq=False)
class _Solution:
    """What a layer is deployed by, and its outputs' squared error, as a share of that of rounding to nearest."""

    weight: np.ndarray
    limit: np.ndarray
    bias: np.ndarray | None
    share: float


def _layers(graph: Graph, plan: Plan, method: str) -> tuple[tuple[_Layer, ...], tuple[Note, ...]]:
    """The layers to round, and a note for each that is left as it is."""
    rules, readers = {(rule.node, rule.input): rule for rule in plan.weights}, consumers(graph)
    layers, notes = [], []
    for node in graph.nodes:
        own = [rules[node.outputs[0], i] for i in range(len(node.inputs)) if (node.outputs[0], i) in rules]
        if not own or own[0].dtype.is_float:
            continue
        reason = _left(graph, node, own, len(readers[own[0].tensor]))
        if reason is None:
            spec = spec_of(node.op)
            assert spec.matrix_form is not None
            layers.append(_Layer(node, own[0], str(node.inputs[spec.biases[0][1].data]), spec.matrix_form))
        else:
            notes.append(Note(method, node.layer, f"{reason}, and is rounded to nearest"))
    return tuple(layers), tuple(notes)


def _left(graph: Graph, node: Node, rules: Sequence[WeightRule], readers: int) -> str | None:
    """Why a layer's weights are not rounded by their products, or None."""
    form = spec_of(node.op).matrix_form
    if form is None:
        return f"{node.op} is no product with one weight"
    if readers > 1:
        return f"weight '{rules[0].tensor}' is read elsewhere too"
    data = graph.tensors[str(node.inputs[spec_of(node.op).biases[0][1].data])]
    if data.is_constant:
        return "its input is constant"
    groups, inputs, outputs = form.matrices(data.shape, graph.tensors[rules[0].tensor].values).shape
    if layer_bytes(groups, inputs, outputs) > LAYER_BYTES:
        return f"its {inputs:,} inputs and {outputs:,} outputs are too many to round together"
    return None


def layer_bytes(groups: int, inputs: int, outputs: int) -> int:
    """What rounding a layer of these matrices takes at most."""
    return 8 * groups * inputs * (MOMENTS_HELD * inputs + WEIGHTS_HELD * outputs)


def _cuts(graph: Graph, layers: Sequence[_Layer]) -> tuple[Segment, ...]:
    """The network in pieces, each up to what a layer multiplies."""
    made_by = producers(graph)
    return segments(graph, {made_by[layer.data].outputs[0] for layer in layers if layer.data in made_by})


def _walk(
    graph: Graph,
    rounded: Graph,
    layers: Sequence[_Layer],
    biases: Mapping[str, str],
    cuts: Sequence[Segment],
    counts: Sequence[int],
    samples: Sequence[Values],
) -> Iterator[tuple[_Layer, _Solution]]:
    """Solve layer after layer, each behind those that were solved.

    Late layers have few positions in a sample, and small activations: they look at more samples, which are run anew up
    to there.

    Args:
        graph, rounded: In float, and with weights rounded to nearest.
        layers: In execution order.
        biases: Those that may change, by result.
        cuts: See `_cuts`.
        counts: How many samples the layers behind each cut look at; never fewer than those before.
        samples: As many as the last of these, or fewer.
    """
    wanted, given = ([dict(sample) for sample in samples[: counts[0]]] for _ in range(2))
    known = graph.inputs
    for place in range(-1, len(cuts)):
        if place >= 0:
            known = graph.nodes[cuts[place].stop - 1].outputs
            more = samples[len(wanted) : counts[place]]
            for each, frontier in ((graph, wanted), (rounded, given)):
                if more:
                    frontier += _run_up_to(each, cuts[place - 1], more)
                run_segment(each, cuts[place], each.nodes[cuts[place].stop - 1], frontier)
        for layer in (layer for layer in layers if layer.data in known):
            (node,) = (node for node in rounded.nodes if node.outputs == layer.node.outputs)
            bias, weight = biases.get(node.outputs[0]), rounded.tensors[str(node.inputs[layer.rule.input])]
            found = _solved(graph, layer, weight.values, bias, wanted, given)
            changed = [replace(weight, data=found.weight)]
            if bias is not None:
                changed.append(replace(rounded.tensors[bias], data=found.bias))
            rounded = with_tensors(rounded, changed)
            yield layer, found


def _run_up_to(graph: Graph, cut: Segment, samples: Sequence[Values]) -> list[Values]:
    """What samples leave behind a cut, one at a time, so that none holds what is large before it."""
    (whole,) = segments(graph, {graph.nodes[cut.stop - 1].outputs[0]})
    frontier = [dict(sample) for sample in samples]
    run_segment(graph, whole, graph.nodes[cut.stop - 1], frontier)
    return frontier


def _solved(
    graph: Graph,
    layer: _Layer,
    nearest: np.ndarray,
    bias: str | None,
    wanted: Sequence[Values],
    given: Sequence[Values],
) -> _Solution:
    """The integers, limits and bias of one layer.

    Args:
        graph: In float.
        layer: The layer.
        nearest: Its weight rounded to nearest.
        bias: Its own bias, if it has one that may change.
        wanted, given: The values of each sample in float, and behind the rounded layers.
    """
    weight, data, rule, form = graph.tensors[layer.rule.tensor].values, layer.data, layer.rule, layer.matrix_form
    shape = graph.tensors[data].shape
    matrices = form.matrices(shape, weight).astype(np.float64)
    groups, inputs, outputs = matrices.shape
    positions = graph.tensors[layer.node.outputs[0]].size // (groups * outputs)

    def rows(values: Values, sample: int) -> np.ndarray:
        return form.rows(
            layer.node.options, values[data], weight.shape, places(sample, len(given), positions, groups, inputs)
        )

    pairs = ((rows(x, i), rows(y, i)) for i, (x, y) in enumerate(zip(wanted, given, strict=True)))
    moments = Moments.of(pairs, centred=bias is not None)
    damped = moments.damped(DAMPING)
    target = matrices + np.linalg.solve(damped, (moments.cross - moments.given) @ matrices)
    limit, q = _best(target, damped, largest_magnitude(form.weight(target, weight.shape), rule.granularity), rule)
    found = dequantize(form.weight(q, weight.shape).astype(np.int64), symmetric(limit, rule.dtype, rule.granularity))
    plain, final = (form.matrices(shape, each) for each in (nearest, found))
    before, after = (float(product_error(each - target, damped).sum()) for each in (plain, final))
    share = after / before if before else 1.0
    if bias is None:
        return _Solution(found, limit, None, share)
    old = graph.tensors[bias].values
    shift = _means(moments.wanted_mean, matrices) - _means(moments.given_mean, final)
    return _Solution(found, limit, (old + shift.reshape(old.shape)).astype(np.float32), share)


def _best(
    target: np.ndarray, moments: np.ndarray, largest_weight: np.ndarray, rule: WeightRule
) -> tuple[np.ndarray, np.ndarray]:
    """Limits, float32, and integers [groups, inputs, outputs]: of `SHARES`, the one of least error for each limit."""
    groups, _, outputs = target.shape
    largest = rule.dtype.integer_range[1]
    shares = SHARES if rule.dtype.bits < CLIPPED_BELOW else SHARES[:1]
    limits = np.stack([largest_weight * np.float32(share) for share in shares])
    scales = np.stack([symmetric(limit, rule.dtype, rule.granularity).scale.astype(np.float64) for limit in limits])
    per_output = np.broadcast_to(
        scales.reshape(len(shares), groups if isinstance(rule.granularity, PerAxis) else 1, -1),
        (len(shares), groups, outputs),
    )
    # All shares at once, as more outputs of the same inputs.
    scale = np.concatenate(per_output, axis=-1)[:, np.newaxis]
    tried = np.tile(target, len(shares))
    q = round_with_feedback(tried, moments, scale, largest)
    errors = product_error(q * scale - tried, moments).reshape(groups, len(shares), outputs).transpose(1, 0, 2)
    if isinstance(rule.granularity, PerAxis):
        best = errors.argmin(axis=0)
    else:
        best = np.full((groups, outputs), errors.sum(axis=(1, 2)).argmin())
    chosen = best[np.newaxis, :, np.newaxis]
    q = np.take_along_axis(np.stack(np.split(q, len(shares), axis=-1)), chosen, axis=0)[0]
    scale = np.take_along_axis(per_output[:, :, np.newaxis], chosen, axis=0)[0]
    limit = np.take_along_axis(limits, best.reshape(1, -1)[:, : limits.shape[1]], axis=0)[0]
    sweeps = SWEEPS if rule.dtype.bits < CLIPPED_BELOW else 0
    return limit, refine(q, target, moments, scale, largest, sweeps)


def _means(inputs: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Mean outputs of each channel, of mean inputs [groups, inputs]."""
    return np.einsum("gi,gio->go", inputs, matrices)
