"""Ranges by the error they cause: each is cut where the layers that read the tensor come closer to float for it.

Source: Nagel et al. 2021, "A White Paper on Neural Network Quantization", section 3.1, ranges by the error of what is
computed of them instead of by the values alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from octavo.calibration.ranges import observed_tensors
from octavo.calibration.runner import processors
from octavo.condition.method import Conditioned, settled
from octavo.condition.samples import Samples, check_samples
from octavo.dtypes import DType
from octavo.ir.graph import consumers
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.numerics.affine import Range, asymmetric, dequantize, quantize
from octavo.numerics.estimators import Shares
from octavo.ops.table import spec_of
from octavo.plan.types import Plan
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite

# Of both extremes, what is tried; and the means of the extremes of single samples.
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
# After so many samples, what leaves so many times the least error is not tried on the others.
FEW, FAR = 2, 4.0
# A range is cut only where it leaves at most so much of the error.
WORTH = 0.95

Values = Mapping[str, np.ndarray]
Cut = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ChooseRanges:
    """Cut the range of each group of activations to what leaves the least error where they are read.

        minimize over shares   sum over readers, samples  |f(x) - f(rounded x)|^2

    f is a reader with its activation, in float; x are a tensor's values in float, rounded to the range at hand. A
    range is a share of the extremes, which final calibration measures. Integers of 16 bits, ranges that kernels fix,
    outputs, and what an operator with a state reads keep the extremes.

    Attributes:
        samples: Look at so many at most; one at a time is held.

    Raises:
        ConfigError: if `samples` is not positive.
    """

    samples: int = 16

    def __post_init__(self) -> None:
        check_samples("ChooseRanges", self.samples, 16)

    @property
    def name(self) -> str:
        """The method's name."""
        return "choose_ranges"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Choose a share for each group; see `octavo.condition.method.Method.apply`."""
        graph = settled(before).graph
        choices = tuple(_choices(graph, plan)) if plan.scheme.needs_data else ()
        if not choices:
            return Conditioned(before.graph)
        names = dict.fromkeys((*graph.outputs, *(name for each in choices for name in each.needed)))
        runtime = LiteRT(
            write_tflite(replace(graph, outputs=tuple(name for name in names if name not in graph.inputs))),
            threads=processors(),
        )
        taken = samples.some(self.samples)

        def values() -> Iterator[Values]:
            for sample in taken:
                runtime.reset()
                yield {**sample, **runtime.run(sample)}

        extremes = _extremes(values(), choices)
        cuts = [_tried(found) for found in extremes]
        errors = [np.zeros(len(each)) for each in cuts]
        with ThreadPoolExecutor(processors(), self.name) as pool:
            for looked_at, known in enumerate(values(), 1):
                added = partial(_added, known, looked_at == FEW)
                errors = list(pool.map(added, choices, extremes, cuts, errors))
        shares: dict[str, Cut] = {}
        for choice, tried, error in zip(choices, cuts, errors, strict=True):
            best = int(np.argmin(error))
            if error[best] < WORTH * error[0]:
                shares |= dict.fromkeys(choice.filed, tried[best])
        text = f"cut {len(shares)} of {sum(len(each.filed) for each in choices)} ranges by what reads them, on "
        told = Note(self.name, graph.name, f"{text}{len(taken)} samples")
        return Conditioned(before.graph, notes=(told,), estimator=Shares(shares) if shares else None)


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    """A group whose range can be cut.

    Attributes:
        filed: The names that its range is filed under.
        members: Its activations that ranges are measured of.
        readers: Each operator that reads one, by itself, and what it reads.
    """

    filed: tuple[str, ...]
    members: tuple[str, ...]
    readers: tuple[tuple[LiteRT, tuple[str, ...]], ...]

    @property
    def needed(self) -> tuple[str, ...]:
        """The tensors whose values it takes."""
        return tuple(dict.fromkeys((*self.members, *(name for _, names in self.readers for name in names))))

    def errors(self, known: Values, ranges: Sequence[Range]) -> list[float]:
        """Squared error of all that is read, for each range."""
        wanted = [runtime.run({name: known[name] for name in names}) for runtime, names in self.readers]
        return [self._error(known, wanted, each) for each in ranges]

    def _error(self, known: Values, wanted: Sequence[Values], found: Range) -> float:
        own = asymmetric(*found, DType.INT8)
        rounded = {name: dequantize(quantize(known[name], own, DType.INT8), own) for name in self.members}
        error = 0.0
        for (runtime, names), results in zip(self.readers, wanted, strict=True):
            made = runtime.run({name: rounded.get(name, known[name]) for name in names})
            error += sum(float(np.square(made[name] - each).sum(dtype=np.float64)) for name, each in results.items())
        return error


def _added(
    known: Values, narrow: bool, choice: _Choice, extremes: np.ndarray, tried: Sequence[Cut], errors: np.ndarray
) -> np.ndarray:
    """The errors of all cuts with those of one more sample; infinite from where a cut is far from the best."""
    low, high = extremes[:, 0].min(), extremes[:, 1].max()
    left = np.flatnonzero(np.isfinite(errors))
    made = errors.copy()
    made[left] += choice.errors(known, [(low * tried[i][0], high * tried[i][1]) for i in map(int, left)])
    if narrow:
        made[1:][made[1:] > FAR * made.min()] = np.inf
    return made


def _choices(graph: Graph, plan: Plan) -> Iterator[_Choice]:
    """The int8 groups of values that float operators without a state read, and nobody outside."""
    readers, observed = consumers(graph), set(observed_tensors(graph, plan))
    for group in plan.groups:
        members = tuple(name for name in group.observed if name in observed)
        nodes = dict.fromkeys(node for name in members for node in readers[name])
        shown = not set(group.tensors).isdisjoint(graph.outputs)
        if group.fixed is None and group.dtype is DType.INT8 and nodes and not shown and _plain(graph, nodes):
            filed = tuple(plan.range_name(name, group) for name in members)
            yield _Choice(filed, members, tuple(_alone(graph, node) for node in nodes))


def _plain(graph: Graph, nodes: Iterable[Node]) -> bool:
    """Whether operators can be run by themselves, on float activations."""
    names = {name for node in nodes for name in (*node.inputs, *node.outputs) if name is not None}
    computed = [each for each in map(graph.tensors.__getitem__, names) if not each.is_constant]
    return not any(spec_of(node.op).states or node.intermediates for node in nodes) and all(
        each.dtype is DType.FLOAT32 and not each.is_variable for each in computed
    )


def _alone(graph: Graph, node: Node) -> tuple[LiteRT, tuple[str, ...]]:
    """An operator as a model of its own, and its inputs."""
    names = {name for name in (*node.inputs, *node.outputs) if name is not None}
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name in names}
    inputs = tuple(dict.fromkeys(name for name in node.inputs if name in names and not tensors[name].is_constant))
    piece = replace(graph, tensors=tensors, nodes=(node,), inputs=inputs, outputs=node.outputs)
    return LiteRT(write_tflite(piece)), inputs


def _extremes(samples: Iterable[Values], choices: Sequence[_Choice]) -> list[np.ndarray]:
    """(low, high) of each sample, with 0, for each choice; [samples, 2]."""
    rows = [
        [
            (
                min(0.0, *(float(values[name].min()) for name in each.members)),
                max(0.0, *(float(values[name].max()) for name in each.members)),
            )
            for each in choices
        ]
        for values in samples
    ]
    return [np.array(each) for each in zip(*rows, strict=True)]


def _tried(extremes: np.ndarray) -> list[Cut]:
    """Shares of the extremes to try, all of them first."""
    outer, means = np.array([extremes[:, 0].min(), extremes[:, 1].max()]), extremes.mean(axis=0)
    averaged = np.divide(means, outer, out=np.ones(2), where=outer != 0)
    return [*((share, share) for share in SHARES), (float(averaged[0]), float(averaged[1]))]
