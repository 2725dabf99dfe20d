"""How good a model's answers are: against labels, and against the float model's outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from octavo.errors import ConfigError, DatasetError, NonFiniteError
from octavo.evaluate.metrics import METRICS, Metric, class_numbers
from octavo.evaluate.predict import Runtime, Samples, by_name, predictions, rows_in
from octavo.evaluate.tasks import (
    CLASS_NUMBERS,
    ONE_HOT,
    REAL,
    YES_NO,
    default_metric,
    kind_of_labels,
    labels_by_output,
    labels_do_not_fit,
    metrics_by_output,
)
from octavo.run.signature import Port


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What each sample contributes to a metric; two models' marks of the same samples can be compared in pairs.

    Attributes:
        metric: What was measured.
        each: A number for each sample, whose mean is the metric, shape (samples,); None where there is none.
        labels, outputs: Of all samples, where the metric is one number of all of them; else None.
    """

    metric: Metric
    each: np.ndarray | None = None
    labels: np.ndarray | None = None
    outputs: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._all)

    @property
    def value(self) -> float:
        """The metric over all samples."""
        return self.of(np.arange(len(self)))

    def of(self, chosen: np.ndarray) -> float:
        """The metric over some samples, by their indices."""
        if self.each is not None:
            return self.metric.value(self.each[chosen])
        assert self.labels is not None
        assert self.outputs is not None
        return self.metric.value(np.asarray(self.metric.function(self.labels[chosen], self.outputs[chosen])))

    @property
    def _all(self) -> np.ndarray:
        found = self.outputs if self.each is None else self.each
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class OutputAccuracy:
    """Accuracy of one output. What was not measured is None.

    The answer to a sample is the class with the largest output, the first of them where several are largest; a single
    output in place of classes says yes above 0.5, or above 0 where it is a logit.

    Attributes:
        name: The output.
        top1: Share of answers that are the label; where labels are classes.
        top5: Share of labels among the five largest outputs; for more than five classes.
        agreement: Share of answers that are the float model's, and not tied.
        ties: Share of samples where several classes are largest, the float model's answer among them: rounding to
            integers made them equal, and which one wins is chance.
        max_error: Largest absolute difference from the float model's output, real units.
        rms_error: Root of the mean squared difference, real units.
        sqnr_db: Signal to quantization noise, `10 log10(sum(float ** 2) / sum(difference ** 2))`; None also where
            the outputs are equal.
        metric: Name of the metric; "" without labels.
        value: The metric over all samples.
        reason: Why this metric was taken; "" where the user chose it.
        marks: What each sample contributes to it.
    """

    name: str
    top1: float | None = None
    top5: float | None = None
    agreement: float | None = None
    ties: float | None = None
    max_error: float | None = None
    rms_error: float | None = None
    sqnr_db: float | None = None
    metric: str = ""
    value: float | None = None
    reason: str = field(default="", compare=False)
    marks: Marks | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, object]:
        """The fields, for JSON; of the marks, which way the metric is better."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "marks"}
        return {**plain, "higher_is_better": None if self.marks is None else self.marks.metric.higher_is_better}

    @property
    def text(self) -> str:
        """The metric's value as tables show it; "" without labels."""
        return "" if self.marks is None or self.value is None else self.marks.metric.text(self.value)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over some samples of one output; tallies of different samples add up.

    Attributes:
        answers: Classifications made: samples, times positions where an output classifies each.
        top1, top5, agreed, tied: How many of them.
        values: Numbers compared with the float model's.
        noise, signal: Sums of squares of the differences and of the float values.
        largest: Largest absolute difference.
    """

    answers: int = 0
    top1: int = 0
    top5: int = 0
    agreed: int = 0
    tied: int = 0
    values: int = 0
    noise: float = 0.0
    signal: float = 0.0
    largest: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        sums = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        return Tally(**{**sums, "largest": max(self.largest, other.largest)})


def measure(
    runtime: Runtime, x: Samples, y: Any = None, floats: Samples | None = None, metric: Any = None
) -> tuple[OutputAccuracy, ...]:
    """Run samples and compare.

    Args:
        runtime: The model.
        x: Real samples.
        y: Labels, first axis the sample: class numbers, one-hot rows, zeros and ones, or real values of the output's
            shape; for the first output, a list in the order of outputs, or by output name.
        floats: The float model's outputs for the same samples.
        metric: As `octavo.evaluate.metrics.metric_named` takes it, for all outputs with labels, or by output name;
            None takes what suits the labels.

    Returns:
        One a model output, in the model's order.

    Raises:
        DatasetError: if samples, labels and outputs do not fit together.
        ConfigError: for an unknown metric.
        NonFiniteError: for NaN or infinity in samples or outputs.
    """
    judges = _judges(runtime.outputs, rows_in(x, runtime.inputs), y, floats, metric)
    start = 0
    for outputs in predictions(runtime, x):
        for name, values in outputs.items():
            _check_finite(values, name, start)
            judges[name].add(values, start)
        start += len(values)
    return tuple(judge.result() for judge in judges.values())


def measure_outputs(
    outputs: Mapping[str, np.ndarray], ports: Sequence[Port], y: Any, floats: Samples | None = None, metric: Any = None
) -> tuple[OutputAccuracy, ...]:
    """Like `measure`, of outputs that are there already, by the ports' names.

    Raises:
        DatasetError, ConfigError, NonFiniteError: as `measure`.
    """
    judges = _judges(ports, len(next(iter(outputs.values()))), y, floats, metric)
    for name, judge in judges.items():
        _check_finite(outputs[name], name, 0)
        judge.add(outputs[name], 0)
    return tuple(judge.result() for judge in judges.values())


def _judges(ports: Sequence[Port], count: int, y: Any, floats: Samples | None, metric: Any) -> dict[str, Judge]:
    """What measures each output, by its name."""
    names = [port.name for port in ports]
    labels = labels_by_output(y, names)
    expected = {} if floats is None else by_name(floats, names, "float outputs")
    chosen = metrics_by_output(metric, names, tuple(labels))
    return {
        port.name: _judge(port, count, labels.get(port.name), expected.get(port.name), chosen.get(port.name))
        for port in ports
    }


def _judge(
    port: Port, count: int, labels: np.ndarray | None, floats: np.ndarray | None, metric: Metric | None
) -> Judge:
    """What measures one output."""
    if labels is None:
        return Judge(port.name, None, floats, None, "")
    shape = port.shape[1:]
    if labels.ndim == 0 or len(labels) != count:
        raise labels_do_not_fit(labels, shape[-1] if shape else 1, port.name)
    kind = kind_of_labels(labels, shape, port.name) if metric in (None, METRICS["accuracy"]) else ""
    if metric is not None and kind == REAL:
        raise ConfigError(
            f"accuracy needs classes, and the labels of output '{port.name}' are real numbers.",
            got=f"labels of {labels.dtype}, {labels.min():.4g} to {labels.max():.4g}",
            expected="class numbers, one-hot rows, or zeros and ones",
            fix="use metric='mae' or metric='rmse', or leave it out",
        )
    return Judge(port.name, labels, floats, metric if kind == "" else default_metric(kind, floats), kind)


class Judge:
    """Measures one output, chunk by chunk.

    Args:
        name: The output.
        labels: Of all samples, or None.
        floats: The float model's outputs for all samples, or None.
        metric: What is measured of the labels; None without any.
        kind: Of the labels, "" where the user's metric makes what it likes of them.
    """

    def __init__(
        self, name: str, labels: np.ndarray | None, floats: np.ndarray | None, metric: Metric | None, kind: str
    ) -> None:
        self.name, self.labels, self.floats, self.metric, self.kind = name, labels, floats, metric, kind
        self.counts, self.classes = Tally(), 0
        self.marks: list[np.ndarray] = []
        self.held: list[np.ndarray] = []

    def add(self, values: np.ndarray, start: int) -> None:
        """Take the outputs of some samples, the first of which is number `start`."""
        self.classes = values.shape[-1]
        if self.metric is not None and not self.metric.by_sample:
            self.held.append(values)
        else:
            self._count(values, slice(start, start + len(values)), self.metric)

    def result(self) -> OutputAccuracy:
        """What was found."""
        metric, marks = self.metric, None
        if metric is None or self.labels is None:
            return _summary(self.name, self.counts, self.classes)
        if metric.by_sample:
            marks = Marks(metric, np.concatenate(self.marks))
        else:
            values = np.concatenate(self.held)
            if self.kind:  # outputs alone say what yes is
                metric = default_metric(self.kind, values)
            found = self._count(values, slice(0, len(values)), metric)
            marks = Marks(metric, found) if found.ndim else Marks(metric, labels=self.labels, outputs=values)
        accuracy = _summary(self.name, self.counts, self.classes)
        value = metric.value(found) if not metric.by_sample and not found.ndim else marks.value
        return replace(accuracy, metric=metric.name, value=value, reason=metric.reason, marks=marks)

    def _count(self, values: np.ndarray, part: slice, metric: Metric | None) -> np.ndarray:
        """Tally some samples, and what each is worth by the metric."""
        floats = None if self.floats is None else _floats(self.floats, values, self.name, part)
        numbers, threshold = None, 0.5
        marks = np.zeros(0)
        if metric is not None and self.labels is not None:
            labels = self.labels[part]
            marks = np.asarray(metric.function(labels, values))
            self.marks.append(marks)
            threshold = threshold if metric.threshold is None else metric.threshold
            if self.kind in (CLASS_NUMBERS, ONE_HOT, YES_NO):
                numbers = class_numbers(labels, values)
        self.counts += tally(values, numbers, floats, threshold)
        return marks


def compare_outputs(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> tuple[OutputAccuracy, ...]:
    """How far outputs are from wanted ones, both real, by name and of equal shapes; one entry an output of `found`.

    Raises:
        NonFiniteError: for NaN or infinity in `found`.
    """
    for name, values in found.items():
        _check_finite(values, name, 0)
    return tuple(
        _summary(name, tally(values, None, wanted[name]), values.shape[-1] if values.ndim else 1)
        for name, values in found.items()
    )


def tally(values: np.ndarray, labels: np.ndarray | None, floats: np.ndarray | None, threshold: float = 0.5) -> Tally:
    """Count over one chunk.

    Args:
        values: Outputs, real, shape (..., classes).
        labels: Class numbers, shape (...), or None.
        floats: The float model's outputs, shape of `values`, or None.
        threshold: Above which a single output in place of classes says yes.
    """
    counts = Tally()
    if labels is not None:
        scores = _scores(values, threshold)
        rank = _rank(scores, labels)
        counts += Tally(answers=rank.size, top1=_count(rank < 1), top5=_count(rank < 5))
        if floats is not None:
            answers = _scores(floats, threshold).argmax(-1)
            largest = scores == scores.max(-1, keepdims=True)
            chosen = np.take_along_axis(largest, answers[..., None], -1)[..., 0]
            tied = chosen & (largest.sum(-1) > 1)
            counts += Tally(agreed=_count(chosen & ~tied), tied=_count(tied))
    if floats is not None:
        wanted = floats.astype(np.float64)
        error = values.astype(np.float64) - wanted
        counts += Tally(
            values=error.size,
            noise=float((error**2).sum()),
            signal=float((wanted**2).sum()),
            largest=float(np.abs(error).max(initial=0.0)),
        )
    return counts


def _summary(name: str, counts: Tally, classes: int) -> OutputAccuracy:
    def share(count: int) -> float | None:
        return count / counts.answers if counts.answers else None

    compared = counts.values > 0
    return OutputAccuracy(
        name,
        top1=share(counts.top1),
        top5=share(counts.top5) if classes > 5 else None,
        agreement=share(counts.agreed) if compared else None,
        ties=share(counts.tied) if compared else None,
        max_error=counts.largest if compared else None,
        rms_error=math.sqrt(counts.noise / counts.values) if compared else None,
        sqnr_db=10 * math.log10(counts.signal / counts.noise) if counts.noise and counts.signal else None,
    )


def _scores(values: np.ndarray, threshold: float) -> np.ndarray:
    """A score for each class; a single output is compared with the threshold."""
    return values if values.shape[-1] > 1 else np.concatenate([np.full_like(values, threshold), values], -1)


def _rank(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes come before the label, in order of falling score, equal ones in order of their number."""
    own = np.take_along_axis(scores, labels[..., None], -1)
    earlier = np.arange(scores.shape[-1]) < labels[..., None]
    return ((scores > own) | ((scores == own) & earlier)).sum(-1)


def _count(flags: np.ndarray) -> int:
    return int(np.count_nonzero(flags))


def _floats(floats: np.ndarray, values: np.ndarray, name: str, part: slice) -> np.ndarray:
    floats = floats[part] if floats.ndim else floats
    if floats.shape != values.shape:
        raise DatasetError(
            f"the float outputs do not fit the output '{name}'.",
            got=f"shape {floats.shape}",
            expected=f"shape {values.shape}",
            fix="compute them with the float model on the very same samples",
        )
    return floats


def _check_finite(values: np.ndarray, name: str, start: int) -> None:
    if not np.isfinite(values).all():
        sample = start + int(np.argwhere(~np.isfinite(values))[0][0])
        raise NonFiniteError(
            f"output '{name}' of the model is NaN or infinite for sample {sample}.",
            got=f"{_count(~np.isfinite(values))} such values among {values.size}",
            expected="finite values",
            fix="check the model's weights and this sample; a float16 model overflows beyond 65504",
        )
