"""How far a network is from itself in float, deployed as a conditioning made it, on samples held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from octavo.calibration.ranges import estimate, observed_tensors
from octavo.calibration.runner import calibrate, processors
from octavo.calibration.statistics import Statistics
from octavo.condition.method import Conditioned, settled
from octavo.condition.samples import Values
from octavo.dtypes import DType
from octavo.errors import ModelFileError, RuntimeEndedError
from octavo.evaluate.predict import predict
from octavo.ir.graph import drop_dead, producers, with_tensors
from octavo.ir.samples import stacked
from octavo.ir.types import Graph
from octavo.numerics.estimators import Estimator
from octavo.ops.operands import data_inputs
from octavo.ops.roles import Fixed
from octavo.ops.table import spec_of
from octavo.plan.types import Plan
from octavo.quantization.assign import assign
from octavo.quantization.shrink import shrink_weights
from octavo.write.tflite import write_tflite

# Operators that make probabilities of their last axis.
SOFTMAXES = ("SOFTMAX", "LOG_SOFTMAX")
# The share of noise that rounding to float32 makes alone: less cannot be told from none.
UNSEEN = float(np.finfo(np.float32).eps) ** 2
# Statistics of so many graphs are kept: of what a step began with, and of what it made.
KEPT = 2
# How sure it must be that a method helps: of many samples, its gain is more than one standard error.
SURE = 0.84


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Quantizes for a try, and compares with float.

    Attributes:
        plan: Of the scheme at hand.
        estimator: Of the ranges.
        seen: Samples that ranges are measured on, by input name.
        held_out: Samples to compare on, likewise.
        wanted: What float makes of them, by tensor: the outputs, or what enters a last operator of fixed output, as
            softmax has, which would hide errors.
        classes: Those of `wanted` that a last softmax makes probabilities of, which errors common to all classes, and
            those of classes that are out of the question, do not change; none where float answers all samples alike,
            as random weights do.
        temperature: What logits of these are divided by: where it is above 1, samples count more alike, of which the
            few that float is unsure of make most of the divergence otherwise.
    """

    plan: Plan
    estimator: Estimator
    seen: Values
    held_out: Values
    wanted: Values
    classes: frozenset[str]
    temperature: float = 1.0
    _known: list[tuple[tuple[str, ...], list[np.ndarray], Statistics]] = field(default_factory=list, repr=False)

    @classmethod
    def of(
        cls,
        graph: Graph,
        plan: Plan,
        estimator: Estimator,
        seen: Sequence[Values],
        held_out: Sequence[Values],
        temperature: float = 1.0,
    ) -> Self:
        """A trial on these samples, batch 1 each; at least one of either."""
        x, made_by = stacked(held_out, graph.inputs), producers(graph)
        wanted = predict(_written(graph, compared_tensors(graph)), x, threads=processors())
        last = (made_by[name] for name in graph.outputs if name in made_by)
        classes = {name for node in last if node.op in SOFTMAXES for _, name in data_inputs(graph, node)}
        classes = {name for name in classes if _told(_log_chances(wanted[name] / temperature)) > UNSEEN}
        return cls(plan, estimator, stacked(seen, graph.inputs), x, wanted, frozenset(classes), temperature)

    def sqnr_db(self, state: Conditioned) -> float:
        """Signal to noise of what is compared, in dB; minus infinity for what no runtime computes."""
        return decibels(self.noise_of(state))

    def noise_of(self, state: Conditioned) -> float:
        """The noise of a conditioned graph, quantized for it; infinite for what no runtime computes."""
        return float(np.mean(self.noises_of(state)))

    def noises_of(self, state: Conditioned) -> np.ndarray:
        """The same of each sample."""
        try:
            return self.noises(self.quantized(state))
        except (ModelFileError, RuntimeEndedError):
            return np.full(self.count, np.inf)

    @property
    def count(self) -> int:
        """How many samples are compared on."""
        return len(next(iter(self.held_out.values())))

    def noise(self, graph: Graph) -> float:
        """The mean noise of the samples."""
        return float(np.mean(self.noises(graph)))

    def noises(self, graph: Graph) -> np.ndarray:
        """Of each sample, the squared difference of what is compared, as a share of a sample's mean square.

        Of several outputs it is the mean.

        Of what a last softmax makes probabilities of, it is the information that these lose, as a share of all that
        they tell: the Kullback-Leibler divergence from float's, against that of their mean.

        Args:
            graph: Quantized; it has the tensors of the float graph that are compared.

        Raises:
            ModelFileError, RuntimeEndedError: where the runtime does not compute it.
        """
        found = predict(_written(graph, tuple(self.wanted)), self.held_out, threads=processors())
        shares = [
            _shares_of_information(found[name] / self.temperature, wanted / self.temperature)
            if name in self.classes
            else shares_of_noise(found[name], wanted)
            for name, wanted in self.wanted.items()
            if wanted.size
        ]
        return np.mean([each.reshape(self.count, -1).mean(axis=1) for each in shares or [np.zeros(self.count)]], axis=0)

    def quantized(self, state: Conditioned) -> Graph:
        """A conditioned graph with the integers that are deployed."""
        graph = settled(state).graph
        if not self.plan.scheme.needs_data:
            return shrink_weights(graph, self.plan, state.limits)
        estimator = state.estimator or self.estimator
        statistics = self._statistics(state, graph, needs_histogram=estimator.needs_histogram)
        return assign(graph, self.plan, estimate(graph, self.plan, statistics, estimator), state.limits)

    def _statistics(self, state: Conditioned, graph: Graph, *, needs_histogram: bool) -> Statistics:
        """Of the samples seen; extremes are measured once for the same constants, as ways to make ranges share them.

        A bias that is deployed for one that it corrects moves them by far less than they differ between samples.

        Args:
            state: A conditioned graph.
            graph: The same with what is deployed.
            needs_histogram: Whether extremes do not suffice.
        """
        biases = {rule.tensor for rule in self.plan.biases}
        constants = [
            (state.graph if name in biases else graph).tensors[name].values
            for name, each in graph.tensors.items()
            if each.is_constant
        ]
        tensors = observed_tensors(graph, self.plan)
        for observed, known, statistics in () if needs_histogram else self._known:
            if observed == tensors and all(map(np.array_equal, known, constants)):
                return statistics
        found = calibrate(graph, tensors, dict(self.seen), needs_histogram=needs_histogram)
        if not needs_histogram:
            self._known[:] = [(tensors, constants, found), *self._known[: KEPT - 1]]
        return found


def surely_less(after: np.ndarray, before: np.ndarray) -> bool:
    """Whether a method lowers the noise of other samples, too, by the noises of the same samples after and before it.

    What it gains on the average is held against how its gains differ: a paired t-test, one-sided, by `SURE` (Student
    1908, "The Probable Error of a Mean"). A single sample does not tell.

    >>> before = np.array([1.0, 1.2, 0.9, 1.1])
    >>> surely_less(before - [0.2, 0.3, 0.2, 0.3], before), surely_less(before - [0.9, -0.2, 0.1, 0.2], before)
    (True, False)
    """
    from scipy.special import stdtrit

    if np.isinf(before).any() or np.isinf(after).any() or len(after) < 2:
        return bool(np.isinf(before).any() and not np.isinf(after).any())
    gains = before - after
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return bool(gains.mean() > stdtrit(len(gains) - 1, SURE) * error)


def decibels(noise: float) -> float:
    """Signal to noise in dB, of noise as a share of the signal, `UNSEEN` at least."""
    return float(-10 * np.log10(max(noise, UNSEEN)))


def decibels_text(sqnr_db: float) -> str:
    """What `decibels` makes, in words where it is no figure.

    >>> [decibels_text(each) for each in (decibels(0.01), decibels(0.0), decibels(np.inf))]
    ['20.0 dB', 'above 138 dB', 'of nothing, as no runtime computes it']
    """
    if np.isneginf(sqnr_db):
        return "of nothing, as no runtime computes it"
    most = decibels(0.0)
    return f"above {most:.0f} dB" if sqnr_db >= most else f"{round(sqnr_db, 1) + 0.0:.1f} dB"


def measured_tensors(graph: Graph) -> tuple[str, ...]:
    """The outputs; in the place of those that rank values, the values, which differ by as much as they are off."""
    made_by, names = producers(graph), []
    for name in graph.outputs:
        node = made_by.get(name)
        ranked = data_inputs(graph, node) if node is not None and spec_of(node.op).ranks else ()
        names += [each for _, each in ranked if each in made_by] or [name]
    return tuple(dict.fromkeys(names))


def compared_tensors(graph: Graph) -> tuple[str, ...]:
    """The `measured_tensors`, or what enters a last operator of fixed parameters."""
    made_by, names = producers(graph), []
    for name in measured_tensors(graph):
        node = made_by.get(name)
        entering = () if node is None or not isinstance(spec_of(node.op).rule(), Fixed) else data_inputs(graph, node)
        moved = len(entering) == 1 and entering[0][1] in made_by
        names.append(entering[0][1] if moved else name)
    return tuple(dict.fromkeys(names))


def _written(graph: Graph, names: tuple[str, ...]) -> bytes:
    """A file that makes some tensors; integers of four bits take eight, whose kernels are quicker."""
    wide = [replace(each, dtype=DType.INT8) for each in graph.tensors.values() if each.dtype is DType.INT4]
    return write_tflite(drop_dead(replace(with_tensors(graph, wide), outputs=names)))


def shares_of_noise(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The squared difference of each value, as a share of the mean square of those wanted; float64, same shape."""
    signal = np.mean(np.square(wanted, dtype=np.float64))
    return np.square(found.astype(np.float64) - wanted) / (signal or 1.0)


def _shares_of_information(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    floats = _log_chances(wanted)
    return _divergences(floats, _log_chances(found)) / _told(floats)


def _log_chances(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the classes' probabilities, float64 [answers, classes]."""
    values = logits.astype(np.float64).reshape(-1, logits.shape[-1])
    return values - np.logaddexp.reduce(values, -1, keepdims=True)


def _told(log_chances: np.ndarray) -> float:
    """What answers tell: their divergence from their mean."""
    return float(np.mean(_divergences(log_chances, np.logaddexp.reduce(log_chances) - np.log(len(log_chances)))))


def _divergences(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of log-probabilities, of each answer.

    `q - p - p log(q / p)` is summed, as both sum to 1: no addend is negative, and those of close answers do not cancel.
    """
    apart, chances = found - wanted, np.exp(wanted)
    near = np.abs(apart) < 1
    added = np.where(near, chances * np.expm1(np.where(near, apart, 0.0)), np.exp(found) - chances)
    return np.sum(added - chances * apart, axis=-1)
