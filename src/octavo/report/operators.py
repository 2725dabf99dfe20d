"""The support matrix, read off the op table: what `octavo ops` prints and docs/operators.md holds."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.config import SCHEMES, Scheme
from octavo.dtypes import DType
from octavo.ops.spec import OpSpec
from octavo.ops.table import FAMILIES, KERAS_FORMS
from octavo.report.tables import TextTable, as_markdown

EVERYWHERE, LITERT_ONLY, FLOAT_ISLAND = "micro", "litert", "float"
LEGEND = (
    f"{EVERYWHERE}: runs in LiteRT and in TensorFlow Lite Micro; {LITERT_ONLY}: in LiteRT only; "
    f"{FLOAT_ISLAND}: stays in float under that scheme, and the result names it; "
    "weights: they are stored in int8."
)
FULL_INTEGER = tuple(scheme for scheme in SCHEMES.values() if scheme.activations is not None)


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """One operator of the matrix.

    Attributes:
        name: TensorFlow Lite name.
        family: The file of `octavo.ops` it stands in.
        keras: The Keras layers, activations and operations that become it.
        float32: Where its float kernel runs.
        schemes: For each full-integer scheme, where its integer kernel runs.
        hybrid: Whether the `dynamic` scheme stores its weights in int8.
        scale: How its output parameters follow from its inputs'.
        note: What else a user should know.
    """

    name: str
    family: str
    keras: tuple[str, ...]
    float32: str
    schemes: dict[str, str]
    hybrid: bool
    scale: str
    note: str


def operator_rows() -> tuple[OperatorRow, ...]:
    """The matrix, in the order of the op table."""
    return tuple(_row(family.__name__.rpartition(".")[2], spec) for family in FAMILIES for spec in family.SPECS)


def composed_forms() -> tuple[str, ...]:
    """Keras layers, activations and operations that become several operators."""
    direct = {name for row in operator_rows() for name in row.keras}
    return tuple(sorted(name for name in KERAS_FORMS if name not in direct))


def _row(family: str, spec: OpSpec) -> OperatorRow:
    return OperatorRow(
        name=spec.name,
        family=family,
        keras=tuple(spec.keras),
        float32=EVERYWHERE if DType.FLOAT32 in spec.micro else LITERT_ONLY,
        schemes={scheme.name: _where(spec, scheme) for scheme in FULL_INTEGER},
        hybrid=any(DType.FLOAT32 in role.types for _, role in spec.weights),
        scale=spec.rule().text,
        note=spec.note,
    )


def _where(spec: OpSpec, scheme: Scheme) -> str:
    """Where the operator's integer kernel for a full-integer scheme runs, and on which weights if they differ."""
    if scheme.activations not in spec.activations:
        return FLOAT_ISLAND
    where = EVERYWHERE if scheme.activations in spec.micro else LITERT_ONLY
    if scheme.weights is DType.INT8 or scheme.activations is None or not spec.weights:
        return where
    has_kernel = all(scheme.weights in role.types[scheme.activations] for _, role in spec.weights)
    return f"{where}, {scheme.weights.value if has_kernel else DType.INT8.value} weights"


def support_table() -> TextTable:
    """The matrix as text, one row an operator."""
    rows = operator_rows()
    header = ("operator", "float32", *rows[0].schemes, "dynamic", "output scale", "from Keras", "note")
    cells = tuple(
        (
            row.name,
            row.float32,
            *row.schemes.values(),
            "weights" if row.hybrid else FLOAT_ISLAND,
            row.scale,
            ", ".join(row.keras),
            row.note,
        )
        for row in rows
    )
    return TextTable("Operators", header, cells)


def short_table() -> TextTable:
    """The matrix without what a terminal has no room for; Keras layers go by their class name."""
    whole = support_table()
    left_out = {"output scale", "note"} | {scheme.name for scheme in FULL_INTEGER if scheme.weights is DType.INT4}
    kept = [index for index, name in enumerate(whole.header) if name not in left_out]
    rows = tuple(tuple(row[index].replace("layers.", "") for index in kept) for row in whole.rows)
    return TextTable(whole.title, tuple(whole.header[index] for index in kept), rows)


def operators_page() -> str:
    """The page docs/operators.md."""
    return "\n".join(
        [
            "# Operators",
            "",
            "Generated from the op table by `make docs`; `octavo ops` prints the same.",
            "",
            LEGEND,
            "",
            *as_markdown(support_table()),
            "",
            "## Keras forms made of several operators",
            "",
            ", ".join(composed_forms()) or "None.",
            "",
        ]
    )
