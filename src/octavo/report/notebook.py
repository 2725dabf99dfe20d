"""Results in notebooks: tables as HTML, and as data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from octavo.errors import MissingDependencyError
from octavo.report.tables import TextTable


def as_html(table: TextTable) -> str:
    """A table with its title and note; everything in it is escaped."""

    def row(cells: Sequence[str], tag: str) -> str:
        align = ("right" if index in table.numeric else "left" for index in range(len(cells)))
        return "".join(
            f"<{tag} style='text-align:{side}'>{escape(cell)}</{tag}>" for cell, side in zip(cells, align, strict=True)
        )

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in table.rows)
    note = f"<p><small>{escape(table.note)}</small></p>" if table.note else ""
    head = f"<thead><tr>{row(table.header, 'th')}</tr></thead>"
    return f"<h4>{escape(table.title)}</h4><table>{head}<tbody>{body}</tbody></table>{note}"


def pairs_as_html(title: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values as a table without a header."""
    body = "".join(f"<tr><th style='text-align:left'>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in pairs)
    return f"<h4>{escape(title)}</h4><table><tbody>{body}</tbody></table>"


def data_frame(rows: Sequence[Mapping[str, object]]) -> Any:
    """Rows as a pandas.DataFrame.

    Raises:
        MissingDependencyError: without pandas.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError(
            "a data frame needs pandas.",
            got="no package 'pandas'",
            expected="pandas 2 or newer",
            fix="pip install pandas, or use to_dict()",
        ) from error
    return pandas.DataFrame(list(rows))
