"""Results as tables of text: one content for the terminal and for written pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from octavo.evaluate.evaluation import Evaluation
    from octavo.evaluate.verification import RuntimeCheck, Verification
    from octavo.plan.types import Island
    from octavo.result import QuantizedModel

UNKNOWN = "-"
MORE_NOTE = "trained on: the float model after as much further training as QAT got, quantized after it"
PROOF_TITLE = "Each file was run before it was handed over"
PROOF_NOTE = (
    "equal: every value of every operator is that of the reference; within rounding: values differ by no more than "
    "this runtime's own arithmetic explains; does not run: this runtime has no kernels for it."
)


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table.

    Attributes:
        title: What it is about.
        header: Column names.
        rows: Cells.
        numeric: Indices of the columns whose cells are numbers, set flush right.
        note: What a reader needs to understand the cells.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of evaluations: its name, its cell for one of them, and what it tells where that is new."""

    name: str
    cell: Callable[[Evaluation], str]
    meaning: str = ""


EVALUATION_COLUMNS = (
    Column("as float", lambda e: percent(e.agreement), "as float: share of samples with the float model's answer"),
    Column(
        "SQNR dB",
        lambda e: number(e.outputs[0].sqnr_db, 1),
        "SQNR: how far outputs stand above their difference from the float model's, which training (QAT) moves more "
        "than rounding does",
    ),
    Column("file bytes", lambda e: number(e.memory.file_bytes)),
    Column("arena bytes", lambda e: number(e.memory.arena_bytes), "arena: RAM in TensorFlow Lite Micro"),
    Column("ms 1 thread", lambda e: number(None if e.latency is None else e.latency.one_thread_ms, 3)),
)


def evaluation_table(evaluations: Iterable[tuple[str, Evaluation]], title: str = "What each scheme costs") -> TextTable:
    """One row a scheme. Columns that nothing was measured for are left out.

    Args:
        evaluations: (name of the row, what was measured).
        title: The table's title.
    """
    evaluations = tuple(evaluations)
    columns = [("scheme", [name for name, _ in evaluations])]
    first = [evaluation.outputs[0] for _, evaluation in evaluations]
    metric = next((output.metric for output in first if output.metric), "")
    if metric:
        columns.append((metric, [output.text or UNKNOWN for output in first]))
    meanings: list[str] = []
    for column in EVALUATION_COLUMNS:
        cells = [column.cell(evaluation) for _, evaluation in evaluations]
        if set(cells) != {UNKNOWN}:
            columns.append((column.name, cells))
            meanings += filter(None, [column.meaning])
    rows = tuple(zip(*(cells for _, cells in columns), strict=True))
    header = tuple(name for name, _ in columns)
    reason = next((f"{output.metric}: because {output.reason}" for output in first if output.reason), "")
    further = MORE_NOTE if any(name.endswith("trained on") for name, _ in evaluations) else ""
    note = "; ".join(filter(None, (reason, further, *meanings)))
    return TextTable(title, header, rows, frozenset(range(1, len(columns))), note and f"{note}.")


def output_table(evaluations: Iterable[tuple[str, Evaluation]]) -> TextTable:
    """One row a scheme and output, where a model has several; without rows for others."""
    rows = tuple(
        (name, output.name, output.metric or UNKNOWN, output.text or UNKNOWN, number(output.sqnr_db, 1))
        for name, evaluation in evaluations
        if len(evaluation.outputs) > 1
        for output in evaluation.outputs
    )
    header = ("scheme", "output", "metric", "value", "SQNR dB")
    return TextTable("What each output is worth", header, rows, frozenset({3, 4}))


def verification_table(verifications: Iterable[tuple[str, Verification]]) -> TextTable:
    """One row a scheme, one column a runtime.

    Args:
        verifications: (scheme, what came of running its file).
    """
    verifications = tuple(verifications)
    runtimes = tuple(check.runtime for check in verifications[0][1].runtimes) if verifications else ()
    rows = tuple((scheme, *map(_verdict, result.runtimes)) for scheme, result in verifications)
    return TextTable(PROOF_TITLE, ("scheme", *runtimes), rows, note=PROOF_NOTE)


def _verdict(check: RuntimeCheck) -> str:
    """A few words on one runtime's check."""
    if not check.ok:
        return "WRONG"
    if not check.inputs:
        return "does not run"
    return "equal" if check.exact else "within rounding"


def island_table(islands: Iterable[tuple[str, Island]]) -> TextTable:
    """One row a float island; those of one layer that are alike are one.

    Args:
        islands: (scheme, what stays in float under it).
    """
    rows = dict.fromkeys((scheme, each.layer, each.op, each.reason) for scheme, each in islands)
    return TextTable("What stays in float", ("scheme", "layer", "operator", "reason"), tuple(rows))


def island_values(islands: Iterable[Island]) -> list[dict[str, str]]:
    """Float islands as plain values for JSON."""
    return [{"op": each.op, "layer": each.layer, "reason": each.reason} for each in islands]


def comparison_tables(
    rows: Iterable[tuple[str, Evaluation, QuantizedModel]],
    failures: Iterable[tuple[str, str]] = (),
    doubts: Iterable[tuple[str, str]] = (),
) -> tuple[TextTable, ...]:
    """What each scheme costs, was run to prove each file, stays in float, failed, and is to be doubted.

    Args:
        rows: (name of the row, what was measured, what it was measured on).
        failures: (name of the row, why there is none).
        doubts: (name of the row, what is doubtful).

    Returns:
        The first, and those of the others that have rows.
    """
    rows = tuple(rows)
    costs = evaluation_table((name, evaluation) for name, evaluation, _ in rows)
    others = (
        output_table((name, evaluation) for name, evaluation, _ in rows),
        verification_table((name, made.verification) for name, _, made in rows if made.verification is not None),
        island_table((name, island) for name, _, made in rows for island in made.islands),
        TextTable("What could not be made", ("scheme", "reason"), tuple(failures)),
        TextTable("What to doubt", ("scheme", "reason"), tuple(doubts)),
    )
    return (costs, *(table for table in others if table.rows))


def as_markdown(table: TextTable) -> list[str]:
    """Lines of a Markdown table and its note, without its title."""
    rules = tuple("---:" if index in table.numeric else "---" for index in range(len(table.header)))
    lines = [f"| {' | '.join(row)} |" for row in (table.header, rules, *table.rows)]
    return [*lines, "", table.note] if table.note else lines


def percent(share: float | None) -> str:
    """A share in percent with two decimals."""
    return UNKNOWN if share is None else f"{100 * share:.2f} %"


def number(value: float | None, decimals: int = 0) -> str:
    """A number with thousands separators."""
    return UNKNOWN if value is None else f"{value:,.{decimals}f}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first few of some names."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
