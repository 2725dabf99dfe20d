"""Which tensors of a graph hold no negative value, whatever enters it."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.dtypes import DType
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
    for node in graph.nodes:
        spec = spec_of(node.op)
        signs = [name in found for name in operand_names(node)]
        same = len({name for _, name in data_inputs(graph, node)}) == 1 < len(data_inputs(graph, node))
        shares = isinstance(spec.rule(), SameAsInput | SameAsOutput) and as_operands(signs, same)
        if spec.bounds[0] >= 0 or shares or spec.positive(signs, same):
            found |= {*real_outputs(graph, node)}
    return frozenset(found)


def operand_names(node: Node) -> Iterator[str]:
    """The inputs that are no parameters."""
    spec = spec_of(node.op)
    return (name for i, name in enumerate(node.inputs) if name and not isinstance(spec.role(i), Parameter))
