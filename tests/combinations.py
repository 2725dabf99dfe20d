"""Parameters of tests in combination: every pair of values in every run, all combinations where asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

import pytest

Values = Sequence[Any] | Mapping[str, Any]


def combined(*lists: Values) -> list[Any]:
    """A parameter of every combination; those beside a set that holds every pair of values are exhaustive.

    A mapping gives its values their names in the test's id.
    """
    rows = list(product(*(range(len(values)) for values in lists)))
    every_run = _covering(rows)
    return [
        pytest.param(
            *(
                list(values.values())[i] if isinstance(values, Mapping) else values[i]
                for values, i in zip(lists, row, strict=True)
            ),
            id="-".join(str(list(values)[i]) for values, i in zip(lists, row, strict=True)),
            marks=[] if row in every_run else [pytest.mark.exhaustive],
        )
        for row in rows
    ]


def _covering(rows: Sequence[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """Rows in which every pair of values occurs, chosen greedily."""
    pairs = {row: set(combinations(enumerate(row), 2)) for row in rows}
    missing, chosen = set().union(*pairs.values()), set()
    while missing:
        best = max(rows, key=lambda row: len(pairs[row] & missing))
        chosen.add(best)
        missing -= pairs[best]
    return chosen
