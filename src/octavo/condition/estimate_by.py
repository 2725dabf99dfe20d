"""Another estimator of ranges for the whole network, kept at a level of effort where it helps."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.condition.method import Conditioned
from octavo.condition.samples import Samples
from octavo.ir.notes import Note
from octavo.numerics.estimators import Estimator
from octavo.plan.types import Plan


@dataclass(frozen=True, slots=True)
class EstimateBy:
    """Make all ranges of activations by an estimator, whatever the configuration says.

    Attributes:
        estimator: Such as `octavo.numerics.estimators.LeastSquares()`.
    """

    estimator: Estimator

    @property
    def name(self) -> str:
        """The method's name."""
        return f"estimate_by_{self.estimator.name}"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Say so; no sample is looked at. See `octavo.condition.method.Method.apply`."""
        if not plan.scheme.needs_data:
            return Conditioned(before.graph)
        told = Note(self.name, before.graph.name, f"ranges are made by '{self.estimator.name}'")
        return Conditioned(before.graph, notes=(told,), estimator=self.estimator)
