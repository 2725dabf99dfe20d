"""Which tensors of a graph hold no negative value, whatever enters it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from octavo.dtypes import DType
from octavo.ir.graph import producers
from octavo.ir.types import Graph, Node
from octavo.ops.operands import data_inputs, real_outputs
from octavo.ops.roles import Parameter, SameAsInput, SameAsOutput
from octavo.ops.signs import as_operands
from octavo.ops.table import spec_of


def positive_tensors(graph: Graph) -> frozenset[str]:
    """Tensors that hold no negative value, by how they are made; truth values count as 0 and 1."""
    found = {
        name
        for name, tensor in graph.tensors.items()
        if tensor.dtype is DType.BOOL or (tensor.data is not None and (tensor.data >= 0).all())
    }
    makers = producers(graph)
    for node in graph.nodes:
        spec = spec_of(node.op)
        signs = [name in found for name in operand_names(node)]
        same = len({name for _, name in data_inputs(graph, node)}) == 1 < len(data_inputs(graph, node))
        shares = isinstance(spec.rule(), SameAsInput | SameAsOutput) and as_operands(signs, same)
        if spec.bounds[0] >= 0 or shares or spec.positive(signs, same) or _is_raised(graph, node, makers):
            found |= {*real_outputs(graph, node)}
    return frozenset(found)


def _is_raised(graph: Graph, node: Node, makers: Mapping[str, Node]) -> bool:
    """Whether a sum is of what lies no further below 0 than a constant, or another operand, lies above."""
    return node.op == "ADD" and sum(_lowest(graph, name, makers) for name in operand_names(node)) >= 0


def _lowest(graph: Graph, name: str, makers: Mapping[str, Node]) -> float:
    """What no value of a tensor is below."""
    data = graph.tensors[name].data
    if data is not None:
        return float(data.min()) if data.size else 0.0
    return spec_of(makers[name].op).bounds[0] if name in makers else -math.inf


def operand_names(node: Node) -> Iterator[str]:
    """The inputs that are no parameters."""
    spec = spec_of(node.op)
    return (name for i, name in enumerate(node.inputs) if name and not isinstance(spec.role(i), Parameter))
