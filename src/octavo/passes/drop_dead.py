"""Drop operators whose results reach no output."""

from __future__ import annotations

from octavo.ir import graph as edits
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.passes.graph_pass import graph_pass


@graph_pass(keeps_values=True, makes_activations=False)
def drop_dead(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Drop nodes that no graph output depends on, and tensors that nothing reads or makes.

    OP -> (nothing)  =>  (nothing)
    """
    return edits.drop_unused(edits.drop_dead(graph)), ()
