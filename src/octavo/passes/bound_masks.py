"""Write the infinity that hides values in masks as a number that lies beyond all values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from octavo.ir.graph import consumers
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.operands import stated_limit
from octavo.ops.roles import Data, SameAsInput, SameAsOutput
from octavo.ops.table import spec_of

# Beyond all that networks compute, and sums of several are still float32.
BEYOND = 2.0**100


def bound_masks(graph: Graph) -> Graph:
    """Bound infinite constants that only hide values from a SOFTMAX or a REDUCE_MAX.

        SELECT_V2(mask, x, -inf) -> SOFTMAX  =>  SELECT_V2(mask, x, -2**100) -> SOFTMAX

    Does not apply to an infinity that is multiplied or reaches any other operator: no integer stands for it there, and
    in weights it is a fault. Comes before the check that constants are finite.
    """
    infinite = [name for name, tensor in graph.tensors.items() if _is_infinite(tensor)]
    if not infinite:
        return graph
    readers = consumers(graph)
    bounded = {
        name: replace(tensor, data=np.clip(tensor.values, -BEYOND, BEYOND).astype(np.float32))
        for name, tensor in ((name, graph.tensors[name]) for name in infinite)
        if only_hides(graph, name, readers)
    }
    return replace(graph, tensors={**graph.tensors, **bounded}) if bounded else graph


def _is_infinite(tensor: Tensor) -> bool:
    data = tensor.data
    return data is not None and data.dtype == np.float32 and bool(np.isinf(data).any() and not np.isnan(data).any())


def only_hides(graph: Graph, name: str, readers: Mapping[str, tuple[Node, ...]]) -> bool:
    """Whether all that reads a tensor neglects what lies far below, or moves or adds it for such."""
    return name not in graph.outputs and all(
        stated_limit([node], name, lambda role: role.hides_below) is not None
        or (_passes_on(node, name) and only_hides(graph, node.outputs[0], readers))
        for node in readers.get(name, ())
    )


def _passes_on(node: Node, name: str) -> bool:
    """Whether a node moves or adds what it reads under a name."""
    spec = spec_of(node.op)
    if not all(isinstance(spec.role(i), Data) for i, read in enumerate(node.inputs) if read == name):
        return False
    function = None if spec.affine is None else spec.affine(np.ones(()), False)
    adds = function is not None and bool(function[1])
    return adds or isinstance(spec.rule(), SameAsInput | SameAsOutput)
