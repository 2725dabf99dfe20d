"""Layers and operations whose channels come first, as those whose channels come last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from octavo.load.keras_graph.call import Call, map_leaves
from octavo.ops.shape import emit_transpose
from octavo.ops.spec import Emitter, TensorRef

Lower = Callable[[Emitter, Call], tuple[str, ...]]


def comes_first(operation: Any) -> bool:
    """Whether an operation's images have their channels before their places."""
    import keras

    if not hasattr(operation, "data_format"):
        return False
    return (operation.data_format or keras.config.image_data_format()) == "channels_first"


def lower_channels_last(b: Emitter, call: Call, lower: Lower) -> tuple[str, ...]:
    """Lower a call on transposed tensors; results of that rank or more are transposed back.

    Args:
        b: Where operators go.
        call: Of an operation whose channels come first.
        lower: Lowers a call of its twin, whose channels come last.
    """
    twin = object.__new__(type(call.operation))
    vars(twin).update({**vars(call.operation), "data_format": "channels_last"})
    ranks = {name: len(b.shape(name)) for name in call.inputs}
    turned = {
        name: emit_transpose(b, name, (0, *range(2, rank), 1), suffix="channels_last")
        for name, rank in ranks.items()
        if rank > 2
    }
    args, kwargs = map_leaves(
        lambda leaf: TensorRef(turned.get(leaf.name, leaf.name)) if isinstance(leaf, TensorRef) else leaf,
        (call.args, dict(call.kwargs)),
    )
    results = lower(b, replace(call, operation=twin, args=args, kwargs=kwargs))
    rank = max(ranks.values())
    return tuple(
        emit_transpose(
            b, name, (0, rank - 1, *range(1, rank - 1), *range(rank, len(b.shape(name)))), suffix="channels_first"
        )
        if len(b.shape(name)) >= rank > 2
        else name
        for name in results
    )
