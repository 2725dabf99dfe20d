"""Fold multiplications and additions by constants, which is what batch normalization becomes, into the layer before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation
from octavo.passes.affine import Affine, fused_activation, match_affine, per_channel, with_activation
from octavo.passes.edit import GraphEdit
from octavo.passes.graph_pass import graph_pass
from octavo.passes.linear import Linear, match_linear, rescaled


@graph_pass(keeps_values=True, makes_activations=False)
def fold_batch_norm(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Fold `x * scale` and `x + offset` into the convolution or dense layer that makes x.

        CONV -> MUL  =>  CONV      weight[c] * scale[c], bias[c] * scale[c]
        CONV -> ADD  =>  CONV      weight[c],            bias[c] + offset[c]

    Any operator whose row names a weight and a bias will do. The result keeps the name of the last tensor. Does not
    apply where x is read elsewhere or is a graph output, where the layer applies an activation, or where the constant
    is not one number for each output channel.
    """
    edit, notes = GraphEdit(graph), []
    for node in edit.nodes():
        affine = match_affine(edit, node)
        linear = None if affine is None else match_linear(edit, edit.producer(affine.source))
        if affine is None or linear is None:
            continue
        reason = _refusal(edit, affine, linear)
        if reason is not None:
            notes.append(Note("fold_batch_norm", node.layer, f"{node.op} stays apart: {reason}."))
            continue
        edit.replace((linear.node, node), (_folded(edit, affine, linear),))
    return edit.finish(), tuple(notes)


def _refusal(edit: GraphEdit, affine: Affine, linear: Linear) -> str | None:
    if edit.only_reader(affine.source) is None:
        return f"'{affine.source}' is also read elsewhere"
    if fused_activation(linear.node) is not FusedActivation.NONE:
        return f"an activation comes between it and layer '{linear.node.layer}'"
    if any(per_channel(values, linear.channels) is None for values in (affine.scale, affine.offset)):
        return "its constant is not one number for each channel"
    return None


def _folded(edit: GraphEdit, affine: Affine, linear: Linear) -> Node:
    scale, offset = (per_channel(values, linear.channels) for values in (affine.scale, affine.offset))
    assert scale is not None
    assert offset is not None
    along = [1] * linear.weight.ndim
    along[linear.axis] = -1
    node = rescaled(edit, linear, np.reshape(scale, along), linear.bias * scale + offset)
    options = with_activation(node.options, fused_activation(affine.node))
    return replace(node, outputs=affine.node.outputs, options=options)
