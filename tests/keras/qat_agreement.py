"""Whether the file made of a quantization-aware model predicts what the model predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np

from octavo.ir.graph import drop_dead
from octavo.ir.types import Graph
from octavo.numerics.affine import quantize
from octavo.ops.table import spec_of
from octavo.qat.deploy import deployed_tensors
from octavo.result import QuantizedModel
from octavo.run import reference

Arrays = Sequence[np.ndarray]


def assert_deployed_as_trained(model: keras.Model, quantized: QuantizedModel, inputs: Arrays) -> None:
    """Every tensor that Keras shows is computed by the file's integer kernels as in training, within a step.

    Each is computed from the nearest that Keras shows before it, as trained, so that no error hides another. Between
    them, every tensor inside a Keras call may be a step off. That the file computes what the integer kernels do was
    verified when it was made.
    """
    graph = quantized.graph
    trained = trained_values(model, graph, inputs)
    assert set(graph.outputs) <= set(trained)
    for name in trained:
        piece = between(graph, frozenset(trained), name)
        if not piece.nodes:
            continue
        entering = {key: as_stored(graph, key, trained[key]) for key in piece.inputs}
        deployed = as_trained(graph, name, reference.run(piece, entering)[name])
        difference = np.abs(deployed.astype(np.float64) - trained[name].astype(np.float64)).max(initial=0)
        bound = moved_by_one_step(piece, entering)[name] + step_of(graph, quantized_form(graph, name))
        assert difference <= bound, f"{name}: off by {difference:g}, {bound:g} is what rounding explains"


def trained_values(model: keras.Model, graph: Graph, inputs: Arrays) -> dict[str, np.ndarray]:
    """What the trained model computes at inference, by graph tensor."""
    shown = {name: tensor for name, tensor in deployed_tensors(model).items() if name in graph.tensors}
    structure = keras.tree.pack_sequence_as(model.input, list(inputs))
    values = keras.Model(model.input, list(shown.values())).predict(structure, batch_size=len(inputs[0]), verbose=0)
    return dict(zip(shown, values, strict=True))


def between(graph: Graph, known: frozenset[str], name: str) -> Graph:
    """The part of the graph that makes one tensor of known ones."""
    nodes = tuple(node for node in graph.nodes if name in node.outputs or not known & set(node.outputs))
    piece = drop_dead(replace(graph, inputs=(), outputs=(name,), nodes=nodes))
    made = {output for node in piece.nodes for output in node.outputs}
    read = dict.fromkeys(key for node in piece.nodes for key in node.inputs if key is not None)
    entering = tuple(key for key in read if key not in made and not graph.tensors[key].is_constant)
    return replace(piece, inputs=entering, tensors={**piece.tensors, **{key: graph.tensors[key] for key in entering}})


def moved_by_one_step(graph: Graph, inputs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """How far each output moves, at most, when every integer tensor before it is a step off.

    A kernel rounds in fixed point where training rounds in float, so that each may be. The sum of what each tensor
    moves alone bounds what they move together.
    """
    names = [name for node in graph.nodes for name in node.outputs]
    values = reference.run(graph, inputs, keep=[*graph.inputs, *graph.outputs, *names])
    values |= {name: tensor.data for name, tensor in graph.tensors.items() if tensor.data is not None}
    bounds = {name: own_step(graph, name, values[name]) for name in graph.outputs}
    for name in rounded(graph):
        moved = dict.fromkeys(graph.outputs, 0.0)
        for direction in directions(values[name]):
            for output, array in rerun(graph, values, {name: shift(graph, name, values[name], direction)}).items():
                distance = np.abs(as_real(graph, output, array) - as_real(graph, output, values[output])).max(initial=0)
                moved[output] = max(moved[output], float(distance))
        bounds = {output: bounds[output] + moved[output] for output in bounds}
    return bounds


def rounded(graph: Graph) -> list[str]:
    """Integer tensors that a node rounds to, outputs left out."""
    names = [
        name for node in graph.nodes if not getattr(spec_of(node.op).rule(), "moves", False) for name in node.outputs
    ]
    return [name for name in names if graph.tensors[name].quantization is not None and name not in graph.outputs]


def rerun(graph: Graph, values: Mapping[str, np.ndarray], changed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs that change when these tensors do."""
    for node in graph.nodes:
        if not changed.keys().isdisjoint(node.inputs):
            changed |= zip(node.outputs, reference.run_node(graph, node, {**values, **changed}), strict=True)
    return {name: changed[name] for name in graph.outputs if name in changed}


def directions(values: np.ndarray) -> list[np.ndarray]:
    """Up everywhere, down everywhere, and twice up here and down there."""
    rng = np.random.default_rng(0)
    return [np.ones(values.shape), -np.ones(values.shape), *(rng.choice([-1, 1], values.shape) for _ in range(2))]


def shift(graph: Graph, name: str, values: np.ndarray, direction: np.ndarray) -> np.ndarray:
    low, high = graph.tensors[name].dtype.integer_range
    return np.clip(values.astype(np.int64) + direction.astype(np.int64), low, high).astype(values.dtype)


def own_step(graph: Graph, name: str, values: np.ndarray) -> float:
    """The rounding of float32, and a step of an integer tensor."""
    largest = max(1.0, float(np.abs(as_real(graph, name, values)).max(initial=0)))
    return 16 * float(np.finfo(np.float32).eps) * largest + step_of(graph, name)


def step_of(graph: Graph, name: str | None) -> float:
    """The real size of an integer tensor's step; 0 for a float one and for none."""
    parameters = None if name is None else graph.tensors[name].quantization
    return 0.0 if parameters is None else float(parameters.scale[0])


def as_trained(graph: Graph, name: str, values: np.ndarray) -> np.ndarray:
    """Real values as training shows them: of a float tensor that integers are made of, rounded already."""
    rounded = quantized_form(graph, name)
    if rounded is None:
        return as_real(graph, name, values)
    return as_real(graph, rounded, as_stored(graph, rounded, values))


def quantized_form(graph: Graph, name: str) -> str | None:
    """The integer tensor that is made of a float one, if one is."""
    made = (node.outputs[0] for node in graph.nodes if node.op == "QUANTIZE" and name in node.inputs)
    return next(made, None) if graph.tensors[name].quantization is None else None


def as_real(graph: Graph, name: str, values: np.ndarray) -> np.ndarray:
    parameters = graph.tensors[name].quantization
    if parameters is None:
        return values.astype(np.float64)
    return (values.astype(np.float64) - parameters.zero_point[0]) * parameters.scale[0]


def as_stored(graph: Graph, name: str, values: np.ndarray) -> np.ndarray:
    tensor = graph.tensors[name]
    return values if tensor.quantization is None else quantize(values, tensor.quantization, tensor.dtype)
