"""What must hold of a call before it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from octavo.errors import InputError
from octavo.load.keras_graph import refusals
from octavo.ops.build import GraphBuilder


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
