"""What a loader hands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from octavo.ir.notes import Note
from octavo.ir.types import Graph


@dataclass(frozen=True, slots=True)
class Loaded:
    """A float graph and how it came about.

    Attributes:
        graph: The float graph, batch dimension 1.
        notes: Repairs made and other remarks.
        names: Graph tensor name by `id` of the Keras tensor it stands for; empty for other sources.
    """

    graph: Graph
    notes: tuple[Note, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
