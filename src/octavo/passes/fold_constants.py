"""Compute what depends on constants alone."""

from __future__ import annotations

from dataclasses import replace

from octavo.dtypes import DType
from octavo.errors import InputError
from octavo.ir.inputs import Inputs
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.stored import StoredOperator
from octavo.ops.table import spec_of
from octavo.passes.edit import GraphEdit
from octavo.passes.graph_pass import graph_pass


@graph_pass(keeps_values=True, makes_activations=False)
def fold_constants(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Run nodes whose inputs are all constant.

        OP(constant, ...)  =>  constant

    The values are those of the float reference. Does not apply to a node that makes a graph output, since runtimes want
    outputs that an operator makes, nor to one that touches quantized tensors or has no row: a random one.
    """
    edit, notes = GraphEdit(graph), []
    for node in edit.nodes():
        if not _is_constant(edit, node):
            continue
        if any(edit.is_output(name) for name in node.outputs):
            notes.append(Note("fold_constants", node.layer, f"{node.op} stays: its constant result is a graph output."))
            continue
        try:
            values = spec_of(node.op).run_float(node.options, Inputs(map(edit.constant, node.inputs)))
        except (IndexError, ValueError) as error:
            raise InputError(
                f"{node.op} of layer '{node.layer}' has no result on its constants.",
                got=str(error),
                expected="constants that fit each other, such as indices below the number of rows",
                fix="give samples, or an input_shape, no longer than the model has places for; or build it for more",
            ) from error
        edit.replace((node,), ())
        for name, array in zip(node.outputs, values, strict=True):
            edit.tensors[name] = replace(edit.tensors[name], dtype=DType.of(array), data=array)
    return edit.finish(), tuple(notes)


def _is_constant(edit: GraphEdit, node: Node) -> bool:
    names = [name for name in node.inputs if name is not None]
    touched = [edit.tensors[name] for name in (*names, *node.outputs)]
    return (
        bool(names)
        and not isinstance(node.options, StoredOperator)
        and all(edit.constant(name) is not None for name in names)
        and all(tensor.quantization is None for tensor in touched)
    )
