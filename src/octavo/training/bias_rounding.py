"""Biases as the deployed model rounds them.

A bias becomes an integer at the accumulator's scale, a fraction of an output step away from where it was. That is
nothing to train against, but in inference it decides which way values near the middle of two steps are rounded.
Training cannot know it beforehand, since the bias comes of folding batch normalization; so it is found when the
file is made, and kept here.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from octavo.ir.graph import producers
from octavo.ir.types import Graph
from octavo.ops.fused import FusedActivation
from octavo.ops.table import spec_of
from octavo.plan.types import Plan


@keras.saving.register_keras_serializable(package="octavo")
class BiasRounding(keras.layers.Layer):
    """Adds, in inference, what rounding the bias adds; the identity in training and before the file is made.

    Args:
        tensor: Graph name of the result of the operator that has the bias.
    """

    def __init__(self, tensor: str, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.tensor = tensor

    def build(self, input_shape: Any) -> None:
        """Make the offset, shape (channels,)."""
        self.offset = self.add_weight(name="offset", shape=(input_shape[-1],), initializer="zeros", trainable=False)
        self.built = True

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Offset `x`, channels last, in inference."""
        return x if training else x + ops.cast(self.offset, x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = super().get_config()
        return {key: config[key] for key in ("name", "dtype")} | {"tensor": self.tensor}


def linear_results(loaded: Graph, graph: Graph, plan: Plan) -> dict[str, str]:
    """Where biases take effect: by the tensor of `loaded` before any activation, the result of the operator.

    Args:
        loaded: The graph before the passes.
        graph: After them.
        plan: Of `graph`.
    """
    before, after = producers(loaded), producers(graph)
    places: dict[str, str] = {}
    for rule in plan.biases:
        fused = getattr(after[rule.node].options, "fused_activation_function", FusedActivation.NONE)
        source = before.get(rule.node)
        place = rule.node if fused is FusedActivation.NONE or source is None else source.inputs[0]
        if place is not None:
            places[place] = rule.node
    return places


def bias_offsets(graph: Graph, integer: Graph) -> dict[str, np.ndarray]:
    """What rounding adds to each bias, float32 of shape (channels,), by the result of the operator.

    Args:
        graph: The float graph.
        integer: Made of it by the plan.
    """
    made_by = producers(integer)
    offsets: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        bias = spec_of(node.op).bias
        if bias is None or bias >= len(node.inputs) or node.inputs[bias] is None:
            continue
        real = graph.tensors[str(node.inputs[bias])].data
        rounded = integer.tensors[str(made_by[node.outputs[0]].inputs[bias])]
        if real is not None and rounded.data is not None and rounded.quantization is not None:
            exact = rounded.data * rounded.quantization.scale.astype(np.float64)
            offsets[node.outputs[0]] = (exact - real).astype(np.float32)
    return offsets
