"""Weights that calls are given: parts of variables, and what is computed of variables alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from octavo.ir.types import Granularity, Graph, PerAxis
from octavo.load.keras_graph import load_keras
from octavo.plan.types import WeightRule
from octavo.qat.layers.quantized_weight import QuantizedWeight
from octavo.qat.surgery.blueprint import Blueprint
from octavo.qat.surgery.origins import changing_variables
from octavo.qat.surgery.refuse import cannot_train
from octavo.qat.surgery.weights import WeightedNode, linear_node

# Of values that a backend and the loader compute each in their own way.
SAME_VALUE = 1e-4


def given_weights(blueprint: Blueprint) -> dict[int, dict[int, QuantizedWeight]]:
    """What rounds each weight that is no variable, where it enters its call: by `id` of the call and of the tensor.

    Which tensor of the model becomes which constant of the graph, and where each element goes, is seen by giving every
    variable other values: both then have the same numbers.

    Raises:
        UnsupportedLayerError: for a weight that is computed inside a call, which training could not round.
    """
    origins, found = blueprint.origins, [(rule, linear_node(blueprint, rule)) for rule in blueprint.plan.weights]
    computed = [
        (rule, linear)
        for rule, linear in found
        if origins.depends_on_variables(linear.weight) and origins.of(linear.weight) is None
    ]
    if not computed:
        return {}
    values = _drawn(blueprint.flat)
    graph = load_keras(blueprint.flat, values=values).graph
    layers: dict[int, dict[int, QuantizedWeight]] = {}
    for number, (rule, linear) in enumerate(computed):
        place = next(_places(blueprint, rule, linear, graph, values), None)
        if place is None or _folded_across(blueprint, linear, rule.granularity):
            raise cannot_train(linear.node.layer, f"weight '{linear.weight}', computed from what trains")
        call, tensor, axes = place
        layer = QuantizedWeight(rule.tensor, rule.dtype.value, axes, name=f"quantized_weight_{number}")
        layers.setdefault(id(call), {})[id(tensor)] = layer
    return layers


def _drawn(model: keras.Model) -> dict[int, np.ndarray]:
    """Values for the variables that may change, by `id`, no two of them alike."""
    rng = np.random.default_rng(0)
    return {
        id(variable): rng.uniform(0.5, 2.0, variable.shape).astype(np.float32)
        for _, _, variable in changing_variables(model)
    }


def _places(
    blueprint: Blueprint, rule: WeightRule, linear: WeightedNode, graph: Graph, values: dict[int, np.ndarray]
) -> Iterator[tuple[Any, Any, tuple[int, ...]]]:
    """(call, tensor, dimensions that share a scale) of each tensor among a call's arguments that is the weight."""
    constant = graph.tensors[linear.weight].values
    for call in blueprint.calls():
        if not any(node.outputs == linear.node.outputs for node in blueprint.call_nodes(call)):
            continue
        for tensor in call.arguments.keras_tensors:
            if id(tensor) not in blueprint.names and None not in tensor.shape:
                axes = _shared(blueprint.value_of(tensor, values), constant, linear.axis, rule.granularity)
                if axes is not None:
                    yield call, tensor, axes


def _shared(tensor: np.ndarray, constant: np.ndarray, axis: int, granularity: Granularity) -> tuple[int, ...] | None:
    """The dimensions of a tensor that share a scale of the constant made of it; None if it is not made so."""
    here, there = np.argsort(tensor, axis=None, kind="stable"), np.argsort(constant, axis=None, kind="stable")
    if tensor.size != constant.size or not np.allclose(tensor.ravel()[here], constant.ravel()[there], rtol=SAME_VALUE):
        return None
    if not isinstance(granularity, PerAxis):
        return tuple(range(tensor.ndim))
    channels = np.empty(tensor.size, np.int64)
    channels[here] = np.unravel_index(there, constant.shape)[axis]
    places = np.indices(tensor.shape).reshape(tensor.ndim, -1)[:, np.argsort(channels, kind="stable")]
    places = places.reshape(tensor.ndim, constant.shape[axis], -1)
    kept = [dimension for dimension in range(tensor.ndim) if (places[dimension] == places[dimension, :, :1]).all()]
    exact = np.prod([tensor.shape[dimension] for dimension in kept], dtype=np.int64) == constant.shape[axis]
    return tuple(dimension for dimension in range(tensor.ndim) if dimension not in kept) if exact else None


def _folded_across(blueprint: Blueprint, linear: WeightedNode, granularity: Granularity) -> bool:
    """Whether folding scales elements apart that share a scale, so that rounding does not commute with it."""
    scaled = linear.before if isinstance(granularity, PerAxis) else (*linear.before, *linear.after)
    constants = (blueprint.loaded.tensors[name] for node in scaled for name in node.inputs if name is not None)
    return any(tensor.is_constant and tensor.size > 1 for tensor in constants)
