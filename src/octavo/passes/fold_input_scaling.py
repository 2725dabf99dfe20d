"""Fold multiplications and additions by constants, as of a normalized input, into the layer after."""

from __future__ import annotations

import numpy as np

from octavo.ir.graph import rename_inputs
from octavo.ir.inputs import Inputs
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation
from octavo.passes.affine import Affine, fused_activation, match_affine, per_channel, with_activation
from octavo.passes.edit import GraphEdit
from octavo.passes.graph_pass import graph_pass
from octavo.passes.linear import Linear, match_linear, rescaled


@graph_pass(keeps_values=True, makes_activations=False)
def fold_input_scaling(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Fold `x * scale` and `x + offset` into the convolution or dense layer that reads the result.

        MUL -> CONV  =>  CONV      weight[..., i] * scale[i]
        ADD -> CONV  =>  CONV      bias + CONV(offset)

    Does not apply where anything else reads the result, where the scale is not one number for each input channel, or
    where the layer pads: a padded cell holds 0 and not the offset, so CONV(offset) is another number at the border.
    That is tried out by running the layer on the offset alone.
    """
    edit, notes = GraphEdit(graph), []
    for node in edit.nodes(backwards=True):
        affine = match_affine(edit, node)
        readers = [] if affine is None else [match_linear(edit, reader) for reader in edit.readers(node.outputs[0])]
        linear = next((reader for reader in readers if reader is not None), None)
        if affine is None or linear is None:
            continue
        folded = _fold(edit, affine, linear)
        if isinstance(folded, str):
            notes.append(Note("fold_input_scaling", node.layer, f"{node.op} stays apart: {folded}."))
        else:
            edit.replace((node, linear.node), (folded,))
    return edit.finish(), tuple(notes)


def _fold(edit: GraphEdit, affine: Affine, linear: Linear) -> Node | str:
    """The layer with the constants in it, or why that cannot be."""
    result = affine.node.outputs[0]
    if edit.only_reader(result) is None:
        return f"'{result}' is also read elsewhere"
    if fused_activation(affine.node) is not FusedActivation.NONE:
        return f"an activation comes between it and layer '{linear.node.layer}'"
    scale = _input_scale(edit, affine, linear)
    if scale is None:
        return "its constant is not one number for each input channel"
    response = _response(edit, affine, linear)
    if response is None:
        return f"layer '{linear.node.layer}' pads its input with zeros, which the addition must not reach"
    node = rescaled(edit, linear, scale, linear.bias + response)
    return rename_inputs((node,), {result: affine.source})[0]


def _input_scale(edit: GraphEdit, affine: Affine, linear: Linear) -> np.ndarray | None:
    """The scale along the last dimension of the weights, or None if it does not fit there."""
    if affine.scale.size == 1:
        return affine.scale.reshape(())
    channels, inner = edit.tensors[affine.source].shape[-1], linear.weight.shape[-1]
    scale = per_channel(affine.scale, channels)
    if scale is None or channels == inner:
        return scale
    depthwise = linear.axis == linear.weight.ndim - 1
    return np.repeat(scale, inner // channels) if depthwise else None


def _response(edit: GraphEdit, affine: Affine, linear: Linear) -> np.ndarray | None:
    """What the layer makes of the offset alone, shape (channels,); None if that differs from place to place."""
    if not affine.offset.any():
        return np.zeros(linear.channels)
    arrays = [edit.constant(name) for name in linear.node.inputs]
    arrays += [None] * (linear.bias_input + 1 - len(arrays))
    arrays[linear.data_input] = np.broadcast_to(affine.offset, edit.tensors[affine.source].shape)
    arrays[linear.weight_input] = linear.weight.astype(np.float64)
    arrays[linear.bias_input] = np.zeros(linear.channels)
    options = with_activation(linear.node.options, FusedActivation.NONE)
    places = linear.spec.run_float(options, Inputs(arrays))[0].reshape(-1, linear.channels)
    terms = linear.weight.size // linear.channels
    rounding = terms * np.finfo(np.float32).eps * np.abs(linear.weight).max() * np.abs(affine.offset).max()
    return places[0] if np.ptp(places, axis=0).max() <= rounding else None
