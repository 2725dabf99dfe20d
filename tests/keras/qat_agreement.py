"""Whether the file made of a quantization-aware model predicts what the model predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import keras
from octavo.evaluate.predict import predict
from octavo.ir.graph import drop_dead
from octavo.ir.types import Graph
from octavo.ops.table import spec_of
from octavo.result import QuantizedModel
from octavo.run import reference

Arrays = Sequence[np.ndarray]


def assert_deployed_as_trained(model: keras.Model, quantized: QuantizedModel, inputs: Arrays) -> None:
    """Every output of the file is the trained model's, but for what one step in any tensor before it can move it."""
    structure = keras.tree.pack_sequence_as(model.input, list(inputs))
    trained = keras.tree.flatten(model.predict(structure, batch_size=len(inputs[0]), verbose=0))
    deployed = predict(quantized.model, list(inputs) if len(inputs) > 1 else inputs[0])
    bounds = moved_by_one_step(quantized.graph, inputs)
    for name, value in zip(quantized.graph.outputs, trained, strict=True):
        difference = np.abs(deployed[name] - value).max(initial=0)
        assert difference <= bounds[name], f"{name}: off by {difference:g}, {bounds[name]:g} is what rounding explains"


def moved_by_one_step(graph: Graph, inputs: Arrays) -> dict[str, float]:
    """How far each output moves, at most, when every integer tensor before it is a step off.

    A kernel rounds in fixed point where training rounds in float, so that each may be. The sum of what each tensor
    moves alone bounds what they move together.
    """
    real = dict(zip(graph.inputs, inputs, strict=True))
    values = reference.run(graph, quantized_inputs(graph, real), keep=[*graph.inputs, *made(graph), *graph.outputs])
    bounds = {name: own_step(graph, name, values[name]) for name in graph.outputs}
    for name in made(graph):
        rest = drop_dead(replace(graph, inputs=(*graph.inputs, name), nodes=without(graph, name)))
        if not rest.nodes or graph.tensors[name].quantization is None:
            continue
        moved = {output: 0.0 for output in graph.outputs}
        for direction in directions(values[name]):
            shifted = {**{key: values[key] for key in graph.inputs}, name: shift(graph, name, values[name], direction)}
            for output, array in reference.run(replace(rest, inputs=tuple(shifted)), shifted).items():
                distance = np.abs(as_real(graph, output, array) - as_real(graph, output, values[output])).max(initial=0)
                moved[output] = max(moved[output], float(distance))
        bounds = {output: bounds[output] + moved[output] for output in bounds}
    return bounds


def made(graph: Graph) -> list[str]:
    """Tensors that a node which rounds makes, outputs left out."""
    nodes = [node for node in graph.nodes if not spec_of(node.op).moves]
    return [name for node in nodes for name in node.outputs if name not in graph.outputs]


def without(graph: Graph, name: str) -> tuple[Any, ...]:
    return tuple(node for node in graph.nodes if name not in node.outputs)


def directions(values: np.ndarray) -> list[np.ndarray]:
    """Up everywhere, down everywhere, and three times up here and down there."""
    rng = np.random.default_rng(0)
    return [np.ones(values.shape), -np.ones(values.shape), *(rng.choice([-1, 1], values.shape) for _ in range(3))]


def shift(graph: Graph, name: str, values: np.ndarray, direction: np.ndarray) -> np.ndarray:
    low, high = graph.tensors[name].dtype.integer_range
    return np.clip(values.astype(np.int64) + direction.astype(np.int64), low, high).astype(values.dtype)


def own_step(graph: Graph, name: str, values: np.ndarray) -> float:
    """A step of an integer tensor, or the rounding of float32 where one is float."""
    parameters = graph.tensors[name].quantization
    if parameters is not None:
        return float(parameters.scale[0]) * 1.001
    return 16 * float(np.finfo(np.float32).eps) * max(1.0, float(np.abs(values).max(initial=0)))


def as_real(graph: Graph, name: str, values: np.ndarray) -> np.ndarray:
    parameters = graph.tensors[name].quantization
    if parameters is None:
        return values
    return (values.astype(np.float64) - parameters.zero_point[0]) * parameters.scale[0]


def quantized_inputs(graph: Graph, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Real inputs as the graph takes them."""
    from octavo.numerics.affine import quantize

    tensors = {name: graph.tensors[name] for name in inputs}
    return {
        name: array if tensors[name].quantization is None else quantize(array, tensors[name].quantization, tensors[name].dtype)
        for name, array in inputs.items()
    }
