"""Hide from a softmax by a constant alone what was to be hidden by adding it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from octavo.ir.graph import consumers, drop_dead
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation
from octavo.passes.affine import fused_activation, match_affine
from octavo.passes.bound_masks import only_hides
from octavo.passes.edit import GraphEdit
from octavo.passes.graph_pass import graph_pass

# From here on float32 keeps no fraction of what is added.
HIDES = 2.0**24


@graph_pass(keeps_values=True, makes_activations=False)
def hide_by_constants(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Choose a large constant where a tensor moved by it was chosen.

        SELECT_V2(mask, ADD(x, -1e9), y) -> SOFTMAX  =>  SELECT_V2(mask, -1e9, y) -> SOFTMAX

    The sum would have steps as coarse as the constant is large, and y, which shares them, as well; a constant takes
    none. Does not apply to a smaller constant, beside which x may count, nor where anything but a SOFTMAX reads the
    choice.
    """
    edit, readers, chosen = GraphEdit(graph), consumers(graph), False
    for node in edit.nodes():
        if node.op != "SELECT_V2" or not only_hides(graph, node.outputs[0], readers):
            continue
        moved = {i: _moved_far_down(edit, edit.producer(node.inputs[i])) for i in (1, 2)}
        inputs = [node.inputs[i] if moved.get(i) is None else moved[i] for i in range(3)]
        shapes = [edit.tensors[str(name)].shape for name in inputs]
        if tuple(inputs) != node.inputs and np.broadcast_shapes(*shapes) == edit.tensors[node.outputs[0]].shape:
            edit.replace((node,), (replace(node, inputs=tuple(inputs)),))
            chosen = True
    return drop_dead(edit.finish()) if chosen else graph, ()


def _moved_far_down(edit: GraphEdit, node: Node | None) -> str | None:
    """The constant that moves a tensor too far down to count, None where nothing does."""
    sum_of = None if node is None else match_affine(edit, node)
    if sum_of is None or fused_activation(sum_of.node) is not FusedActivation.NONE:
        return None
    if sum_of.offset.size != 1 or sum_of.offset.item() > -HIDES or not (sum_of.scale == 1).all():
        return None
    name = next(str(each) for each in sum_of.node.inputs if each != sum_of.source)
    return edit.add_constant(f"{name}/hides", sum_of.offset.reshape(1), sum_of.node.layer)
