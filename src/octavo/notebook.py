"""Results as people look at them in a notebook: names and values as HTML, and data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from octavo.errors import MissingDependencyError


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
