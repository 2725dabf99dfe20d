"""What a file takes of a board, in every way there is to run it there."""

from __future__ import annotations

from dataclasses import replace

from octavo.board.boards import Board
from octavo.footprint.generated import generated
from octavo.footprint.live import live_bytes
from octavo.footprint.mends import mends
from octavo.footprint.micro import in_micro
from octavo.footprint.parts import Footprint, OperatorCost
from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node
from octavo.ops.table import spec_of


def footprint(model: bytes, graph: Graph, board: Board, name: str = "", *, build: bool = False) -> Footprint:
    """A file on a board.

    Args:
        model: Its content.
        graph: Read from it.
        board: The board.
        name: How to call it; the graph's own name if not given.
        build: As for `generated`.
    """
    in_c = generated(graph, board, build=build)
    ways = (in_c.way, in_micro(model, graph, board))
    live = live_bytes(graph)
    costs = tuple(_operator(graph, node, live[i]) for i, node in enumerate(graph.nodes))
    found = Footprint(name or graph.name, board, len(model), costs, in_c.plan, ways)
    return found if found.fits else replace(found, mends=mends(found, graph))


def _operator(graph: Graph, node: Node, live_bytes: int) -> OperatorCost:
    inputs, outputs = operands(graph, node), results(graph, node)
    constants = (tensor for tensor in inputs.items if tensor is not None and tensor.is_constant)
    return OperatorCost(
        node.op,
        node.layer or node.outputs[0],
        spec_of(node.op).products(node.options, inputs, outputs),
        sum(tensor.bytes for tensor in constants),
        live_bytes,
    )
