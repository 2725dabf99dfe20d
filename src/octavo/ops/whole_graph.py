"""What running a graph takes."""

from __future__ import annotations

from octavo.ir.graph import operands, results
from octavo.ir.types import Graph
from octavo.ops.table import spec_of


def products_of(graph: Graph) -> int:
    """Multiply-accumulates of one sample."""
    return sum(
        spec_of(node.op).products(node.options, operands(graph, node), results(graph, node)) for node in graph.nodes
    )
