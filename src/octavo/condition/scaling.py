"""Tensors whose channels can be scaled together, with nothing but constants changed around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.condition.biases import linear_bias
from octavo.ir.graph import consumers, operands, results
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.fused import FusedActivation, activation_of
from octavo.ops.matrix_form import MatrixForm
from octavo.ops.operands import data_inputs
from octavo.ops.table import spec_of

# Activations that a positive factor passes through.
_HOMOGENEOUS = (FusedActivation.NONE, FusedActivation.RELU)


@dataclass(frozen=True, slots=True)
class Linear:
    """A node that multiplies by constants of its own, so that what scales its operands or results goes into these."""

    node: Node
    data: str
    weight: str
    bias: str
    form: MatrixForm


@dataclass(frozen=True, slots=True)
class Scalable:
    """Tensors whose channels have one factor each, in common.

    Attributes:
        tensors: In execution order.
        channels: How many factors; a tensor with more channels repeats them.
        makers: The nodes that make the tensors of other ones.
        readers: The nodes that make others of them.
        clipped: Whether a maker clips its results, so that the factors may only scale what lies within.
    """

    tensors: tuple[str, ...]
    channels: int
    makers: tuple[Linear, ...]
    readers: tuple[Linear, ...]
    clipped: bool


def scalable(graph: Graph) -> tuple[Scalable, ...]:
    """All such sets of tensors that some linear node makes and some linear node reads, and nothing else."""
    readers, linear = consumers(graph), _linear_nodes(graph)
    root = {name: name for name, tensor in graph.tensors.items() if tensor.data is None}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    fixed = {*graph.inputs, *graph.outputs, *(name for name in root if not graph.tensors[name].shape)}
    clipped: set[str] = set()
    for node in graph.nodes:
        own = linear.get(node.outputs[0])
        entering = [name for name in node.inputs if name in root]
        if own is not None:
            clipped |= set() if activation_of(node.options) in _HOMOGENEOUS else {*node.outputs}
            continue
        if _only_scales(graph, node):
            for name in entering:
                root[find(name)] = find(node.outputs[0])
        else:
            fixed.update((*entering, *node.outputs))
    stuck = {find(name) for name in fixed if name in root}
    sets: dict[str, list[str]] = {}
    for name in root:
        if find(name) not in stuck:
            sets.setdefault(find(name), []).append(name)
    made_by = {
        name: linear[node.outputs[0]] for node in graph.nodes for name in node.outputs if node.outputs[0] in linear
    }
    found = []
    for names in sets.values():
        makers = tuple(made_by[name] for name in names if name in made_by)
        reading = {node.outputs[0]: node for name in names for node in readers[name] if node.outputs[0] in linear}
        channels = min(graph.tensors[name].shape[-1] for name in names)
        if makers and reading and all(_repeats(graph, name, channels) for name in names):
            clips = any(name in clipped for name in names)
            found.append(Scalable(tuple(names), channels, makers, tuple(linear[name] for name in reading), clips))
    return tuple(found)


def scaled(graph: Graph, each: Scalable, factors: np.ndarray) -> dict[str, np.ndarray]:
    """The constants that multiply the channels of these tensors by positive factors, and change no others.

    Args:
        graph: The float graph.
        each: Of it.
        factors: float64, shape (channels,).

    Returns:
        float32 constants by name.
    """
    changed: dict[str, np.ndarray] = {}

    def matrices(node: Linear) -> np.ndarray:
        weight = changed.get(node.weight, graph.tensors[node.weight].values)
        return node.form.matrices(graph.tensors[node.data].shape, weight.astype(np.float64))

    for maker in each.makers:
        m = matrices(maker)
        own = np.tile(factors, m.shape[0] * m.shape[2] // each.channels)
        changed[maker.weight] = _stored(graph, maker, m * own.reshape(m.shape[0], 1, m.shape[2]))
        bias = graph.tensors[maker.bias].values
        changed[maker.bias] = (bias * own.reshape(bias.shape)).astype(np.float32)
    for reader in each.readers:
        m = matrices(reader)
        changed[reader.weight] = _stored(graph, reader, m / per_input(factors, m.shape, graph.tensors[reader.data]))
    return changed


def per_input(factors: np.ndarray, matrices: Sequence[int], data: Tensor) -> np.ndarray:
    """Factors of channels as those of the inputs of matrices [groups, inputs, outputs]: [groups, inputs, 1]."""
    groups, inputs, _ = matrices
    channels = np.tile(factors, data.shape[-1] // len(factors)).reshape(groups, -1)
    return np.tile(channels, inputs // channels.shape[1])[:, :, np.newaxis]


def _stored(graph: Graph, node: Linear, matrices: np.ndarray) -> np.ndarray:
    return node.form.weight(matrices, graph.tensors[node.weight].shape).astype(np.float32)


def _linear_nodes(graph: Graph) -> dict[str, Linear]:
    """The nodes that multiply by a float weight, and add a bias, which nothing else reads; by first output."""
    readers, found = consumers(graph), {}
    for node in graph.nodes:
        spec, bias = spec_of(node.op), linear_bias(node)
        if spec.matrix_form is None or bias is None:
            continue
        (index, _), (_, role) = spec.weights[0], spec.biases[0]
        data, weight = str(node.inputs[role.data]), str(node.inputs[index])
        constants = [graph.tensors[name] for name in (weight, bias)]
        alone = all(each.data is not None and len(readers[each.name]) == 1 for each in constants)
        if alone and all(each.dtype.is_float for each in constants) and graph.tensors[data].data is None:
            found[node.outputs[0]] = Linear(node, data, weight, bias, spec.matrix_form)
    return found


def _only_scales(graph: Graph, node: Node) -> bool:
    """Whether factors of channels pass through a node: it has no constant operand, nor an activation that clips."""
    spec, entering = spec_of(node.op), operands(graph, node)
    return (
        activation_of(node.options) in _HOMOGENEOUS
        and not any(graph.tensors[name].data is not None for _, name in data_inputs(graph, node))
        and spec.channelwise(node.options, entering, results(graph, node)[0])
    )


def _repeats(graph: Graph, name: str, channels: int) -> bool:
    return channels > 0 and graph.tensors[name].shape[-1] % channels == 0
