"""What a test set asks of an output, seen from the shapes and types of its labels: the metric that is the default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from octavo.config import unknown_name
from octavo.errors import ConfigError, DatasetError
from octavo.evaluate.metrics import METRICS, Metric, metric_named, yes_or_no

# How far probabilities may be from a sum of 1 to be labels that were smoothed.
SUM_SLACK = 1e-3
CLASS_NUMBERS, ONE_HOT, YES_NO, MULTI_LABEL, REAL = "class numbers", "one-hot rows", "0 or 1", "0 and 1 each", "real"


def kind_of_labels(labels: np.ndarray, output: Sequence[int], name: str) -> str:
    """What the labels of an output are.

    Class numbers have a dimension less than the output (or one of 1 in place of its last), one-hot rows its shape,
    with rows that sum to 1; other zeros and ones of that shape are yes or no each, anything else is real.

    Args:
        labels: Of all samples.
        output: Shape of one sample's output.
        name: The output's, for the error.

    Returns:
        One of the constants of this module.

    Raises:
        DatasetError: if they fit in none of these ways.
    """
    classes = output[-1] if output else 1
    values = int(np.prod(output, dtype=np.int64))
    per_sample = labels.size / len(labels) if labels.ndim and len(labels) else -1.0
    if labels.dtype.kind not in "fiub" or per_sample not in (values, values // classes):
        raise labels_do_not_fit(labels, classes, name)
    if classes > 1 and per_sample == values // classes:
        whole = np.array_equal(labels, np.floor(labels))
        if not (whole and labels.min() >= 0 and labels.max() < classes):
            raise labels_do_not_fit(labels, classes, name)
        return CLASS_NUMBERS
    if classes > 1 and _are_distributions(labels.reshape(-1, classes)):
        return ONE_HOT
    if labels.dtype.kind == "b" or bool(((labels == 0) | (labels == 1)).all()):
        return YES_NO if classes == 1 else MULTI_LABEL
    return REAL


def default_metric(kind: str, floats: np.ndarray | None) -> Metric:
    """The metric for labels of a kind.

    Args:
        kind: As `kind_of_labels` tells it.
        floats: The float model's outputs, by which probabilities are told from logits; None takes those measured.
    """
    if kind in (CLASS_NUMBERS, ONE_HOT):
        return replace(METRICS["accuracy"], reason=f"labels are {kind}")
    if kind == REAL:
        return replace(METRICS["mae"], reason="labels are real numbers")
    name = "accuracy" if kind == YES_NO else "binary accuracy"
    if floats is None:
        return Metric(
            name,
            lambda labels, outputs: yes_or_no(threshold_of(outputs))(labels, outputs),
            unit="share",
            reason=f"labels are {kind}",
        )
    threshold = threshold_of(floats)
    reason = f"labels are {kind}, yes is above {threshold:g}"
    return Metric(name, yes_or_no(threshold), unit="share", by_sample=True, reason=reason, threshold=threshold)


def threshold_of(outputs: np.ndarray) -> float:
    """Above which an output says yes: one half for probabilities, zero for logits, which leave 0..1."""
    return 0.5 if outputs.size == 0 or (outputs.min() >= 0 and outputs.max() <= 1) else 0.0


def metrics_by_output(metric: Any, names: Sequence[str], labelled: Sequence[str]) -> dict[str, Metric]:
    """The metrics a user chose, by output name.

    Args:
        metric: One for all labelled outputs, or by output name, or a list in the order of outputs; None for none.
        names: All outputs.
        labelled: Those with labels.

    Raises:
        ConfigError: for an output that is none, for a list of another length, for an unknown metric.
    """
    if metric is None:
        return {}
    if isinstance(metric, Mapping):
        for name in metric:
            if name not in names:
                raise unknown_name("output", str(name), tuple(names))
        return {name: metric_named(each) for name, each in metric.items() if each is not None}
    if isinstance(metric, (list, tuple)):
        if len(metric) != len(names):
            raise ConfigError(
                "there is not one metric for each output.",
                got=f"{len(metric)} metrics",
                expected=f"{len(names)}, for {', '.join(names)}",
                fix=f"give them by name: metric={{'{names[0]}': 'accuracy'}}",
            )
        return {name: metric_named(each) for name, each in zip(names, metric, strict=True) if each is not None}
    return dict.fromkeys(labelled, metric_named(metric))


def labels_by_output(y: Any, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Labels by output name, from one array for the first output, a list in the order of outputs, or a dict.

    Raises:
        DatasetError: for the name of no output.
    """
    if y is None:
        return {}
    if isinstance(y, Mapping):
        unknown = [str(name) for name in y if name not in names]
        if unknown:
            raise DatasetError(
                f"the model has no output '{unknown[0]}' to hold against these labels.",
                got=", ".join(map(str, y)),
                expected=f"some of {', '.join(names)}",
                fix=f"name the labels by the outputs: y={{'{names[0]}': ...}}",
            )
        return {name: np.asarray(each) for name, each in y.items() if each is not None}
    if isinstance(y, (list, tuple)) and len(y) == len(names) > 1 and all(np.ndim(each) for each in y):
        return dict(zip(names, map(np.asarray, y), strict=True))
    return {names[0]: np.asarray(y)}


def labels_do_not_fit(labels: np.ndarray, classes: int, name: str) -> DatasetError:
    """The error for labels of another shape or out of range."""
    numbers = labels.size and labels.dtype.kind in "fiub"
    low, high = (labels.min(), labels.max()) if numbers else (0, 0)
    return DatasetError(
        f"the labels do not fit the output '{name}'.",
        got=f"shape {labels.shape} of {labels.dtype}, {low} to {high}",
        expected=f"a class number from 0 to {max(classes, 2) - 1} for each sample, one-hot rows of {max(classes, 2)}, "
        "or values of the output's shape",
        fix="give as many labels as samples, numbered from 0, or a metric= that takes these",
    )


def _are_distributions(rows: np.ndarray) -> bool:
    """Whether each row is one-hot, perhaps smoothed: not negative, of sum 1, with one entry above one half."""
    if rows.dtype.kind == "b":
        return bool((rows.sum(1) == 1).all())
    sums = rows.sum(1, dtype=np.float64)
    return bool((rows >= 0).all() and (np.abs(sums - 1) < SUM_SLACK).all() and (rows.max(1) > 0.5).all())
