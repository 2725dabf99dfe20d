"""What files of a search are worth on held-out data with labels, by a metric."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.data.labelled import Labelled, labelled_samples
from octavo.errors import ConfigError
from octavo.result import QuantizedModel
from octavo.stages import Prepared


@dataclass(frozen=True, slots=True)
class Score:
    """A metric of a file.

    Attributes:
        metric: Its name.
        value: Over all samples; of the first output with labels.
        text: As tables show it.
        higher_is_better: Or lower.
    """

    metric: str
    value: float
    text: str
    higher_is_better: bool

    @property
    def rank(self) -> float:
        """The lower the better, whichever way the metric goes; a metric that is no number comes last."""
        return np.inf if np.isnan(self.value) else -self.value if self.higher_is_better else self.value


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Held-out data with labels, and the metric to judge by.

    Attributes:
        test: Samples and labels.
        metric: Its name, Octavo's or Keras's; None takes what suits the labels.
    """

    test: Labelled
    metric: str | None = None

    @classmethod
    def of(cls, test: Any, metric: str | None, prepared: Prepared, integer_divisor: float | None) -> Judge | None:
        """Who judges by a test set in any form that `octavo.compare` takes; None without one.

        Raises:
            ConfigError: for a metric without a test set, or one without labels.
            DatasetError: for a test set that cannot be read.
        """
        if test is None and metric is None:
            return None
        inputs = tuple(prepared.graph.tensors[name] for name in prepared.graph.inputs)
        held_out = None if test is None else labelled_samples(test, inputs, integer_divisor)
        if held_out is None or held_out.y is None:
            raise ConfigError(
                "a search judges files by labels.",
                got=f"metric {metric!r} and no test set" if held_out is None else "a test set without labels",
                expected="held-out samples with labels",
                fix="pass test=(x_test, y_test), or leave metric and test out: what is lost is measured without labels",
            )
        return cls(held_out, metric)

    @property
    def name(self) -> str:
        """What tells it from others."""
        digest = hashlib.blake2b(digest_size=16)
        labels = self.test.y if isinstance(self.test.y, (Mapping, tuple, list)) else {"": self.test.y}
        for arrays in (self.test.x, labels):
            for array in arrays.values() if isinstance(arrays, Mapping) else arrays:
                digest.update(np.ascontiguousarray(array).data)
        return f"{self.metric} {digest.hexdigest()}"

    def score(self, made: QuantizedModel) -> Score:
        """Run a file on the test set.

        Raises:
            ConfigError: for an unknown metric.
            DatasetError: if samples, labels and outputs do not fit together.
        """
        found = made.evaluate(self.test.x, self.test.y, metric=self.metric, time_it=False)
        first = next(output for output in found.outputs if output.marks is not None)
        assert first.marks is not None
        assert first.value is not None
        return Score(first.metric, first.value, first.text, first.marks.metric.higher_is_better)
