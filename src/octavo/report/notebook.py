"""Tables in notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

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
