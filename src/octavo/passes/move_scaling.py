"""Move multiplications and additions by constants in front of a reshape, to the layer that they fold into."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from octavo.ir.graph import fresh_name
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation
from octavo.passes.affine import Affine, fused_activation, match_affine, per_channel
from octavo.passes.edit import GraphEdit
from octavo.passes.graph_pass import graph_pass
from octavo.passes.linear import match_linear


@graph_pass(keeps_values=True)
def move_scaling(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Let what scales channels, which is what batch normalization becomes, pass a RESHAPE that keeps the last axis.

        CONV -> RESHAPE -> MUL  =>  CONV -> MUL -> RESHAPE      and likewise for ADD, SUB, DIV by constants
        reshape(x) * scale = reshape(x * scale), scale one number for each channel

    Convolutions of sequences are convolutions of images between two reshapes, so that only then `fold_batch_norm` finds
    one. Does not apply where the last axis changes, where the constant is not one number for each channel, where what
    the reshape reads or makes is read elsewhere or is a graph output, or where no layer stands in front that could take
    the constants in.
    """
    edit = GraphEdit(graph)
    for node in edit.nodes():
        affine = match_affine(edit, node)
        reshape = None if affine is None else edit.producer(affine.source)
        if affine is not None and reshape is not None and _may_pass(edit, affine, reshape):
            _pass(edit, affine, reshape)
    return edit.finish(), ()


def _may_pass(edit: GraphEdit, affine: Affine, reshape: Node) -> bool:
    if reshape.op != "RESHAPE" or edit.only_reader(affine.source) is None:
        return False
    channels = edit.tensors[affine.source].shape[-1:]
    before = reshape.inputs[0]
    if not channels or before is None or edit.tensors[before].shape[-1:] != channels:
        return False
    return _folds(edit, before) and all(
        per_channel(values, channels[0]) is not None for values in (affine.scale, affine.offset)
    )


def _folds(edit: GraphEdit, name: str) -> bool:
    """Whether a tensor is the result of a layer that takes constants in, perhaps scaled already, and read once."""
    while edit.only_reader(name) is not None:
        node = edit.producer(name)
        if node is None or fused_activation(node) is not FusedActivation.NONE:
            return False
        if match_linear(edit, node) is not None:
            return True
        affine = match_affine(edit, node)
        if affine is None:
            return False
        name = affine.source
    return False


def _pass(edit: GraphEdit, affine: Affine, reshape: Node) -> None:
    node, before = affine.node, str(reshape.inputs[0])
    result = node.outputs[0]
    scaled = fresh_name(edit.tensors, f"{result}/before_{reshape.outputs[0].rpartition('/')[-1]}")
    edit.tensors[scaled] = replace(edit.tensors[before], name=scaled, layer=edit.tensors[result].layer)
    inputs = tuple(before if name == affine.source else _flat(edit, str(name)) for name in node.inputs)
    moved = replace(node, inputs=inputs, outputs=(scaled,))
    edit.replace((reshape, node), (moved, replace(reshape, inputs=(scaled, *reshape.inputs[1:]), outputs=(result,))))


def _flat(edit: GraphEdit, name: str) -> str:
    """A constant without dimensions beyond its channels, which may not be there in front of the reshape."""
    values = edit.tensors[name].values
    return name if values.ndim < 2 else edit.change_constant(name, np.reshape(values, -1))
