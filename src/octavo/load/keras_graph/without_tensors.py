"""Operations whose results depend on no tensor of the graph: Keras computes them while the model is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from octavo.load.keras_graph import refusals
from octavo.load.keras_graph.call import Call, map_leaves, references, to_numpy
from octavo.ops.build import GraphBuilder
from octavo.ops.spec import TensorRef

# Operations whose result follows from the shape of their input alone.
BY_SHAPE = frozenset({"ops.OnesLike", "ops.ZerosLike", "ops.FullLike", "ops.EmptyLike"})


def without_tensors(b: GraphBuilder, call: Call, name: str | None) -> tuple[np.ndarray, ...] | None:
    """The results of an operation that depends on no tensor, or on the shape of one; None of any other call.

    Args:
        b: The graph that is being read.
        call: Of a layer or operation.
        name: Of its form, if it may have one.
    """
    import keras

    operation, arguments = call.operation, (call.args, dict(call.kwargs))
    if (references(arguments) and name not in BY_SHAPE) or isinstance(operation, keras.layers.Layer):
        return None
    stand_ins = {id(value) for value in call.values.values()}

    def known(leaf: Any) -> Any:
        if isinstance(leaf, TensorRef):
            return np.zeros(b.shape(leaf.name), np.float32)
        return leaf.astype(np.float32) if id(leaf) in stand_ins else leaf

    args, kwargs = map_leaves(known, arguments)
    try:
        return tuple(to_numpy(result) for result in keras.tree.flatten(operation(*args, **kwargs)))
    except (TypeError, ValueError) as error:  # of what Keras knows on symbols, and its backend not on numbers
        raise refusals.unreadable(b.layer, name or type(operation).__name__, error) from error
