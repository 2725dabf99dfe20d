"""All passes in their order, each checked."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.errors import GraphError
from octavo.ir.check import check_float, check_structure
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.ops.check import check_shapes
from octavo.passes.choose_one_hot import choose_one_hot
from octavo.passes.drop_dead import drop_dead
from octavo.passes.drop_empty import drop_empty
from octavo.passes.drop_identities import drop_identities
from octavo.passes.fold_batch_norm import fold_batch_norm
from octavo.passes.fold_constants import fold_constants
from octavo.passes.fold_input_scaling import fold_input_scaling
from octavo.passes.fold_padding import fold_padding
from octavo.passes.fuse_activations import fuse_activations
from octavo.passes.graph_pass import Pass, Rewrite, declared
from octavo.passes.hide_by_constants import hide_by_constants
from octavo.passes.merge_scaling import merge_scaling
from octavo.passes.move_scaling import move_scaling
from octavo.passes.multiply_by_roots import multiply_by_roots

PASSES: tuple[Pass, ...] = tuple(
    declared(each)
    for each in (
        # First: a reader whose result nobody needs would keep values apart that could be folded.
        drop_dead,
        # Before fold_constants, for which it makes some.
        drop_empty,
        # Before all that look for constants, which may still be hidden behind operators.
        fold_constants,
        # Before all that match neighbours: nothing idle may stand between them.
        drop_identities,
        # After fold_constants: what is chosen between must be constants.
        choose_one_hot,
        # Before merge_scaling, which may move the constant into a neighbour.
        hide_by_constants,
        # Before folding: a chain of additions and multiplications then folds or stays as a whole.
        merge_scaling,
        # After merge_scaling: a chain moves as few nodes. Before fold_batch_norm, which looks for the layer in front.
        move_scaling,
        # Before fuse_activations: a layer that applies an activation cannot take in what comes after it.
        fold_batch_norm,
        # Before fold_input_scaling: a PAD would stand between the multiplication and the layer.
        fold_padding,
        # After fold_batch_norm: between two layers, the one before takes the constants whatever the one after pads.
        fold_input_scaling,
        # Before fuse_activations: MUL takes in what DIV does.
        multiply_by_roots,
        fuse_activations,
    )
)


def run_passes(graph: Graph, passes: Sequence[Pass | Rewrite] = PASSES) -> tuple[Graph, tuple[Note, ...]]:
    """Run passes once, in order.

    Returns:
        The graph, the same object if no pass applied, and the notes of all passes.

    Raises:
        GraphError: if a pass broke the graph, naming the pass.
    """
    notes: list[Note] = []
    for run in passes:
        graph, remarks = apply_pass(run, graph)
        notes += remarks
    return graph, tuple(notes)


def apply_pass(run: Pass | Rewrite, graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Run one pass and check what it made of the graph.

    Raises:
        GraphError: if the graph no longer holds together, naming the pass.
    """
    changed, notes = run(graph)
    if changed is graph:
        return graph, notes
    try:
        check_structure(changed)
        check_shapes(changed)
        check_float(changed)
    except GraphError as error:
        raise GraphError(
            f"pass {declared(run).name} broke the graph: {error.what}",
            got=error.got,
            expected=error.expected,
            fix="report this with the model; it is a fault of the pass",
        ) from error
    return changed, notes
