"""Let operators apply the activation that follows them."""

from __future__ import annotations

from dataclasses import replace

from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.ops.fused import FusedActivation
from octavo.ops.table import spec_of
from octavo.passes.affine import fused_activation, with_activation
from octavo.passes.edit import GraphEdit
from octavo.passes.graph_pass import graph_pass


@graph_pass(keeps_values=True, makes_activations=False)
def fuse_activations(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Fuse RELU, RELU6 and RELU_N1_TO_1 into the operator before, if its row says that it fuses.

        CONV -> RELU  =>  CONV {RELU}

    The result keeps the activation's name. Does not apply where the value before the activation is read elsewhere or
    is a graph output, or where the operator already applies an activation.
    """
    edit, notes = GraphEdit(graph), []
    for node in edit.nodes():
        activation = FusedActivation.__members__.get(node.op)
        producer = None if activation is None else edit.producer(node.inputs[0])
        if activation is None or producer is None or not spec_of(producer.op).fuses:
            continue
        value = producer.outputs[0]
        reason = None
        if edit.only_reader(value) is None:
            reason = f"'{value}' is also read elsewhere"
        elif fused_activation(producer) is not FusedActivation.NONE:
            reason = f"'{value}' has passed an activation already"
        if reason is not None:
            notes.append(Note("fuse_activations", node.layer, f"{node.op} stays apart: {reason}."))
            continue
        options = with_activation(producer.options, activation)
        edit.replace((producer, node), (replace(producer, outputs=node.outputs, options=options),))
    return edit.finish(), tuple(notes)
