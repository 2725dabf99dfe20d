"""The axes that an operation names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def named_axes(rank: int, axis: int | Sequence[int] | None = None) -> tuple[int, ...]:
    """The axes that an operation names, counted from 0 and in order; all of them where none is named.

    The batch may be among them: its length is 1, and what is computed is what Keras computes of a batch of one.
    """
    named = range(rank) if axis is None else np.atleast_1d(axis).tolist()
    return tuple(sorted(each % rank for each in named))
