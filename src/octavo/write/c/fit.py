"""The layout of a model under a budget of RAM: as a whole where that fits, else a part of it row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from octavo.errors import ConfigError
from octavo.ir.types import Graph
from octavo.write.c.call import Call
from octavo.write.c.layout import Layout, lay_out, least_arena
from octavo.write.c.row_order import RowOrder, can_run_by_rows, row_order


def fitted(
    graph: Graph,
    calls: Sequence[Call],
    inputs: Sequence[str],
    outputs: Sequence[str],
    ram_bytes: int | None,
    stream: bool,
) -> tuple[Layout, RowOrder | None]:
    """The layout that fits and costs the least, and what it runs row by row.

    Of the parts that make the model fit it is the one whose sliding buffers move the fewest bytes: all else that rows
    cost, their calls and what kernels prepare for each, grows with them.

    Args:
        graph: The model.
        calls: Its operators in C.
        inputs, outputs: C expressions of the caller's buffers.
        ram_bytes: For arena, inputs and outputs, None for any.
        stream: Whether the input must be read row by row.

    Raises:
        ConfigError: if nothing fits, or the input cannot be streamed.
    """
    parts = list(_orders(graph, calls, stream)) if ram_bytes is not None or stream else []
    if stream and not parts:
        raise _cannot_stream(graph)
    parts.sort(key=lambda part: (part.copied_bytes, part.last - part.first))
    orders: list[RowOrder | None] = [*([] if stream else [None]), *parts]
    for order in orders:
        if ram_bytes is None or least_arena(graph, calls, order) + _outside(graph, order) <= ram_bytes:
            layout = lay_out(graph, calls, inputs, outputs, order)
            if ram_bytes is None or layout.plan.arena_bytes + _outside(graph, order) <= ram_bytes:
                return layout, order
    least = min(orders, key=lambda order: least_arena(graph, calls, order) + _outside(graph, order))
    needed = lay_out(graph, calls, inputs, outputs, least).plan.arena_bytes + _outside(graph, least)
    raise ConfigError(
        f"'{graph.name}' does not fit {ram_bytes} bytes of RAM.",
        got=f"{ram_bytes} bytes for arena, input and output",
        expected=f"at least {needed}, with as much of it row by row as there are kernels for",
        fix=f"allow {needed} bytes{'' if stream else ', or stream the input'}, or make its images smaller",
    )


def _outside(graph: Graph, order: RowOrder | None) -> int:
    """Bytes of the caller's buffers."""
    streamed = None if order is None else order.streamed
    return sum(graph.tensors[name].bytes for name in (*graph.inputs, *graph.outputs) if name != streamed)


def _orders(graph: Graph, calls: Sequence[Call], stream: bool) -> Iterator[RowOrder]:
    """Every part that can run by rows and then holds less; a streamed input must begin it."""
    able = [can_run_by_rows(graph, calls, i) for i in range(len(graph.nodes))]
    for first in range(1 if stream else len(able)):
        for last in range(first + 1, len(able) + 1):
            if not able[last - 1]:
                break
            order = row_order(graph, calls, first, last, stream)
            if order is not None and order.held:
                yield order


def _cannot_stream(graph: Graph) -> ConfigError:
    node = graph.nodes[0]
    return ConfigError(
        f"the input of '{graph.name}' cannot be streamed.",
        got=f"{len(graph.inputs)} inputs, the first operator {node.op} in layer '{node.layer}'",
        expected="one image, read by operators whose kernels take rows",
        fix="leave the input in memory, without stream",
    )
