"""How kernels round before the rounding of their results, as the trained model sees it in inference.

Two things are nothing to train against, but in inference decide which way values near the middle of two steps fall:

The integers of a bias stand for a real bias up to half an accumulator step away, which moves every result by up to a
hundredth of an output step.

LiteRT's convolutions with int4 weights multiply sums by a fixed-point number and shift the product, rounding each time.
The first rounding leaves fractions of a step, as few as eight where weights are coarse, so that results up to a
sixteenth of a step below the middle are rounded up.

Training cannot know either beforehand, since they come of folding batch normalization; so they are found when the
file is made, and kept here.

Source: tensorflow/lite/kernels/internal/common.h, MultiplyByQuantizedMultiplier; ruy/kernel_avx2_fma.cc, which rounds
halves up both times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from octavo.ir.graph import producers
from octavo.ir.types import Graph, Node
from octavo.ops.accumulate import AccumulatorConstants
from octavo.ops.fused import FusedActivation, activation_of
from octavo.ops.operands import bias_inputs
from octavo.ops.prepare import prepared
from octavo.ops.table import spec_of
from octavo.plan.types import Plan


@dataclass(frozen=True, slots=True)
class Rounding:
    """How the kernel of one linear operator rounds.

    Attributes:
        offset: What rounding its bias adds, float32 of shape (channels,).
        fraction: The real size of what the first rounding leaves of a step, likewise; 0 where there is only one.
    """

    offset: np.ndarray
    fraction: np.ndarray


@keras.saving.register_keras_serializable(package="octavo")
class KernelRounding(keras.layers.Layer):
    """Rounds, in inference, as the kernel does; the identity in training and before the file is made.

    Args:
        tensor: Graph name of the result of the operator.
    """

    def __init__(self, tensor: str, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype, autocast=False)
        self.tensor = tensor

    def build(self, input_shape: Any) -> None:
        """Make offset and fraction, each of shape (channels,)."""
        self.offset, self.fraction = (
            self.add_weight(name=name, shape=(input_shape[-1],), initializer="zeros", trainable=False, dtype="float32")
            for name in ("offset", "fraction")
        )
        self.built = True

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Round `x`, channels last, in inference."""
        if training:
            return x
        value, fraction = ops.cast(x, "float32") + self.offset.value, self.fraction.value
        # A quarter more makes the next rounding, to the nearest step, take halves up, and moves nothing else.
        fractions = ops.floor(value / ops.where(fraction > 0, fraction, 1.0) + 0.5) + 0.25
        return ops.cast(ops.where(fraction > 0, fractions * fraction, value), x.dtype)

    def compute_output_spec(self, x: Any, training: bool | None = None) -> Any:
        """A dense tensor of the input's shape and dtype, whatever Keras holds of the input."""
        return keras.KerasTensor(x.shape, x.dtype)

    def set_rounding(self, rounding: Rounding) -> None:
        """Round so from now on."""
        for variable, value in ((self.offset, rounding.offset), (self.fraction, rounding.fraction)):
            variable.assign(np.broadcast_to(value, variable.shape))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = super().get_config()
        return {key: config[key] for key in ("name", "dtype")} | {"tensor": self.tensor}


def linear_results(loaded: Graph, graph: Graph, plan: Plan) -> dict[str, str]:
    """Where kernels round: by the tensor of `loaded` before any activation, the result of the linear operator.

    Args:
        loaded: The graph before the passes.
        graph: After them.
        plan: Of `graph`.
    """
    before, after = producers(loaded), producers(graph)
    places: dict[str, str] = {}
    for rule in plan.weights:
        fused = activation_of(after[rule.node].options)
        source = before.get(rule.node)
        place = rule.node if fused is FusedActivation.NONE or source is None else source.inputs[0]
        if place is not None and rule.node in plan.types:
            places[place] = rule.node
    return places


def kernel_roundings(graph: Graph, integer: Graph) -> dict[str, Rounding]:
    """How the kernel of each linear operator rounds, by the operator's result.

    Args:
        graph: The float graph.
        integer: Made of it by the plan.
    """
    made_by = producers(integer)
    return {
        node.outputs[0]: Rounding(_offset(graph, integer, node, made), _fraction(integer, made))
        for node in graph.nodes
        if spec_of(node.op).weights
        for made in (made_by[node.outputs[0]],)
        if integer.tensors[made.outputs[0]].quantization is not None
    }


def _offset(graph: Graph, integer: Graph, node: Node, made: Node) -> np.ndarray:
    """What rounding adds to the bias of a node."""
    biases = bias_inputs(graph, node)
    if not biases:
        return np.zeros(1, np.float32)
    ((index, name),) = biases
    real, rounded = graph.tensors[name].data, integer.tensors[str(made.inputs[index])]
    if real is None or rounded.data is None or rounded.quantization is None:
        return np.zeros(1, np.float32)
    exact = rounded.data * rounded.quantization.scale.astype(np.float64)
    return (exact - real).astype(np.float32)


def _fraction(integer: Graph, made: Node) -> np.ndarray:
    """What the first rounding of an integer node's kernel leaves of a step of its result."""
    index, role = spec_of(made.op).weights[0]
    if integer.tensors[str(made.inputs[index])].dtype not in role.rounds_twice:
        return np.zeros(1, np.float32)
    constants: AccumulatorConstants = prepared(integer, made)
    scale = integer.tensors[made.outputs[0]].scale
    return (scale * 2.0 ** np.minimum(constants.requantization.shift_bits, 0)).astype(np.float32)
