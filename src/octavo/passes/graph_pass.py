"""A pass and what it declares of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from octavo.ir.notes import Note
from octavo.ir.types import Graph

Rewrite = Callable[[Graph], tuple[Graph, tuple[Note, ...]]]


@dataclass(frozen=True, slots=True)
class Pass:
    """A rewrite of float graphs; what it does not declare is not counted on.

    Attributes:
        rewrite: From a graph to a graph, the same object if the pass does not apply, and notes.
        keeps_values: Whether every tensor whose name is in both graphs has the same values in both, up to the rounding
            of float32. What is trained can be deployed only through such passes.
        makes_activations: Whether the result may have activations that the graph before did not have.
    """

    rewrite: Rewrite
    keeps_values: bool = False
    makes_activations: bool = True

    @property
    def name(self) -> str:
        """The name of the rewrite."""
        return self.rewrite.__name__

    def __call__(self, graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
        """Rewrite a graph."""
        return self.rewrite(graph)


def graph_pass(*, keeps_values: bool = False, makes_activations: bool = True) -> Callable[[Rewrite], Pass]:
    """Decorate a rewrite with what it declares; see `Pass`."""
    return lambda rewrite: Pass(rewrite, keeps_values, makes_activations)


def declared(rewrite: Pass | Rewrite) -> Pass:
    """A pass as it is; a bare rewrite as one that declares nothing."""
    return rewrite if isinstance(rewrite, Pass) else Pass(rewrite)
