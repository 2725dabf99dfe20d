"""What a loader hands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from octavo.ir.expected import Expected
from octavo.ir.notes import Note
from octavo.ir.types import Graph

Compute = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""From a sample by input name, batch 1, to a model's own outputs by a file's names for them."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A float graph and how it came about.

    Attributes:
        graph: The float graph, batch dimension 1.
        notes: Repairs made and other remarks.
        names: Graph tensor name by `id` of the Keras tensor it stands for; empty for other sources.
        compute: Runs the model that was read, where that is possible.
        expected: What its layers say of the values they were trained on.
        applied: Operator that its loss applies to each output, as a softmax to logits, "" for none; or nothing at all.
        takes_integers: Whether all its inputs are integers, so that a float input of the graph is given integers, too.
    """

    graph: Graph
    notes: tuple[Note, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
    compute: Compute | None = None
    expected: tuple[Expected, ...] = ()
    applied: tuple[str, ...] = ()
    takes_integers: bool = False
