"""What a model takes of a board, as tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.board.boards import Board
from octavo.footprint.parts import Footprint, OperatorCost, Way
from octavo.report.tables import UNKNOWN, TextTable, number


def ways_table(board: Board, rows: Sequence[Footprint]) -> TextTable:
    """One row a model and way to run it."""
    cells = tuple((row.name, way.name, *_figures(way), _verdict(way, board)) for row in rows for way in row.ways)
    rooms = " and ".join(
        f"{number(size)} of {kind}" for kind, size in (("flash", board.flash_bytes), ("RAM", board.ram_bytes)) if size
    )
    title = f"On {board.title} ({board.processor.name}, {board.mhz:g} MHz; {rooms or 'no limits'})"
    header = ("model", "run by", "flash bytes", "RAM bytes", "M instr.", "ms", "verdict")
    return TextTable(title, header, cells, frozenset({2, 3, 4, 5}))


def _figures(way: Way) -> tuple[str, ...]:
    if way.obstacle:
        return (UNKNOWN,) * 4
    if not way.instructions:
        return number(way.flash_bytes), number(way.ram_bytes), UNKNOWN, UNKNOWN
    time = f"{way.milliseconds:,.3g} ± {way.error:.0%}"
    return number(way.flash_bytes), number(way.ram_bytes), number(sum(way.instructions) / 1e6, 2), time


def _verdict(way: Way, board: Board) -> str:
    if way.obstacle:
        return "cannot: " + way.obstacle
    over = way.over(board)
    return "fits" if not over else ", ".join(f"{number(size)} bytes of {kind} too many" for kind, size in over.items())


def parts_table(row: Footprint) -> TextTable:
    """What the flash and the RAM of each way go to."""
    cells = tuple(
        (way.name, kind, part, number(size))
        for way in row.ways
        for kind, parts in (("flash", way.flash), ("RAM", way.ram))
        for part, size in parts.items()
    )
    return TextTable("What takes it", ("run by", "memory", "part", "bytes"), cells, frozenset({3}))


def operators_table(row: Footprint) -> TextTable:
    """One row an operator, in execution order."""
    counts = [way.instructions or (0.0,) * len(row.operators) for way in row.ways]
    peak = row.peak
    cells = tuple(
        (
            f"{i}: {each.op}",
            each.layer,
            number(each.products),
            number(each.weight_bytes),
            number(each.live_bytes) + (" peak" if each is peak else ""),
            *(number(way[i] / 1e3) if way[i] else UNKNOWN for way in counts),
        )
        for i, each in enumerate(row.operators)
    )
    header = ("operator", "layer", "MACs", "weights", "live", "C", "TFLM")
    note = (
        "MACs: multiply-accumulates; weights: bytes of constants in the file; live: bytes of activations that hold "
        "values while it runs; C and TFLM: thousand instructions as generated C and with CMSIS-NN."
    )
    return TextTable(f"Operators of '{row.name}'", header, cells, frozenset({2, 3, 4, 5, 6}), note)


def targets_table(row: Footprint) -> TextTable:
    """What each way does with each operator."""
    ops = dict.fromkeys(each.op for each in row.operators)
    cells = tuple((op, *(way.operators.get(op, UNKNOWN) for way in row.ways)) for op in ops)
    return TextTable("What becomes of each operator", ("operator", *(way.name for way in row.ways)), cells)


def footprint_lines(row: Footprint) -> list[str]:
    """The verdict on a model in sentences: what sets the peak, whether the arena is the least, what would help."""
    lines = [f"'{row.name}' {'fits' if row.fits else 'does not fit'} {row.board.title}."]
    if row.peak is not None:
        lines.append(_peak(row.peak, row))
    for way in row.ways:
        lines += [f"{way.name}: {note}." for note in way.notes]
    if not row.fits:
        lines += ["What would help:" if row.mends else "Nothing that is known here would help."]
        lines += [f"  {'enough' if mend.fits else 'not enough alone'}: {mend.what}" for mend in row.mends]
    return lines


def _peak(peak: OperatorCost, row: Footprint) -> str:
    text = f"Most RAM is live in '{peak.layer}' ({peak.op}): {number(peak.live_bytes)} bytes of activations."
    if row.plan is None:
        return text
    arena, bound = row.plan.arena_bytes, row.plan.lower_bound_bytes
    least = "the least possible for this order of operators"
    if arena > bound:
        least = f"and no plan less than {number(bound)}"
    return f"{text} The arena of generated C takes {number(arena)} bytes, {least}."
