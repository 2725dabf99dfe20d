"""From a weight in the graph back to the Keras variable it was made of.

A lowering may transpose and reshape a variable into a weight. To find out how, the model is loaded once more with every
element of every variable replaced by a number of its own: the weight then shows where each of its elements came from,
and no layer class needs to be known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from octavo.ir.types import Granularity, Graph, PerAxis
from octavo.plan.types import Plan
from octavo.training.quantized_layer import WeightObserver, WeightQuantizer, variables_of


def numbered_elements(model: keras.Model) -> dict[int, np.ndarray]:
    """For each variable, by `id`, an int64 array of its shape; no number occurs twice in the model."""
    numbers: dict[int, np.ndarray] = {}
    start = 1
    for variable in model.variables:
        size = int(np.prod(variable.shape, dtype=np.int64))
        numbers[id(variable)] = np.arange(start, start + size, dtype=np.int64).reshape(variable.shape)
        start += size
    return numbers


def weight_quantizers(
    model: keras.Model, plan: Plan, numbered: Graph, observer: WeightObserver
) -> dict[int, list[WeightQuantizer]]:
    """What to fake-quantize of each layer, by the layer's `id`.

    Args:
        model: Flat.
        plan: Of the graph loaded from it.
        numbered: The graph loaded from it with `numbered_elements` for values, before any pass.
        observer: Of weights.
    """
    variables = {
        int(numbers.flat[0]): (layer, path, numbers)
        for layer, path, numbers in _numbered_variables(model, numbered_elements(model))
    }
    starts = np.array(sorted(variables))
    quantizers: dict[int, list[WeightQuantizer]] = {}
    for rule in {rule.tensor: rule for rule in plan.weights}.values():
        elements = numbered.tensors[rule.tensor].data
        assert elements is not None
        start = starts[np.searchsorted(starts, elements.flat[0], side="right") - 1]
        layer, path, numbers = variables[int(start)]
        axes = shared_axes(numbers, elements, rule.granularity)
        quantizer = WeightQuantizer(path, rule.tensor, rule.dtype.value, axes, observer)
        quantizers.setdefault(id(layer), []).append(quantizer)
    return quantizers


def shared_axes(numbers: np.ndarray, elements: np.ndarray, granularity: Granularity) -> tuple[int, ...]:
    """The dimensions of a variable along which the scale of its weight does not change.

    Args:
        numbers: The variable's numbered elements.
        elements: The same numbers, arranged as in the weight.
        granularity: Of the weight.
    """
    if not isinstance(granularity, PerAxis):
        return tuple(range(numbers.ndim))
    shape = [1] * elements.ndim
    shape[granularity.axis] = -1
    channels = np.broadcast_to(np.arange(elements.shape[granularity.axis]).reshape(shape), elements.shape)
    flat_channels = np.empty(numbers.size, np.int64)
    flat_channels[elements.ravel() - numbers.flat[0]] = channels.ravel()
    channel_of = flat_channels.reshape(numbers.shape)
    return tuple(axis for axis in range(numbers.ndim) if not np.diff(channel_of, axis=axis).any())


def limits_as_weights(model: Any) -> dict[int, np.ndarray]:
    """Learned limits, spread over their variables, by `id` of the variable.

    Loaded and folded in the weights' place, they come out as the limits of the folded weights.
    """
    spread: dict[int, np.ndarray] = {}
    for layer in model.quantized_layers:
        variables = dict(variables_of(layer.layer))
        for path, limit in layer.learned_limits():
            magnitude = np.abs(keras.ops.convert_to_numpy(limit.value))
            spread[id(variables[path])] = np.broadcast_to(magnitude, variables[path].shape).astype(np.float32)
    return spread


def _numbered_variables(
    model: keras.Model, numbers: Mapping[int, np.ndarray]
) -> Iterator[tuple[keras.layers.Layer, str, np.ndarray]]:
    for layer in model.layers:
        for path, variable in variables_of(layer):
            yield layer, path, numbers[id(variable)]
