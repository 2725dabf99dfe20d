"""Tensors whose channels can be scaled together, with nothing but constants changed around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.condition.biases import linear_bias
from octavo.ir.graph import consumers, operands, results
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation, activation_of
from octavo.ops.matrix_form import MatrixForm
from octavo.ops.operands import data_inputs
from octavo.ops.table import spec_of

# Activations that a positive factor passes through.
HOMOGENEOUS = (FusedActivation.NONE, FusedActivation.RELU)


@dataclass(frozen=True, slots=True)
class Linear:
    """A node that multiplies by constants of its own, so that what scales its operands or results goes into these."""

    node: Node
    data: str
    weight: str
    bias: str
    form: MatrixForm


@dataclass(frozen=True, slots=True, eq=False)
class Scalable:
    """Tensors whose channels are scaled together.

    Attributes:
        tensors: In execution order.
        count: How many factors there are.
        places: For each tensor the factor of each channel, int64; -1 for a channel that stays as it is.
        makers: The nodes that make the tensors of other ones.
        readers: The nodes that make others of them.
        clipped: Those whose maker clips its results, so that factors may only scale what lies within.
    """

    tensors: tuple[str, ...]
    count: int
    places: Mapping[str, np.ndarray]
    makers: tuple[Linear, ...]
    readers: tuple[Linear, ...]
    clipped: frozenset[str]

    def of_channels(self, name: str, factors: np.ndarray) -> np.ndarray:
        """The factor of each channel of a tensor."""
        return np.append(factors, 1.0)[self.places[name]]


def scalable(graph: Graph) -> tuple[Scalable, ...]:
    """All such sets of tensors that some linear node makes and some linear node reads, and nothing else.

    Channels that anything else makes or reads stay; those that a concatenation lays beside them need not.
    """
    readers, linear = consumers(graph), linear_nodes(graph)
    computed = [name for name, tensor in graph.tensors.items() if tensor.data is None and tensor.shape]
    widths = [graph.tensors[name].shape[-1] for name in computed]
    first = dict(zip(computed, np.concatenate([[0], np.cumsum(widths)]).astype(int), strict=False))
    channels = {name: first[name] + np.arange(width) for name, width in zip(computed, widths, strict=True)}
    fixed = [channels[name] for name in (*graph.inputs, *graph.outputs) if name in channels]
    pairs = [np.zeros((2, 0), int)]
    clipped = set[str]()
    for node in graph.nodes:
        own = linear.get(node.outputs[0])
        if own is not None:
            clipped |= set() if activation_of(node.options) in HOMOGENEOUS else {*node.outputs}
            continue
        tied = _tied(graph, node, channels)
        if tied is None:
            fixed += [channels[name] for name in (*node.inputs, *node.outputs) if name in channels]
        else:
            pairs += tied
    alike = _components(np.concatenate(pairs, axis=1), sum(widths))
    stuck = set(alike[np.concatenate(fixed)].tolist()) if fixed else set[int]()
    made_by = {name: linear[node.outputs[0]] for node in graph.nodes for name in node.outputs[:1] if name in linear}
    found = []
    for names in _together(computed, {name: set(alike[own].tolist()) - stuck for name, own in channels.items()}):
        makers = tuple(made_by[name] for name in names if name in made_by)
        reading = {node.outputs[0]: node for name in names for node in readers[name] if node.outputs[0] in linear}
        if makers and reading:
            free = sorted({label for name in names for label in alike[channels[name]].tolist()} - stuck)
            number = {label: i for i, label in enumerate(free)}
            places = {name: np.array([number.get(label, -1) for label in alike[channels[name]]]) for name in names}
            ends = tuple(linear[name] for name in reading)
            found.append(Scalable(names, len(free), places, makers, ends, frozenset(clipped & {*names})))
    return tuple(found)


def scaled(graph: Graph, each: Scalable, factors: np.ndarray) -> dict[str, np.ndarray]:
    """The constants that multiply the channels of these tensors by positive factors, and change no others.

    Args:
        graph: The float graph.
        each: Of it.
        factors: float64, shape (each.count,).

    Returns:
        float32 constants by name.
    """
    changed: dict[str, np.ndarray] = {}

    def matrices(node: Linear) -> np.ndarray:
        weight = changed.get(node.weight, graph.tensors[node.weight].values)
        return node.form.matrices(graph.tensors[node.data].shape, weight.astype(np.float64))

    for maker in each.makers:
        m, own = matrices(maker), each.of_channels(maker.node.outputs[0], factors)
        changed[maker.weight] = stored(graph, maker, m * own.reshape(m.shape[0], 1, m.shape[2]))
        bias = graph.tensors[maker.bias].values
        changed[maker.bias] = (bias * own.reshape(bias.shape)).astype(np.float32)
    for reader in each.readers:
        m, own = matrices(reader), each.of_channels(reader.data, factors)
        changed[reader.weight] = stored(graph, reader, m / per_input(own, m.shape))
    return changed


def per_input(channels: np.ndarray, matrices: Sequence[int]) -> np.ndarray:
    """Numbers of channels as those of the inputs of matrices [groups, inputs, outputs]: [groups, inputs, 1]."""
    groups, inputs, _ = matrices
    by_group = channels.reshape(groups, -1)
    return np.tile(by_group, inputs // by_group.shape[1])[:, :, np.newaxis]


def stored(graph: Graph, node: Linear, matrices: np.ndarray) -> np.ndarray:
    """Matrices as the node's weight, float32."""
    return node.form.weight(matrices, graph.tensors[node.weight].shape).astype(np.float32)


def linear_nodes(graph: Graph) -> dict[str, Linear]:
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


def _tied(graph: Graph, node: Node, channels: Mapping[str, np.ndarray]) -> list[np.ndarray] | None:
    """Pairs of channels that have one factor for a node to do nothing but scale, [2, pairs]; None where it does more.

    It has no constant operand, then, nor an activation that clips.
    """
    spec, (made, *_) = spec_of(node.op), results(graph, node)
    entering = [graph.tensors[name] for _, name in data_inputs(graph, node)]
    if activation_of(node.options) not in HOMOGENEOUS or any(
        each.data is not None or not each.shape for each in entering
    ):
        return None
    if spec.channelwise(node.options, operands(graph, node), made):
        own = channels[made.name]
        return [_repeated(own, channels[each.name]) for each in entering]
    if spec.joins_channels(node.options, operands(graph, node), made):
        beside = np.concatenate([channels[each.name] for each in entering])
        return [np.stack([channels[made.name], beside])]
    return None


def _repeated(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pairs, the shorter of the two repeated."""
    size = max(len(one), len(other))
    return np.stack([np.resize(one, size), np.resize(other, size)])


def _components(pairs: np.ndarray, count: int) -> np.ndarray:
    """A number for each of `count` things, the same for those that pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(pairs.shape[1], np.int8)
    return np.asarray(connected_components(coo_array((ones, (pairs[0], pairs[1])), (count, count)), directed=False)[1])


def _together(names: Sequence[str], labels: Mapping[str, set[int]]) -> list[tuple[str, ...]]:
    """Names that share labels, directly or by others; those without a label left out."""
    owners: dict[int, int] = {}
    pairs = []
    for i, name in enumerate(names):
        pairs += [(i, owners.setdefault(label, i)) for label in labels[name]]
    found: dict[int, list[str]] = {}
    for name, number in zip(names, _components(np.array(pairs, int).reshape(-1, 2).T, len(names)), strict=True):
        if labels[name]:
            found.setdefault(int(number), []).append(name)
    return [tuple(each) for each in found.values()]
