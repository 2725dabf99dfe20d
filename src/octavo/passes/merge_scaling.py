"""Merge multiplications and additions by constants that follow one another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from octavo.ir.graph import fresh_name
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation
from octavo.ops.table import spec_of
from octavo.passes.affine import Affine, fused_activation, match_affine, with_activation
from octavo.passes.edit import GraphEdit
from octavo.passes.graph_pass import graph_pass


@graph_pass(keeps_values=True)
def merge_scaling(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Make of a chain of constant multiplications and additions one of each, at most.

        MUL, ADD, SUB, DIV by constants, three or more, or two of a kind  =>  [MUL] -> [ADD]
        (x * s1 + o1) * s2 + o2 = x * (s1 * s2) + (o1 * s2 + o2)

    A chain that changes nothing goes, where the names of inputs and outputs allow it. Does not apply where a value
    inside the chain is read elsewhere, is a graph output or passes an activation.
    """
    edit = GraphEdit(graph)
    for node in edit.nodes(backwards=True):
        chain = tuple(_chain(edit, node))
        if len(chain) > 1:
            _merge(edit, chain)
    return edit.finish(), ()


def _chain(edit: GraphEdit, last: Node) -> Iterator[Affine]:
    """The affine nodes that end in `last`, backwards."""
    affine = match_affine(edit, last)
    while affine is not None:
        yield affine
        before = edit.producer(affine.source)
        if (
            before is None
            or edit.only_reader(affine.source) is None
            or fused_activation(before) is not FusedActivation.NONE
        ):
            return
        affine = match_affine(edit, before)


def _merge(edit: GraphEdit, chain: tuple[Affine, ...]) -> None:
    """Replace a chain, given backwards, if that takes fewer nodes."""
    scale, offset = np.ones(()), np.zeros(())
    for affine in reversed(chain):
        scale, offset = np.multiply(scale, affine.scale), np.add(offset * affine.scale, affine.offset)
    steps = [("ADD", offset)] if (scale == 1).all() else [("MUL", scale), ("ADD", offset)]
    steps = steps[:-1] if len(steps) == 2 and not offset.any() else steps
    if len(steps) >= len(chain):
        return
    source, last = chain[-1].source, chain[0].node
    nodes: list[Node] = []
    for i, (op, values) in enumerate(steps):
        constant = edit.add_constant(f"{last.outputs[0]}/{op.lower()}", values, last.layer)
        is_last = i == len(steps) - 1
        result = last.outputs[0] if is_last else _inner(edit, last)
        options = with_activation(spec_of(op).options(), fused_activation(last) if is_last else FusedActivation.NONE)
        nodes.append(Node(op, (source, constant), (result,), options, last.layer))
        source = result
    edit.replace(tuple(affine.node for affine in chain), tuple(nodes))
    if steps == [("ADD", offset)] and not offset.any() and fused_activation(last) is FusedActivation.NONE:
        edit.bypass(nodes[0], chain[-1].source)


def _inner(edit: GraphEdit, last: Node) -> str:
    """A new tensor for the value between the multiplication and the addition."""
    name = fresh_name(edit.tensors, f"{last.outputs[0]}/scaled")
    edit.tensors[name] = replace(edit.tensors[last.outputs[0]], name=name)
    return name
