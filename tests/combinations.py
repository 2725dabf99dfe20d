"""Parameters of tests that every run takes a part of, and all of where asked for.

Of combinations it takes as many as hold every pair of values; of what Keras's backends all compute, PyTorch takes all,
and of those that compile each network, for seconds, each takes another part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import keras
import pytest

COMPILING = ("tensorflow", "jax")

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


def shared_out(values: Iterable[Any], parts: int, ids: Callable[[Any], str] = str) -> list[Any]:
    """A parameter of each value, with its name; a backend that compiles takes one in `parts`, each another one."""
    backend = keras.backend.backend()
    own = COMPILING.index(backend) if backend in COMPILING else None
    return [
        pytest.param(value, id=ids(value), marks=[] if own is None or i % parts == own else [pytest.mark.exhaustive])
        for i, value in enumerate(values)
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
