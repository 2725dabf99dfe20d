"""What is measured of a model's answers: one number, and what each sample contributes to it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from octavo.config import unknown_name
from octavo.errors import ConfigError, DatasetError, OctavoError

Function = Callable[[np.ndarray, np.ndarray], Any]
# Words in the name of a measure that is better the smaller it is.
ERRORS = re.compile(r"error|loss|mae|mse|rmse|mape|distance|deviance|entropy|divergence", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Metric:
    """A measure of answers.

    Attributes:
        name: As tables show it.
        function: Of (labels, outputs), real, first axis the sample: a number for each sample, whose mean is the
            measure, or one number for all.
        higher_is_better: Or lower.
        unit: "share" is shown in percent, "real" as it is.
        root: Whether the square root of the mean is the measure.
        by_sample: Whether `function` may be given the samples part by part.
        reason: Why this one was taken, for the reader of a table; "" where the user chose it.
        threshold: Above which an output says yes, where that is the question.
    """

    name: str
    function: Function
    higher_is_better: bool = True
    unit: Literal["share", "real"] = "real"
    root: bool = False
    by_sample: bool = False
    reason: str = ""
    threshold: float | None = None

    def value(self, marks: np.ndarray) -> float:
        """The measure of samples by what `function` gave for each, or for all."""
        mean = float(np.mean(marks, dtype=np.float64))
        return float(np.sqrt(mean)) if self.root else mean

    def text(self, value: float) -> str:
        """A value as tables show it."""
        return f"{100 * value:.2f} %" if self.unit == "share" else f"{value:.4g}"

    def difference(self, value: float) -> str:
        """A difference of two values as sentences show it."""
        return f"{100 * value:+.2f} points of {self.name}" if self.unit == "share" else f"{value:+.3g} {self.name}"


def answers_right(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Share of positions of each sample whose largest output is the label; labels are class numbers or one-hot."""
    ids = class_numbers(labels, outputs)
    return _each(outputs.argmax(-1) == ids)


def class_numbers(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Class numbers of the shape of `outputs` without its last axis, from these or one-hot rows."""
    if labels.shape == outputs.shape and outputs.shape[-1] > 1:
        return labels.argmax(-1)
    return as_outputs(labels, outputs[..., 0]).astype(np.int64)


def as_outputs(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Labels in the shape of outputs: a column and a row of numbers are the same.

    Raises:
        DatasetError: if there are not as many.
    """
    if labels.shape[:1] != outputs.shape[:1] or labels.size != outputs.size:
        raise DatasetError(
            "the labels do not have the shape of the outputs they are measured against.",
            got=f"labels {labels.shape}, outputs {outputs.shape}",
            expected="a label for each output value",
            fix="give labels of the outputs' shape, or another metric=",
        )
    return labels.reshape(outputs.shape)


def yes_or_no(threshold: float) -> Function:
    """Share of outputs of each sample on the right side of a threshold; labels are 0 and 1."""
    return lambda labels, outputs: _each((outputs > threshold) == (as_outputs(labels, outputs) > 0.5))


def absolute(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each sample."""
    return _each(np.abs(_difference(labels, outputs)))


def squared(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Mean squared difference of each sample."""
    return _each(_difference(labels, outputs) ** 2)


def area_under_curve(labels: np.ndarray, outputs: np.ndarray) -> float:
    """Area under the receiver operating characteristic, the mean over outputs; ties count half.

    Labels are 0 and 1, or class numbers: then each class against the others. An output whose labels are all alike
    does not count; NaN if none is left. Source: Hanley and McNeil 1982, the Mann-Whitney statistic.
    """
    from scipy.stats import rankdata

    classes = outputs.shape[-1]
    if classes > 1 and labels.size * classes == outputs.size:
        labels = np.eye(classes)[class_numbers(labels, outputs)]
    wanted = as_outputs(labels, outputs).reshape(-1, classes) > 0.5
    ranks = rankdata(outputs.reshape(-1, classes), axis=0)
    yes, no = wanted.sum(0), (~wanted).sum(0)
    counted = (yes > 0) & (no > 0)
    if not counted.any():
        return float("nan")
    wins = (ranks * wanted).sum(0) - yes * (yes + 1) / 2
    return float(np.mean(wins[counted] / (yes * no)[counted]))


def mean_overlap(labels: np.ndarray, outputs: np.ndarray) -> float:
    """Intersection over union, the mean over classes that occur; one output says yes above one half."""
    classes = outputs.shape[-1]
    if classes == 1:
        found, wanted = (outputs > 0.5).astype(np.int64), (as_outputs(labels, outputs) > 0.5).astype(np.int64)
    else:
        found, wanted = outputs.argmax(-1), class_numbers(labels, outputs)
    overlaps = [
        np.count_nonzero((found == each) & (wanted == each)) / union
        for each in range(max(classes, 2))
        if (union := np.count_nonzero((found == each) | (wanted == each)))
    ]
    return float(np.mean(overlaps))


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", answers_right, unit="share", by_sample=True),
    "binary_accuracy": Metric("binary accuracy", yes_or_no(0.5), unit="share", by_sample=True, threshold=0.5),
    "mae": Metric("MAE", absolute, higher_is_better=False, by_sample=True),
    "mse": Metric("MSE", squared, higher_is_better=False, by_sample=True),
    "rmse": Metric("RMSE", squared, higher_is_better=False, root=True, by_sample=True),
    "auc": Metric("AUC", area_under_curve),
    "iou": Metric("mean IoU", mean_overlap, unit="share"),
}


def metric_named(metric: Any) -> Metric:
    """The metric meant by a name, a Keras metric, a function of (labels, outputs), or a `Metric` itself.

    Of a function whose name speaks of an error or loss, and of a Keras metric that says so, lower is better.

    Raises:
        ConfigError: for a name that neither Octavo nor Keras knows, and for anything else.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        return METRICS.get(metric.lower()) or _keras_by_name(metric)
    if hasattr(metric, "update_state") and hasattr(metric, "result"):
        return _of_keras(metric)
    if callable(metric):
        name = getattr(metric, "__name__", type(metric).__name__)
        return Metric(name, _told(name, metric), higher_is_better=not ERRORS.search(name))
    raise ConfigError(
        "this is no metric.",
        got=f"an object of {type(metric).__module__}.{type(metric).__qualname__}",
        expected="a name, a keras.metrics.Metric, or a function of (labels, outputs)",
        fix=f"use one of {', '.join(METRICS)}, or metric=lambda y, outputs: ...",
    )


def _keras_by_name(name: str) -> Metric:
    """A metric that Keras has under this name.

    Raises:
        ConfigError: if it has none, or Keras was not loaded and is not there.
    """
    try:
        import keras

        found = keras.metrics.get(name)
    except (ImportError, ValueError) as error:
        raise unknown_name("metric", name, tuple(METRICS)) from error
    return _of_keras(found) if hasattr(found, "update_state") else metric_named(found)


def _of_keras(metric: Any) -> Metric:
    """A Keras metric, started anew for every measurement; of one number a class, the mean."""

    def over_all(labels: np.ndarray, outputs: np.ndarray) -> float:
        metric.reset_state()
        metric.update_state(labels, outputs)
        return float(np.mean(sys.modules["keras"].ops.convert_to_numpy(metric.result())))

    lower = getattr(metric, "_direction", None) == "down" or bool(ERRORS.search(metric.name))
    return Metric(metric.name, _told(metric.name, over_all), higher_is_better=not lower)


def _told(name: str, function: Function) -> Function:
    """The same function; where it fails, it is said of what."""

    def told(labels: np.ndarray, outputs: np.ndarray) -> Any:
        try:
            return function(labels, outputs)
        except OctavoError:
            raise
        except Exception as error:
            raise DatasetError(
                f"metric '{name}' cannot be taken of these labels and outputs.",
                got=f"labels {labels.shape}, outputs {outputs.shape}: {type(error).__name__}, {error}",
                expected="labels as this metric takes them: class numbers, one-hot rows, or a value for each output",
                fix=f"bring the labels to its form, or use another metric=, such as {', '.join(METRICS)}",
            ) from error

    return told


def _difference(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    return outputs.astype(np.float64) - as_outputs(labels, outputs)


def _each(values: np.ndarray) -> np.ndarray:
    """The mean of each sample, shape (samples,)."""
    return values.reshape(len(values), -1).mean(axis=1, dtype=np.float64)
