"""Run a notebook without a kernel: cells in order, in one namespace, each with what it prints and what it ends in."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any


def cells(path: Path) -> Iterator[tuple[str, str]]:
    """Kind and source of each cell, "code" or "markdown"."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        yield cell["cell_type"], "".join(cell["source"])


def run_cell(source: str, names: dict[str, Any]) -> tuple[str, Any]:
    """Run a cell as a notebook does.

    Returns:
        What it printed, and the value of an expression at its end, else None.
    """
    tree, last = ast.parse(source), None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    with redirect_stdout(StringIO()) as printed:
        exec(compile(tree, "cell", "exec"), names)
        value = None if last is None else eval(compile(last, "cell", "eval"), names)
    return printed.getvalue(), value


def as_markdown(path: Path, run: bool = True) -> str:
    """A notebook as a page: its text, its code, and below each cell its output.

    Args:
        path: The notebook.
        run: Whether to run it; else the page has no output.
    """
    names: dict[str, Any] = {}
    parts = []
    for kind, source in cells(path):
        parts.append(source if kind == "markdown" else f"```python\n{source}\n```")
        if run and kind == "code":
            printed, value = run_cell(source, names)
            if printed:
                parts.append(f'<pre style="white-space: pre-wrap">{escape(printed.rstrip())}</pre>')
            if value is not None:
                parts.append(f'<div class="output">{value._repr_html_()}</div>')
    return "\n\n".join(parts) + "\n"
