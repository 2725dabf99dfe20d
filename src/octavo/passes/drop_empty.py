"""Drop what holds nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.stored import StoredOperator
from octavo.ops.table import spec_of
from octavo.passes.edit import GraphEdit
from octavo.passes.graph_pass import graph_pass


@graph_pass(keeps_values=True, makes_activations=False)
def drop_empty(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Make constants of results without elements, and leave such out of what is joined.

        CONCATENATION(STRIDED_SLICE(x) of shape (1, 0), y)  =>  CONCATENATION(y)

    Runtimes do not agree on tensors that hold nothing. Does not apply to outputs of the graph, nor to an operator
    without a row.
    """
    edit = GraphEdit(graph)
    for node in edit.nodes():
        if _makes_nothing(edit, node):
            edit.replace((node,), ())
            for tensor in (edit.tensors[name] for name in node.outputs):
                edit.tensors[tensor.name] = replace(tensor, data=np.zeros(tensor.shape, tensor.dtype.numpy))
        elif spec_of(node.op).variadic and not isinstance(node.options, StoredOperator):
            full = tuple(name for name in node.inputs if name is None or edit.tensors[name].size)
            if full and full != node.inputs:
                edit.replace((node,), (replace(node, inputs=full),))
    return edit.finish(), ()


def _makes_nothing(edit: GraphEdit, node: Node) -> bool:
    return not isinstance(node.options, StoredOperator) and not any(
        edit.tensors[name].size or edit.is_output(name) for name in node.outputs
    )
