"""What a conditioning method is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from octavo.condition.samples import Samples
from octavo.ir.graph import with_tensors
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.numerics.estimators import Estimator
from octavo.plan.types import Plan


@dataclass(frozen=True, slots=True)
class Conditioned:
    """A planned float graph whose constants were changed on purpose.

    Attributes:
        graph: The graph, with the structure and the names that the plan was made of: what a file should compute.
        limits: Magnitude that each weight's largest integer stands for, by weight tensor, where it is not the largest
            magnitude found; float32, shape (1,) per tensor or (channels,) per axis.
        deployed: Constants that take the place of the graph's at last, by name: weights whose rounding was chosen, on
            the grid of their limits, and biases that make up for rounding. Later methods compare with the graph.
        notes: What it brought.
        estimator: What ranges of activations are made by instead of what the configuration says; None for that.
    """

    graph: Graph
    limits: Mapping[str, np.ndarray] = field(default_factory=dict)
    deployed: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    estimator: Estimator | None = None


def settled(state: Conditioned) -> Conditioned:
    """With the constants to be deployed in the graph; the same object if there are none."""
    if not state.deployed:
        return state
    changed = (replace(state.graph.tensors[name], data=values) for name, values in state.deployed.items())
    return replace(state, graph=with_tensors(state.graph, changed), deployed={})


class Method(Protocol):
    """One way to change the constants of a planned graph, so that less is lost when they are rounded."""

    @property
    def name(self) -> str:
        """For notes, the file's metadata and errors."""
        ...

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Change constants and limits, or how ranges are made, never structure or names.

        Args:
            before: What the methods before this one made.
            plan: Of the scheme at hand; of its graph, whose structure is that of `before.graph`.
            samples: Representative data, which can be read as often as needed.

        Returns:
            The changed graph, the limits and deployed constants that are new, and this method's own notes.
        """
        ...
