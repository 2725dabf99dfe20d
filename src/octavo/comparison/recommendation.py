"""Which row of a comparison to use on a board, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from octavo.arguments import NAMES, check_kinds
from octavo.board.boards import Board, parse_bytes
from octavo.comparison.on_board import on_board, where_it_runs, why_none_fits
from octavo.comparison.paired import Gain, gain
from octavo.comparison.rows import FLOAT, MORE, PTQ, QAT, READY, Row
from octavo.config import unknown_name
from octavo.errors import ConfigError
from octavo.evaluate.accuracy import Marks

SMALLER_FROM = 1.05
"""The ratio of sizes from which on one of them is said to be smaller: below, it is printed as 1.0."""
MATTERS = ("accuracy", "flash", "ram", "latency")
# What counts as no loss: half a point of a share, a hundredth of any other metric, 3 dB without labels.
POINTS, PART, DECIBELS = 0.005, 0.01, 3.0
# int16x8 has no optimized kernels in LiteRT; measured on a desktop against int8 (ResNet-8).
INT16X8_SLOWDOWN = 18


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a recommendation goes by.

    Attributes:
        flash: Bytes, or a number with KB or MB, for the model file; None for any size.
        ram: Likewise, for TensorFlow Lite Micro's arena; None where the file runs in LiteRT, and need not run in Micro.
        matters: What counts most among the rows that lose nothing, of `MATTERS`: one, or several by falling weight.
            None takes RAM, then flash; with "accuracy" first, nothing counts as no loss.
        board: That the program must fit, with all that it takes of flash and RAM, in place of both.
    """

    flash: str | int | None = "1MB"
    ram: str | int | None = "256KB"
    matters: str | Sequence[str] | None = None
    board: Board | None = None

    def __post_init__(self) -> None:
        check_kinds({"matters": NAMES.such_as("'accuracy'")}, {"matters": self.matters})
        for size in (self.flash, self.ram):
            if size is not None:
                parse_bytes(size)
        for name in self.order:
            if name not in MATTERS:
                raise unknown_name("thing that matters", name, MATTERS)

    @property
    def order(self) -> tuple[str, ...]:
        """What counts, most first."""
        named = self.matters or ("ram", "flash")
        return (named,) if isinstance(named, str) else tuple(named)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to use, and why.

    Attributes:
        row: The row recommended, or None where nothing fits.
        reason: A few sentences.
        gain: By how much it is better than the best choice without further training, where it was trained further.
    """

    row: Row | None
    reason: str
    gain: Gain | None = None


def recommend(rows: Sequence[Row], wishes: Wishes) -> Recommendation:
    """Which technique to use.

    Of the rows that fit, quantized after training, those that lose no more than half a point of the best one's
    accuracy (a hundredth of another metric) count as equals, and what matters decides among them. A scheme larger than
    int8 must be better than int8 beyond the 95 % interval of their difference on the same samples. Training must earn
    its place likewise: a row trained for quantization is chosen only if its gain over the row chosen so far, over the
    same scheme after training, and over that scheme of the float model with the same further training excludes zero;
    and, for a scheme larger than int8, over int8 by the same training. Among those that earn it, what matters decides.

    Without labels those within 3 dB of the best output SQNR count as equals, the float model, which the others are
    measured against, is chosen only if no other fits, and training cannot be judged.

    Args:
        rows: At least one.
        wishes: Budgets, and what matters.

    Raises:
        ConfigError: if latency matters and was not measured.
    """
    if "latency" in wishes.order and any(row.evaluation.latency is None for row in rows):
        raise ConfigError(
            "latency matters, and was not measured.",
            got="time_it=False",
            expected="a comparison with latencies",
            fix="compare with time_it=True, or leave latency out of matters",
        )
    fitting = [row for row in rows if _fits(row, wishes)]
    if not fitting:
        return Recommendation(None, _why_nothing_fits(rows, wishes))
    plain = [row for row in fitting if row.technique in (FLOAT, PTQ, READY)]
    if not _labelled(rows):
        closest = _closest(plain or fitting, wishes)
        return Recommendation(closest, _why(closest, rows, wishes, None, ()))
    return _of_labelled(rows, fitting, plain, wishes)


def _of_labelled(rows: Sequence[Row], fitting: Sequence[Row], plain: Sequence[Row], wishes: Wishes) -> Recommendation:
    """See `recommend`: first among what was not trained further, then whether training earns its place."""
    chosen: Row | None = _equals(plain, wishes)[0] if plain else None
    held_against, found = chosen, None
    verdicts: list[tuple[Row, Row, Gain]] = []
    for technique in (MORE, QAT):
        earning: list[Row] = []
        for row in sorted((row for row in fitting if row.technique == technique), key=_worth, reverse=True):
            known = (chosen, *_same_scheme(row, fitting), *_usual(row, fitting))
            rivals = dict.fromkeys(id(each) for each in known if each is not None)
            gains = [(each, row_gain(row, each)) for each in fitting if id(each) in rivals]
            unproven = [(each, found) for each, found in gains if not found.proven]
            if not unproven:
                earning.append(row)
            elif technique == QAT:
                verdicts.append((row, *unproven[0]))
        chosen = _equals(earning, wishes)[0] if earning else chosen
    assert chosen is not None
    if held_against is not None and chosen is not held_against:
        found = row_gain(chosen, held_against)
    return Recommendation(chosen, _why(chosen, rows, wishes, found, verdicts), found)


def row_gain(row: Row, rival: Row) -> Gain:
    """By how much a row is better than another, by the first output with labels."""
    return gain(_marks(row), _marks(rival))


def _fits(row: Row, wishes: Wishes) -> bool:
    if wishes.board is not None:
        return on_board(row, wishes.board).fits
    memory = row.evaluation.memory
    if wishes.flash is not None and memory.file_bytes > parse_bytes(wishes.flash):
        return False
    return wishes.ram is None or (memory.arena_bytes is not None and memory.arena_bytes <= parse_bytes(wishes.ram))


def _labelled(rows: Sequence[Row]) -> bool:
    return all(_output(row) is not None for row in rows)


def _output(row: Row) -> Marks | None:
    """The marks of the first output with labels."""
    return next((output.marks for output in row.evaluation.outputs if output.marks is not None), None)


def _marks(row: Row) -> Marks:
    marks = _output(row)
    assert marks is not None
    return marks


def _worth(row: Row) -> float:
    """A row's metric, higher is better."""
    marks = _marks(row)
    return marks.value if marks.metric.higher_is_better else -marks.value


def _equals(rows: Sequence[Row], wishes: Wishes) -> list[Row]:
    """The rows that lose nothing, the one to choose first."""
    best = max(rows, key=_worth)
    share = _marks(best).metric.unit == "share"
    slack = 0.0 if wishes.order[0] == "accuracy" else POINTS if share else PART * abs(_worth(best))
    # The difference of two shares, rounded, must not make half a point more than half a point.
    equals = [row for row in rows if _worth(best) - _worth(row) <= slack + 1e-12]
    usual = next((row for row in rows if row.technique == PTQ and _is_int8(row)), None)
    beyond = usual is not None and _is_larger(best) and _worth(best) > _worth(usual)
    if usual is not None and beyond and not row_gain(best, usual).proven:
        equals = [*(row for row in equals if not _is_larger(row) and row is not usual), usual]
    return sorted(equals, key=_cost(wishes))


def _is_larger(row: Row) -> bool:
    """Whether a row's scheme takes more than int8."""
    return row.quantized.scheme.name in ("float32", "float16", "int16x8")


def _closest(rows: Sequence[Row], wishes: Wishes) -> Row:
    """The row to choose by what outputs differ from the float model's."""
    rows = [row for row in rows if row.technique != FLOAT] or rows
    top = max(map(_closeness, rows))
    slack = 0.0 if wishes.order[0] == "accuracy" else DECIBELS
    return min((row for row in rows if _closeness(row) >= top - slack), key=_cost(wishes))


def _closeness(row: Row) -> float:
    """A row's SQNR; one whose outputs equal the float model's has no error and is as good as can be."""
    value = row.evaluation.outputs[0].sqnr_db
    return float("inf") if value is None else value


def _same_scheme(row: Row, rows: Sequence[Row]) -> list[Row]:
    """The rows of the same scheme that were not trained for it."""
    scheme = row.quantized.scheme.name
    techniques = (FLOAT, PTQ, MORE) if row.technique == QAT else (FLOAT, PTQ)
    return [other for other in rows if other.quantized.scheme.name == scheme and other.technique in techniques]


def _usual(row: Row, rows: Sequence[Row]) -> list[Row]:
    """Of a scheme that takes more than int8, the int8 row by the same technique."""
    return [each for each in rows if _is_larger(row) and _is_int8(each) and each.technique == row.technique]


def _is_int8(row: Row) -> bool:
    return row.quantized.scheme.name == "int8"


def _cost(wishes: Wishes) -> Callable[[Row], tuple[float, ...]]:
    """What decides among equals: less is better, the things that matter first."""
    measures: dict[str, Callable[[Row], float]] = {
        "accuracy": lambda row: -_worth(row) if _output(row) is not None else -_closeness(row),
        "flash": lambda row: row.evaluation.memory.file_bytes,
        "ram": lambda row: row.evaluation.memory.arena_bytes or 0,
        "latency": lambda row: row.evaluation.latency.one_thread_ms if row.evaluation.latency else 0.0,
    }
    order = dict.fromkeys((*wishes.order, *(() if wishes.ram is None else ("ram",)), "flash"))
    return lambda row: tuple(measures[name](row) for name in order)


def _why(
    chosen: Row, rows: Sequence[Row], wishes: Wishes, found: Gain | None, verdicts: Sequence[tuple[Row, Row, Gain]]
) -> str:
    original = next((row for row in rows if row.technique == FLOAT), None)
    sentences = [_where(chosen, wishes) + _against(chosen, original) + "."]
    if found is not None:
        sentences.append(f"Training earns its place: {found.text} over the best without.")
    elif verdicts:
        row, rival, unproven = verdicts[0]
        sentences.append(
            f"Post-training quantization is enough: {row.name} brings nothing that could be told from chance beyond "
            f"{rival.name} ({unproven.text})."
        )
    if _output(chosen) is None:
        sentences.append("Without labels this goes by how close the outputs are to the float model's (SQNR).")
    if chosen.quantized.scheme.name == "int16x8":
        sentences.append(_slow(chosen, rows))
    return " ".join(sentences)


def _where(chosen: Row, wishes: Wishes) -> str:
    if wishes.board is not None:
        return where_it_runs(chosen, wishes.board)
    memory = chosen.evaluation.memory
    sizes = f"file {memory.file_bytes / 1024:.1f} KB"
    room = [] if wishes.flash is None else [f"{parse_bytes(wishes.flash) // 1024} KB flash"]
    if wishes.ram is None:
        return f"{chosen.name} runs in LiteRT" + (f" within {room[0]}" if room else "") + f" ({sizes})"
    room = [f"{parse_bytes(wishes.ram) // 1024} KB RAM", *room]
    arena = f"arena {(memory.arena_bytes or 0) / 1024:.1f} KB"
    return f"{chosen.name} runs on TensorFlow Lite Micro within {' and '.join(room)} ({arena}, {sizes})"


def _against(chosen: Row, original: Row | None) -> str:
    """What a row has and loses beside the float model."""
    if original is None or original is chosen:
        return ""
    ratio = original.evaluation.memory.file_bytes / chosen.evaluation.memory.file_bytes
    smaller = f", {ratio:.1f}x smaller than float" if ratio >= SMALLER_FROM else ""
    mine, its = _output(chosen), _output(original)
    if mine is None or its is None:
        return smaller
    return f"{smaller}, at {mine.metric.difference(mine.value - its.value)}"


def _slow(chosen: Row, rows: Sequence[Row]) -> str:
    """What int16x8 costs on a desktop, measured where int8 stands beside it."""
    usual = next((row for row in rows if row.quantized.scheme.name == "int8" and row.evaluation.latency), None)
    if usual is None or usual.evaluation.latency is None or chosen.evaluation.latency is None:
        return f"LiteRT has no fast kernels for int16x8: there it is about {INT16X8_SLOWDOWN} times slower than int8."
    ratio = chosen.evaluation.latency.one_thread_ms / usual.evaluation.latency.one_thread_ms
    return (
        f"LiteRT has no fast kernels for int16x8: about {INT16X8_SLOWDOWN} times slower than int8 for a network of "
        f"convolutions, {ratio:.1f} times for this one here."
    )


def _why_nothing_fits(rows: Sequence[Row], wishes: Wishes) -> str:
    if wishes.board is not None:
        return why_none_fits(rows, wishes.board)
    arenas = [row.evaluation.memory.arena_bytes for row in rows if row.evaluation.memory.arena_bytes is not None]
    smallest = min(row.evaluation.memory.file_bytes for row in rows)
    needed = f"the smallest file takes {smallest / 1024:.0f} KB"
    if arenas:
        needed += f", the smallest arena {min(arenas) / 1024:.0f} KB"
    limits = ((wishes.flash, "flash"), (wishes.ram, "RAM"))
    room = " and ".join(f"{parse_bytes(size) // 1024} KB {kind}" for size, kind in limits if size is not None)
    return f"Nothing fits {room}: {needed}."
