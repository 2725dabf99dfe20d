"""What would make a model fit a board, each way out with what it would come to."""

from __future__ import annotations

import math
from collections.abc import Iterator

from octavo.board.boards import Board, boards
from octavo.dtypes import DType
from octavo.errors import ConfigError
from octavo.footprint.parts import Footprint, Mend, Way
from octavo.ir.types import Graph
from octavo.write.c.model import lowered
from octavo.write.c.order import ordered

# An image smaller than this is no image any more.
SMALLEST_SIDE = 8


def mends(found: Footprint, graph: Graph) -> tuple[Mend, ...]:
    """Ways out for a model that does not fit, those that are enough first.

    Args:
        found: The model on its board.
        graph: The model.
    """
    every = [*_rows(found, graph), *_schemes(found, graph), *_sizes(found, graph), *_layers(found), *_boards(found)]
    return tuple(sorted(every, key=lambda mend: not mend.fits))


def _closest(found: Footprint) -> Way | None:
    """The way that misses least."""
    open_ways = [way for way in found.ways if not way.obstacle]
    return min(open_ways, key=lambda way: sum(way.over(found.board).values()), default=None)


def _rows(found: Footprint, graph: Graph) -> Iterator[Mend]:
    """A part of it row by row, which generated C can do."""
    way, board = found.ways[0], found.board
    if way.obstacle or board.ram_bytes is None or "RAM" not in way.over(board):
        return
    room = board.ram_bytes - way.ram["stack"]
    try:
        _, layout, order = lowered(ordered(graph), "model", max(1, room))
    except ConfigError as error:
        yield Mend(f"Generated C row by row needs {error.expected}, in bytes.", False)
        return
    if order is not None:
        yield Mend(
            f"Generated C with operators {order.first} to {order.last - 1} row by row: "
            f"{_kb(layout.plan.arena_bytes)} of arena; octavo export --ram {room}.",
            "flash" not in way.over(board),
        )


def _schemes(found: Footprint, graph: Graph) -> Iterator[Mend]:
    """Fewer bits."""
    made = {graph.tensors[name].dtype for node in graph.nodes for name in node.outputs}
    board, way = found.board, _closest(found)
    constants = [tensor for tensor in graph.tensors.values() if tensor.is_constant]
    if DType.FLOAT32 in made:
        values = sum(tensor.size for tensor in constants)
        arena = max((each.live_bytes for each in found.operators), default=0) // 4
        fits = _room(values, board.flash_bytes) and _room(arena, board.ram_bytes)
        yield Mend(
            f"Quantize it by scheme='int8': about {_kb(values)} of weights and {_kb(arena)} of activations.", fits
        )
        return
    if DType.INT16 in made and way is not None and "RAM" in way.over(board):
        arena = way.ram["arena"] // 2
        yield Mend(
            f"Scheme 'int8' instead of 'int16x8': half the activations, about {_kb(arena)} of arena.",
            _room(way.ram_bytes - arena, board.ram_bytes) and "flash" not in way.over(board),
        )
    bytes_wide = sum(tensor.size for tensor in constants if tensor.dtype is DType.INT8)
    micro = found.ways[-1]
    if bytes_wide and not micro.obstacle and "flash" in micro.over(board):
        flash = micro.flash_bytes - bytes_wide // 2
        yield Mend(
            f"Scheme 'int8x4', weights of 4 bits: {_kb(flash)} of flash in {micro.name}, half of the weights saved.",
            _room(flash, board.flash_bytes) and "RAM" not in micro.over(board),
        )


def _sizes(found: Footprint, graph: Graph) -> Iterator[Mend]:
    """Smaller images: their activations shrink with the area."""
    way, board = _closest(found), found.board
    shape = graph.tensors[graph.inputs[0]].shape if graph.inputs else ()
    if way is None or "RAM" not in way.over(board) or len(shape) != 4 or shape[1] < 2 * SMALLEST_SIDE:
        return
    assert board.ram_bytes is not None
    growing = way.ram["arena"] + way.ram.get("input and output", 0)
    room = board.ram_bytes - (way.ram_bytes - growing)
    side = int(shape[1] * math.sqrt(max(0, room) / growing))
    if side >= SMALLEST_SIDE:
        ram = way.ram_bytes - growing + growing * side * side // (shape[1] * shape[1])
        yield Mend(
            f"Images of {side} x {side * shape[2] // shape[1]} instead of {shape[1]} x {shape[2]}: about {_kb(ram)} of "
            f"RAM as {way.name}.",
            "flash" not in way.over(board),
        )


def _layers(found: Footprint) -> Iterator[Mend]:
    """The layers to shrink: that of the peak, and the one with most weights."""
    way, peak = _closest(found), found.peak
    if way is None or peak is None:
        return
    over = way.over(found.board)
    if "RAM" in over:
        others = [each.live_bytes for each in found.operators if each.live_bytes < peak.live_bytes]
        next_bytes = max(others, default=0)
        saved = peak.live_bytes - next_bytes
        yield Mend(
            f"Shrink what '{peak.layer}' ({peak.op}) reads and writes: {_kb(peak.live_bytes)} live while it runs, "
            f"the next layer needs {_kb(next_bytes)}.",
            saved >= over["RAM"] and "flash" not in over,
        )
    if "flash" in over:
        largest = max(found.operators, key=lambda each: each.weight_bytes)
        yield Mend(
            f"Shrink '{largest.layer}' ({largest.op}), which has {_kb(largest.weight_bytes)} of the weights; "
            f"{_kb(over['flash'])} are too much.",
            largest.weight_bytes >= over["flash"] and "RAM" not in over,
        )


def _boards(found: Footprint) -> Iterator[Mend]:
    """The board with the least RAM that has room."""
    enough = [board for board in boards().values() if any(way.fits(board) for way in found.ways)]
    if enough:
        smallest: Board = min(enough, key=lambda board: (board.ram_bytes or 0, board.flash_bytes or 0))
        room = f"{_kb(smallest.flash_bytes or 0)} flash, {_kb(smallest.ram_bytes or 0)} RAM"
        yield Mend(f"Another board: it fits --board {smallest.name} ({smallest.title}; {room}).", True)


def _room(taken: int, room: int | None) -> bool:
    return room is None or taken <= room


def _kb(size: int) -> str:
    return f"{size / 1024:,.1f} KB" if size >= 1024 else f"{size} bytes"
