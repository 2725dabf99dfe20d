"""Multiply by reciprocal roots instead of dividing by what is not negative."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from octavo.ir.graph import drop_dead, fresh_name, producers, with_nodes
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.elementwise_kernels import MulOptions
from octavo.ops.positive import positive_tensors
from octavo.passes.affine import fused_activation
from octavo.passes.graph_pass import graph_pass


@graph_pass(keeps_values=True)
def multiply_by_roots(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Divide by what is never negative in operators that have integer kernels.

        x -> DIV by SQRT(y)      =>  MUL by RSQRT(y)
        x -> DIV by y, y >= 0    =>  MUL by RSQRT(y), twice
        x / y = x * y**-1/2 * y**-1/2

    A reciprocal root spans half the octaves that a reciprocal does, and where those are too many for int8, they are
    planned as those of a normalization are. Does not apply where signs of operands do not tell that no divisor is
    negative, nor to constants: a constant divided by a tensor is a function of one number, which is looked up.
    """
    if not any(_divides(graph, node) for node in graph.nodes):
        return graph, ()
    makers, positive = producers(graph), positive_tensors(graph)
    tensors: dict[str, Tensor] = dict(graph.tensors)
    nodes: list[Node] = []
    for node in graph.nodes:
        divisor = str(node.inputs[-1]) if _divides(graph, node) else ""
        maker = makers.get(divisor)
        if maker is not None and maker.op == "SQRT":
            nodes += _products(node, str(maker.inputs[0]), 1, tensors)
        elif divisor in positive or (
            maker is not None and maker.op == "MAXIMUM" and positive.intersection(maker.inputs)
        ):
            nodes += _products(node, divisor, 2, tensors)
        else:
            nodes.append(node)
    changed = len(nodes) > len(graph.nodes)
    return (drop_dead(with_nodes(graph, nodes, tensors.values())) if changed else graph), ()


def _divides(graph: Graph, node: Node) -> bool:
    """Whether a node divides a tensor by another."""
    return node.op == "DIV" and not any(graph.tensors[str(name)].is_constant for name in node.inputs)


def _products(node: Node, source: str, times: int, tensors: dict[str, Tensor]) -> Iterator[Node]:
    """The product with the reciprocal root of `source`, so many times; new tensors are added to `tensors`."""

    def made(shape_of: str, suffix: str) -> str:
        name = fresh_name(tensors, f"{node.outputs[0]}/{suffix}")
        tensors[name] = replace(tensors[shape_of], name=name, layer=node.layer)
        return name

    root = made(source, "root")
    yield Node("RSQRT", (source,), (root,), layer=node.layer)
    x = str(node.inputs[0])
    for _ in range(times - 1):
        product = made(node.outputs[0], "scaled")
        yield Node("MUL", (x, root), (product,), MulOptions(), node.layer)
        x = product
    yield Node("MUL", (x, root), node.outputs, MulOptions(fused_activation(node)), node.layer)
