"""What must hold of a call before it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.errors import InputError
from octavo.load.keras_graph import refusals
from octavo.ops.build import GraphBuilder

# Operations along the batch, or on all values in a row, whose results are of a size that Keras does not tell.
ALONG_THE_BATCH = frozenset({"Diagflat", "Flipud", "Outer", "Ravel", "ScatterUpdate", "Vsplit", "Vstack"})
# Operations that name an axis of what they make, which has one more than what they take.
NAMES_A_NEW_AXIS = frozenset({"ExpandDims", "OneHot", "Stack"})


def check_ranks(b: GraphBuilder, path: str, function: Any, inputs: Sequence[str]) -> None:
    """Refuse a nested model on another rank than its input's; Keras adds or drops a last dimension of 1 there.

    Raises:
        InputError: naming the model.
    """
    for tensor, name in zip(function.inputs, inputs, strict=True):
        shape = b.shape(name)
        if len(shape) != len(tensor.shape):
            raise InputError(
                f"model '{path}' is called on a tensor of another rank than its input's.",
                got=f"shape {shape}",
                expected=f"shape {tuple(tensor.shape)}",
                fix="reshape the tensor with keras.layers.Reshape before the call",
            )


def check_call(path: str, operation: Any) -> None:
    """Refuse what no lowering looks at, and what would be read wrongly.

    Raises:
        UnsupportedLayerError: for weights that Keras has quantized.
    """
    if getattr(operation, "quantization_mode", None) is not None:
        raise refusals.already_quantized(path, type(operation), operation.quantization_mode)


def mixes_batch(node: Any) -> bool:
    """Whether a call makes one thing of the samples of a batch of any size.

    What it makes does not begin with the batch then, or it works along it, or along all values.
    """
    if not any(tensor.shape[:1] == (None,) for tensor in node.input_tensors):
        return False
    name = type(node.operation).__name__
    return (
        name in ALONG_THE_BATCH
        or _is_along_batch(node, name)
        or any(each.shape[:1] != (None,) for each in node.outputs)
    )


def _is_along_batch(node: Any, name: str) -> bool:
    """Whether the axis that a call names is the batch's of what it names an axis of: its first argument, or result."""
    import keras

    if not hasattr(node.operation, "axis"):
        return False
    named_of = node.outputs if name in NAMES_A_NEW_AXIS else (node.arguments.args or node.input_tensors)[0]
    first = keras.tree.flatten(named_of)
    ranks = {len(each.shape) for each in first if getattr(each, "shape", (0,))[:1] == (None,)}
    named = node.operation.axis
    if named is None:  # functions then take all values in a row; layers mean something of their own by it
        return bool(ranks) and name != "Squeeze" and type(node.operation).__module__.startswith("keras.src.ops.")
    return any(axis % rank == 0 for axis in np.atleast_1d(named) for rank in ranks)
