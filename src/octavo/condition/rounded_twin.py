"""A planned graph on Keras tensors: in float and, beside it, rounded, with scales and biases that train."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from octavo.condition.rounded_network import Learned, RoundedNetwork
from octavo.ir.types import Graph, Node
from octavo.numerics.fake_quantization import fake_quantize
from octavo.ops.fused import REAL_BOUNDS, FusedActivation, activation_of
from octavo.ops.table import spec_of

Values = dict[str, Any]

# What scales are moved in, as a share of themselves.
GAIN_STEP = 0.05


class Twin(keras.layers.Layer):
    """Computes both networks; inputs in the graph's order, results (float, rounded) of each tensor that counts."""

    def __init__(self, network: RoundedNetwork, **options: Any) -> None:
        super().__init__(**options)
        self.network = network

    def build(self, input_shape: Any) -> None:
        """Make a variable for the scales of each weight, and for each bias, that trains."""
        self.gains, self.shifts = {}, {}
        for i, layer in enumerate(self.network.learned):
            self.gains[layer.node] = self._zeros(f"gains_{i}", layer.scale.shape)
            if layer.bias_start is not None:
                self.shifts[layer.node] = self._zeros(f"shifts_{i}", layer.bias_start.shape)
        self.built = True

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        """Run both."""
        graph = self.network.graph
        given = dict(zip(graph.inputs, inputs, strict=True))
        exact = self._run(dict(given), {}, lambda name, x: x)
        rounded = self.rounded(given)
        return [each[name] for name in self.network.shares for each in (exact, rounded)]

    def rounded(self, given: Values) -> Values:
        """What the rounded network makes of inputs by name."""
        constants = {layer.weight: self._weight(layer) for layer in self.network.learned}
        constants |= {layer.bias: self._bias(layer) for layer in self.network.learned if layer.bias is not None}
        start = {name: self._quantized(name, x) for name, x in given.items()}
        return self._run(start, {**self.network.constants, **constants}, self._quantized)

    def found(self) -> dict[str, np.ndarray]:
        """The constants as they are deployed, by name: weights on their grid, biases real."""
        layers = self.network.learned
        values = {layer.weight: self._weight(layer) for layer in layers}
        values |= {layer.bias: self._bias(layer) for layer in layers if layer.bias is not None}
        return {name: ops.convert_to_numpy(value).astype(np.float32) for name, value in values.items()}

    def limits(self) -> dict[str, np.ndarray]:
        """What the largest integer of each weight stands for, by name; float32."""
        return {
            layer.weight: (layer.limit * ops.convert_to_numpy(self._gain(layer)).reshape(-1)).astype(np.float32)
            for layer in self.network.learned
        }

    def _zeros(self, name: str, shape: tuple[int, ...]) -> Any:
        return self.add_weight(shape=shape, initializer="zeros", name=name, dtype="float32")

    def _gain(self, layer: Learned) -> Any:
        return ops.exp(GAIN_STEP * self.gains[layer.node])

    def _integers(self, layer: Learned) -> Any:
        return ops.convert_to_tensor(layer.integers)

    def _weight(self, layer: Learned) -> Any:
        return self._integers(layer) * (ops.convert_to_tensor(layer.scale) * self._gain(layer))

    def _bias(self, layer: Learned) -> Any:
        return ops.convert_to_tensor(layer.bias_start) + self.shifts[layer.node] * layer.bias_step

    def _quantized(self, name: str, x: Any) -> Any:
        if name not in self.network.activations:
            return x
        dtype, parameters = self.network.activations[name]
        return fake_quantize(x, float(parameters.scale[0]), float(parameters.zero_point[0]), dtype)

    def _run(self, values: Values, constants: Mapping[str, Any], made: Callable[[str, Any], Any]) -> Values:
        graph = self.network.graph
        for node in graph.nodes:
            operands = [None if name is None else _operand(graph, name, values, constants) for name in node.inputs]
            result = _clamped(_form_of(node)(*operands), activation_of(node.options))
            values[node.outputs[0]] = made(node.outputs[0], result)
        return values


def _operand(graph: Graph, name: str, values: Values, constants: Mapping[str, Any]) -> Any:
    tensor = graph.tensors[name]
    if tensor.data is None:
        return values[name]
    value = constants.get(name, tensor.data)
    # Shapes and axes are wanted as numbers.
    return ops.convert_to_tensor(value) if tensor.dtype.is_float else value


def _form_of(node: Node) -> Callable[..., Any]:
    """An operator on Keras tensors, any batch size, without its activation."""
    spec, options = spec_of(node.op), node.options
    form = spec.matrix_form
    if form is not None:

        def linear(x: Any, weight: Any, bias: Any = None) -> Any:
            product = form.on_tensors(ops, options, x, weight)
            return product if bias is None else product + bias

        return linear
    if node.op == "RESHAPE":
        return lambda x, shape: ops.reshape(x, (-1, *(int(size) for size in shape[1:])))
    assert spec.training is not None
    function = spec.training(ops)
    taken = {name: getattr(options, name) for name in inspect.signature(function).parameters if hasattr(options, name)}
    return lambda *operands: function(*operands, **taken)


def _clamped(x: Any, activation: FusedActivation) -> Any:
    low, high = REAL_BOUNDS[activation]
    if activation is FusedActivation.NONE:
        return x
    return ops.relu(x) if np.isinf(high) else ops.clip(x, low, high)
