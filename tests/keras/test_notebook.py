"""The notebook of examples/ runs, and each cell that ends in a value shows it."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "first_hour.ipynb"


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does; returns the value of an expression at its end, else None."""
    tree, last = ast.parse(source), None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    exec(compile(tree, str(NOTEBOOK), "exec"), names)
    return None if last is None else eval(compile(last, str(NOTEBOOK), "eval"), names)


def test_the_notebook_runs_and_shows_its_results() -> None:
    pytest.importorskip("sklearn")
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    shown = [value for cell in cells if (value := run_cell("".join(cell["source"]), names)) is not None]
    quantized, evaluation, parity, table = shown
    assert quantized.verification.ok
    assert all(value._repr_html_().count("<") > 1 for value in shown)
    assert evaluation.accuracy == (quantized.predict(names["x_test"]).argmax(1) == names["y_test"]).mean()
    assert parity.within_one_step > 0.999
    assert [row.name for row in table.rows] == [
        "float32", "int8", "float32 trained on", "int8 trained on", "int8 QAT",
    ]  # fmt: skip
    # Nothing is recommended for a gain whose interval holds zero.
    gain = table.best().gain
    assert gain is None or gain.proven
