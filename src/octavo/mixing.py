"""int16 for the fewest operators with which a network answers well whose int8 answers do not.

Residual sums, attention and whatever a small difference of large numbers ends in lose more to int8 than to nothing
else. Which operators these are is measured: each kind of a layer goes back to int8 alone, where all others are int16.
Convolutions, which int16 costs most, are tried where the others do not bring enough and classes are missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from octavo.condition.trial import decibels, decibels_text, measured_tensors
from octavo.dtypes import DType
from octavo.errors import OctavoError
from octavo.evaluate.predict import predict
from octavo.fitting import Draft, Fitted, with_all_ranges, with_inside
from octavo.ir.graph import drop_dead
from octavo.ir.notes import Note
from octavo.ir.samples import stacked
from octavo.ir.types import Graph, Node
from octavo.numerics.affine import Range
from octavo.ops.table import spec_of
from octavo.ops.whole_graph import products_of
from octavo.plan.make import operator_name, own_config_of
from octavo.plan.types import converted_name
from octavo.quantization.quantize import quantized_graph
from octavo.write.tflite import write_tflite

Values = Mapping[str, np.ndarray]

# Noise, as a share of an output's power, that is mended: 20 dB, which classifiers of images commonly reach in int8;
# and what is aimed at then: 23 dB.
POOR, AIM = 10**-2.0, 10**-2.3
# Where int16 throughout does not halve the noise, the loss is another one. Nor is int16 for some worth it that neither
# halves the noise nor answers well.
WORTH = 2.0
# How much more noise than int16 throughout leaves, where that is more than the aim: 1 dB.
NEAR = 10**0.1
# Samples that tell whether int8 answers well, and those that every try runs on; and how many parts of a network are
# tried, at most and at least.
JUDGED, MOST_SAMPLES, MOST_PARTS, FEWEST_PARTS = 64, 16, 32, 4
# What all tries together may take: products of int16, which desktops run at some hundred million a second, and
# operators to write.
MOST_PRODUCTS, MOST_OPERATORS = 2e9, 8_000


@dataclass(frozen=True, slots=True)
class _Judge:
    """Samples, and what float makes of them.

    Attributes:
        x: By input name.
        wanted: By tensor: the outputs, or what those rank.
    """

    x: Values
    wanted: Values

    @classmethod
    def of(cls, graph: Graph, samples: Sequence[Values]) -> _Judge:
        """By the float graph."""
        x = stacked(samples, graph.inputs)
        return cls(x, _made(graph, measured_tensors(graph), x))

    def found(self, graph: Graph) -> Values:
        """The same tensors of a graph."""
        return _made(graph, tuple(self.wanted), self.x)

    def noise(self, graph: Graph) -> float:
        """Of the worst tensor, as a share of its power."""
        found = self.found(graph)
        return max(_share(found[name], wanted) for name, wanted in self.wanted.items())

    def worst(self, graph: Graph) -> list[int]:
        """The samples in order of how much noise they have, that with most first."""
        found = self.found(graph)
        errors = (np.square(found[name] - wanted.astype(float)) for name, wanted in self.wanted.items())
        rows = [error.reshape(len(error), -1).sum(axis=1) / max(error.sum(), 1e-30) for error in errors]
        return np.argsort(-np.max(rows, axis=0), kind="stable").tolist()

    def classifies(self, graph: Graph) -> bool:
        """Whether every tensor tells classes, and a graph names the same ones of all samples but one at most."""
        found = self.found(graph)
        return all(
            wanted.ndim == 2
            and wanted.shape[1] > 1
            and (wanted.argmax(axis=1) != found[name].argmax(axis=1)).sum() <= 1
            for name, wanted in self.wanted.items()
        )

    def shown(self, graph: Graph) -> dict[str, Range]:
        """Real (low, high) of each output of a graph, as it is handed over in int8."""
        return {
            converted_name(name, DType.INT8): (float(self.wanted[name].min()), float(self.wanted[name].max()))
            for name in graph.outputs
            if name in self.wanted
        }


def mixed(made: Fitted, graph: Graph, samples: Sequence[Values]) -> Draft | None:
    """The draft of a file that answers well where the one made does not; None where it does, or none was found.

    Layers whose type is configured keep it, and the model its inputs' and outputs' types.

    Args:
        made: Of int8 activations; with others, nothing is done.
        graph: The float graph.
        samples: Real inputs by name, batch 1 each.
    """
    draft, many = made.draft, samples[:JUDGED]
    if draft.plan.scheme.activations is not DType.INT8 or not many:
        return None
    others, all_parts = (
        _affordable(_parts(graph, draft, convolutions), graph, min(len(many), MOST_SAMPLES))
        for convolutions in (False, True)
    )
    if not others and not all_parts:
        return None
    whole = _Judge.of(graph, many)
    if not all(np.isfinite(values).all() for values in whole.wanted.values()):
        return None
    before_whole = whole.noise(made.graph)
    if before_whole <= POOR:
        return None
    judge = _Judge.of(graph, many[:MOST_SAMPLES])
    if judge.noise(made.graph) <= POOR:
        # What is poor is rare: a choice that falls otherwise in a sample of many.
        judge = _Judge.of(graph, [many[i] for i in whole.worst(made.graph)[:MOST_SAMPLES]])
    before = judge.noise(made.graph)
    # A network of convolutions that still names the same classes answers rightly with more noise than others.
    choices = (others,) if judge.classifies(made.graph) else (others, all_parts)
    known, shown = with_all_ranges(draft, graph), judge.shown(graph)

    def noise(inside: frozenset[str], judge: _Judge = judge) -> float:
        try:
            tried = with_inside(known, graph, draft.inside | inside, shown)
            conditioned, ranges = made.conditioned, tried.measured.ranges
            written = quantized_graph(conditioned.graph, tried.plan, tried.config, ranges, conditioned.limits)
            return judge.noise(written)
        except OctavoError:  # a scale, or a sum, that no kernel holds
            return np.inf

    chosen = _first_good(choices, noise, before)
    if not chosen or (after := noise(chosen, whole)) > max(POOR, before_whole / WORTH):
        return None
    reached = f"SQNR {decibels_text(decibels(before_whole))}, {decibels_text(decibels(after))} so"
    text = (
        f"{len(chosen)} of {len(draft.plan.types)} operators are int16, as int8 throughout answers with {reached}, on "
        f"{len(many)} samples; mix=False keeps int8"
    )
    noted = replace(known, notes=(*draft.notes, Note("plan", graph.name, text)))
    return with_inside(noted, graph, draft.inside | chosen, shown)


def _first_good(
    choices: Sequence[Sequence[Part]], noise: Callable[[frozenset[str]], float], before: float
) -> frozenset[str]:
    """What to make int16 of the first parts that serve, else of those that do best; or nothing."""
    best, least = frozenset[str](), before
    for parts in choices:
        chosen = fewest(parts, noise, before) if parts else None
        if chosen is None or (reached := noise(chosen)) >= least or reached > max(POOR, before / WORTH):
            continue
        best, least = chosen, reached
        if least <= POOR:
            break
    return best


def _made(graph: Graph, names: tuple[str, ...], x: Values) -> Values:
    """What a graph makes of some tensors."""
    return predict(write_tflite(drop_dead(replace(graph, outputs=names))), x)


def _share(found: np.ndarray, wanted: np.ndarray) -> float:
    """Noise as a share of the signal; of no signal, as it is."""
    signal, noise = (float(np.square(each, dtype=np.float64).sum()) for each in (wanted, found - wanted.astype(float)))
    return noise / signal if signal else noise


@dataclass(frozen=True, slots=True)
class Part:
    """Operators that widen together.

    Attributes:
        results: Their first outputs.
        elements: Of what they make.
    """

    results: frozenset[str]
    elements: int


def _parts(graph: Graph, draft: Draft, convolutions: bool) -> list[Part]:
    """The operators of one kind in one layer, in execution order, of those that may widen; no int4 is beside int16.

    Args:
        graph: Float.
        draft: Of it.
        convolutions: Whether they may; int16 costs them most.
    """
    named: dict[str, list[Node]] = {}
    narrow = {rule.node for rule in draft.plan.weights if rule.dtype is not DType.INT8}
    for node in graph.nodes:
        spec, free = spec_of(node.op), own_config_of(node, draft.config).activations is None
        convolves = bool(spec.weights) and spec.window is not None
        if not free or (convolves and not convolutions) or node.outputs[0] in narrow:
            continue
        if draft.plan.types.get(node.outputs[0]) is DType.INT8 and spec.widens:
            named.setdefault(operator_name(node), []).append(node)
    return [
        Part(
            frozenset(node.outputs[0] for node in nodes),
            sum(graph.tensors[name].size for node in nodes for name in node.outputs),
        )
        for nodes in named.values()
    ]


def _affordable(parts: Sequence[Part], graph: Graph, samples: int) -> list[Part]:
    """Neighbours joined, so that trying each takes no longer than it may; none where that leaves too few."""
    products = samples * products_of(graph)
    tries = min(MOST_PRODUCTS / max(1, products), MOST_OPERATORS / max(1, len(graph.nodes)))
    if not parts or tries < FEWEST_PARTS:
        return []
    count = min(len(parts), MOST_PARTS, int(tries))
    return [
        Part(frozenset().union(*(parts[i].results for i in run)), sum(parts[i].elements for i in run))
        for run in np.array_split(np.arange(len(parts)), count)
    ]


def fewest(parts: Sequence[Part], noise: Callable[[frozenset[str]], float], before: float) -> frozenset[str] | None:
    """The results to make in int16: what is left of all when those are int8 again that add least noise by their size.

    What several add is about the sum of what each adds alone; it is measured at last.

    Args:
        parts: To choose of.
        noise: Of the network with these results in int16.
        before: Its noise with none.

    Returns:
        None where even all of them do not bring enough.
    """
    everything = frozenset().union(*(part.results for part in parts))
    least = noise(everything)
    if least * WORTH > before:
        return None
    limit = max(AIM, least * NEAR)
    added = {part: max(0.0, noise(everything - part.results) - least) for part in parts}
    narrow, total = list[Part](), least
    for part in sorted(parts, key=lambda part: added[part] / part.elements):
        if total + added[part] <= limit:
            narrow.append(part)
            total += added[part]
    while narrow:
        inside = everything.difference(*(part.results for part in narrow))
        if inside and noise(inside) <= limit * NEAR:
            return inside
        narrow = narrow[: len(narrow) // 2]
    return everything
