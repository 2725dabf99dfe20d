"""Drop operators that return what they were given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation
from octavo.passes.affine import fused_activation, match_affine
from octavo.passes.edit import GraphEdit

# Operators that can change nothing but the shape or the border: where the shape stays, all stays.
SHAPE_ONLY = frozenset(
    {
        "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PAD", "PADV2", "MIRROR_PAD", "SLICE",
        "CONCATENATION", "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR",
    }
)  # fmt: skip
RESHAPES = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})


def drop_identities(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Let the readers of an identity read its input, and of two reshapes in a row keep the second.

        RESHAPE, PAD, SLICE, RESIZE_* to the same shape; TRANSPOSE by 0, 1, 2, ...; x * 1, x + 0  =>  x
        RESHAPE -> RESHAPE  =>  RESHAPE

    Does not apply between a graph input, or another graph output, and a graph output: both names must stay.
    """
    edit, notes = GraphEdit(graph), []
    for node in edit.nodes():
        source = _skip_reshape(edit, node)
        if source is not None:
            node = _read(edit, node, source)
        source = _identity_source(edit, node)
        if source is not None and not edit.bypass(node, source):
            text = f"{node.op} stays: it alone stands between '{source}' and graph output '{node.outputs[0]}'."
            notes.append(Note("drop_identities", node.layer, text))
    return edit.finish(), tuple(notes)


def _skip_reshape(edit: GraphEdit, node: Node) -> str | None:
    """What a RESHAPE can read in place of the reshape before it."""
    producer = edit.producer(node.inputs[0]) if node.op == "RESHAPE" else None
    return producer.inputs[0] if producer is not None and producer.op in RESHAPES else None


def _read(edit: GraphEdit, node: Node, source: str) -> Node:
    """The node, reading `source`; the reshape before it goes if nothing else reads it."""
    before = edit.producer(node.inputs[0])
    changed = replace(node, inputs=(source, *node.inputs[1:]))
    dead = before is not None and edit.only_reader(before.outputs[0]) is node
    edit.replace((before, node) if dead and before is not None else (node,), (changed,))
    return changed


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
    if node.op == "TRANSPOSE":
        permutation = edit.constant(node.inputs[1])
        return source if permutation is not None and (permutation == np.arange(permutation.size)).all() else None
    same = edit.tensors[source].shape == edit.tensors[node.outputs[0]].shape
    return source if node.op in SHAPE_ONLY and same else None
