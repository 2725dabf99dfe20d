"""Drop operators that return what they were given."""

from __future__ import annotations

from dataclasses import replace

from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation
from octavo.ops.table import spec_of
from octavo.passes.affine import fused_activation, match_affine
from octavo.passes.edit import GraphEdit
from octavo.passes.graph_pass import graph_pass


@graph_pass(keeps_values=True, makes_activations=False)
def drop_identities(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Let the readers of an identity read its input, and of two reshapes in a row keep the second.

        RESHAPE, PAD, SLICE, RESIZE_* to the same shape; TRANSPOSE by 0, 1, 2, ...; x * 1, x + 0  =>  x
        RESHAPE -> RESHAPE  =>  RESHAPE

    Does not apply between a graph input, or another graph output, and a graph output: both names must stay.
    """
    edit, notes = GraphEdit(graph), []
    for node in edit.nodes():
        if node.op == "RESHAPE":
            node = _skip_reshapes(edit, node)
        source = _identity_source(edit, node)
        if source is not None and not edit.bypass(node, source):
            text = f"{node.op} stays: it alone stands between '{source}' and graph output '{node.outputs[0]}'."
            notes.append(Note("drop_identities", node.layer, text))
    return edit.finish(), tuple(notes)


def _skip_reshapes(edit: GraphEdit, node: Node) -> Node:
    """The RESHAPE, reading what the reshapes before it read; those go that nothing else reads."""
    while (before := edit.producer(node.inputs[0])) is not None and spec_of(before.op).reshapes:
        old = (node,) if edit.only_reader(before.outputs[0]) is None else (before, node)
        node = replace(node, inputs=(before.inputs[0], *node.inputs[1:]))
        edit.replace(old, (node,))
    return node


def _identity_source(edit: GraphEdit, node: Node) -> str | None:
    """The tensor a node's result equals, or None."""
    if fused_activation(node) is not FusedActivation.NONE or len(node.outputs) != 1:
        return None
    affine = match_affine(edit, node)
    if affine is not None:
        return affine.source if (affine.scale == 1).all() and not affine.offset.any() else None
    source = node.inputs[0]
    if source is None or edit.tensors[source].is_constant:
        return None
    return (
        source if spec_of(node.op).identity(node.options, edit.operands(node), edit.tensors[node.outputs[0]]) else None
    )
