"""Rows reduced by segment, and powers laid side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from octavo.ops.refuse import refuse
from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import is_symbol, keras_ops, written

_IDS = np.array([0, 0, 1, 3, 1, 0])


def _by_segment(reduction: str, empty: float | None) -> Callable[..., Any]:
    """The reduction of the rows of each segment, whose numbers are constants; `empty` is that of no rows."""

    def run(operation: Any, data: Any, segment_ids: Any) -> Any:
        ops = keras_ops()
        if is_symbol(segment_ids):
            raise refuse(
                operation,
                got="segment_ids that are a tensor of the model",
                expected="constants, as what is read of a tensor has a fixed size",
                fix="give the numbers of the segments as an array",
            )
        ids = np.asarray(segment_ids)
        count = int(ids.max()) + 1 if operation.num_segments is None else operation.num_segments
        rows = [np.flatnonzero(ids == segment) for segment in range(count)]
        if empty is None and not all(map(len, rows)):
            raise refuse(
                operation,
                got="a segment without a row, whose extreme is infinite",
                expected="at least one row in each segment",
                fix="leave the empty segments out of num_segments",
            )
        reduce = getattr(ops, reduction)
        nothing = ops.take(data, np.array([0]), axis=0) * 0.0 + (empty or 0.0)
        parts = [
            reduce(ops.take(data, places, axis=0), axis=0, keepdims=True) if len(places) else nothing for places in rows
        ]
        return ops.concatenate(parts, axis=0)

    return run


def vander(operation: Any, x: Any) -> Any:
    """The powers of each value, from the highest down unless `increasing`."""
    ops = keras_ops()
    count = x.shape[0] if operation.N is None else operation.N
    powers = [x * 0.0 + 1.0]
    for _ in range(count - 1):
        powers.append(x if len(powers) == 1 else powers[-1] * x)
    return ops.stack(powers if operation.increasing else powers[::-1], axis=-1)


def _rows(ops: Any, x: Any) -> Any:
    return ops.reshape(x, (6, 4))


FORMS: dict[str, KerasForm] = {
    "ops.SegmentSum": written(
        _by_segment("sum", 0.0), lambda ops, x: ops.segment_sum(_rows(ops, x), _IDS, num_segments=5)
    ),
    "ops.SegmentProd": written(
        _by_segment("prod", 1.0), lambda ops, x: ops.segment_prod(_rows(ops, x), _IDS, num_segments=4)
    ),
    "ops.SegmentMax": written(
        _by_segment("max", None),
        lambda ops, x: ops.segment_max(_rows(ops, x), np.array([0, 2, 1, 1, 0, 2]), num_segments=3),
    ),
    "ops.SegmentMin": written(
        _by_segment("min", None),
        lambda ops, x: ops.segment_min(_rows(ops, x), np.array([0, 2, 1, 1, 0, 2]), num_segments=3),
    ),
    "ops.Vander": written(vander, lambda ops, x: ops.vander(ops.reshape(x, (-1,)), 3), (6,)),
}
