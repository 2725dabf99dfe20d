"""How good a model's answers are: against labels, and against the float model's outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np

from octavo.errors import DatasetError, NonFiniteError
from octavo.evaluate.predict import Runtime, Samples, by_name, predictions


@dataclass(frozen=True, slots=True)
class OutputAccuracy:
    """Accuracy of one output. What was not measured is None.

    The answer to a sample is the class with the largest output, the first of them where several are largest; a single
    output in place of classes says yes above 0.5.

    Attributes:
        name: The output.
        top1: Share of answers that are the label.
        top5: Share of labels among the five largest outputs; for more than five classes.
        agreement: Share of answers that are the float model's, and not tied.
        ties: Share of samples where several classes are largest, the float model's answer among them: rounding to
            integers made them equal, and which one wins is chance.
        max_error: Largest absolute difference from the float model's output, real units.
        rms_error: Root of the mean squared difference, real units.
        sqnr_db: Signal to quantization noise, `10 log10(sum(float ** 2) / sum(difference ** 2))`; None also where
            the outputs are equal.
    """

    name: str
    top1: float | None = None
    top5: float | None = None
    agreement: float | None = None
    ties: float | None = None
    max_error: float | None = None
    rms_error: float | None = None
    sqnr_db: float | None = None

    def to_dict(self) -> dict[str, object]:
        """The fields, for JSON."""
        return asdict(self)


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
    runtime: Runtime, x: Samples, y: np.ndarray | Mapping[str, np.ndarray] | None = None, floats: Samples | None = None
) -> tuple[OutputAccuracy, ...]:
    """Run samples and compare.

    Args:
        runtime: The model.
        x: Real samples.
        y: Class numbers, shape (samples,), or one-hot rows; for the first output, or by output name.
        floats: The float model's outputs for the same samples.

    Returns:
        One a model output, in the model's order.

    Raises:
        DatasetError: if samples, labels and outputs do not fit together.
        NonFiniteError: for NaN or infinity in samples or outputs.
    """
    names = [port.name for port in runtime.outputs]
    labels = {} if y is None else dict(y) if isinstance(y, Mapping) else {names[0]: np.asarray(y)}
    expected = {} if floats is None else by_name(floats, names, "float outputs")
    tallies = {name: Tally() for name in names}
    classes: dict[str, int] = {}
    start = 0
    for outputs in predictions(runtime, x):
        for name, values in outputs.items():
            part = slice(start, start + len(values))
            _check_finite(values, name, start)
            label = _labels(labels[name][part], values, name) if name in labels else None
            wanted = _floats(expected[name][part], values, name) if name in expected else None
            tallies[name] += tally(values, label, wanted)
            classes[name] = values.shape[-1]
        start += len(values)
    return tuple(_summary(name, tallies[name], classes[name]) for name in names)


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


def tally(values: np.ndarray, labels: np.ndarray | None, floats: np.ndarray | None) -> Tally:
    """Count over one chunk.

    Args:
        values: Outputs, real, shape (..., classes).
        labels: Class numbers, shape (...), or None.
        floats: The float model's outputs, shape of `values`, or None.
    """
    counts = Tally()
    if labels is not None:
        scores = _scores(values)
        rank = _rank(scores, labels)
        counts += Tally(answers=rank.size, top1=_count(rank < 1), top5=_count(rank < 5))
        if floats is not None:
            answers = _scores(floats).argmax(-1)
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


def _scores(values: np.ndarray) -> np.ndarray:
    """A score for each class; a single output is compared with one half."""
    return values if values.shape[-1] > 1 else np.concatenate([np.full_like(values, 0.5), values], -1)


def _rank(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes come before the label, in order of falling score, equal ones in order of their number."""
    own = np.take_along_axis(scores, labels[..., None], -1)
    earlier = np.arange(scores.shape[-1]) < labels[..., None]
    return ((scores > own) | ((scores == own) & earlier)).sum(-1)


def _count(flags: np.ndarray) -> int:
    return int(np.count_nonzero(flags))


def _labels(labels: np.ndarray, values: np.ndarray, name: str) -> np.ndarray:
    """Class numbers of the shape of `values` without its last axis."""
    classes = max(values.shape[-1], 2)
    labels = np.asarray(labels)
    if labels.shape == values.shape and values.shape[-1] > 1:
        labels = labels.argmax(-1)
    fits = labels.size == values[..., 0].size and ((labels >= 0) & (labels < classes)).all()
    if not fits:
        raise DatasetError(
            f"the labels do not fit the output '{name}'.",
            got=f"shape {labels.shape} for {len(values)} samples, {labels.min(initial=0)} to {labels.max(initial=0)}",
            expected=f"a class number from 0 to {classes - 1} for each sample, or one-hot rows of {classes}",
            fix="give as many labels as samples, numbered from 0",
        )
    return labels.reshape(values.shape[:-1]).astype(np.int64)


def _floats(floats: np.ndarray, values: np.ndarray, name: str) -> np.ndarray:
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
