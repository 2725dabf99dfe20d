"""The mean of each channel of a network's tensors, as far as it follows from what batch normalizations remember.

Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", appendix C, which
has the mean of a clipped normal in closed form; weighed values have that of any activation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.condition.normals import Normal, expectation
from octavo.condition.offsets import handed_on, hands_on
from octavo.condition.scaling import Linear, per_input
from octavo.dtypes import DType
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation, activation_of, clamp_real
from octavo.ops.operands import data_inputs
from octavo.ops.table import spec_of
from octavo.run.reference import run_node


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """The distribution of each channel of a tensor, as a function of what is normal.

    Attributes:
        root: The tensor that is taken for normal.
        values: What this one is where the root has the values of `Normal.values`; float32, shape (values, channels).
    """

    root: str
    values: np.ndarray


def expected_means(graph: Graph, linear: Mapping[str, Linear], normals: Mapping[str, Normal]) -> dict[str, np.ndarray]:
    """Mean of each channel of the tensors whose statistics follow from normalizations; float64, by name.

    What is normalized is taken for normal, with the mean and the deviation that the normalization gives it. What
    operators make of one such tensor element by element, activations above all, has the mean of what they make of its
    values. Means pass through averages, sums and concatenations, and through layers without an activation.

    Args:
        graph: The float graph.
        linear: Its linear nodes, by first output.
        normals: By tensor, before any activation fused into what makes it.
    """
    spreads = {name: _normal(graph, name, normals, FusedActivation.NONE) for name in graph.inputs}
    known = {name: spread for name, spread in spreads.items() if spread is not None}
    means = {name: expectation(spread.values) for name, spread in known.items()}
    for node in graph.nodes:
        name, own = node.outputs[0], linear.get(node.outputs[0])
        entering = [each for _, each in data_inputs(graph, node)]
        spread = _spread(graph, node, known, normals)
        if spread is not None:
            known[name], means[name] = spread, expectation(spread.values)
        elif own is None:
            handed = handed_on(graph, node, means) if hands_on(graph, node) else None
            means |= {name: handed} if handed is not None and all(each in means for each in entering) else {}
        elif own.data in means and activation_of(node.options) is FusedActivation.NONE:
            weight, bias = (graph.tensors[each].values.astype(np.float64) for each in (own.weight, own.bias))
            means[name] = product(own, graph.tensors[own.data].shape, weight, means[own.data]) + bias.ravel()
    return means


def product(own: Linear, shape: tuple[int, ...], weight: np.ndarray, means: np.ndarray) -> np.ndarray:
    """What a layer makes of inputs that are their means everywhere, without its bias; one number a channel."""
    matrices = own.form.matrices(shape, weight)
    return (matrices * per_input(means, matrices.shape)).sum(axis=1).ravel()


def _spread(graph: Graph, node: Node, known: Mapping[str, Spread], normals: Mapping[str, Normal]) -> Spread | None:
    """The distribution of what a node makes; None where it does not follow."""
    computed = dict.fromkeys(each for each in node.inputs if each is not None and graph.tensors[each].data is None)
    spreads = [known[each] for each in computed if each in known]
    if len(spreads) == len(computed) and len({each.root for each in spreads}) == 1:
        if _same_everywhere(graph, node):
            return _of_elements(graph, node, known, spreads[0].root)
        if len(computed) == 1 and _only_moves(graph, node):
            return spreads[0]
    # Of a single input, the normal is what enters, whatever the operator makes of it.
    found = _normal(graph, node.outputs[0], normals, activation_of(node.options)) if len(node.inputs) > 1 else None
    adds = len(spreads) == len(computed) > 1 and spec_of(node.op).passes_offsets and _same_everywhere(graph, node)
    return _sum(node, spreads) if found is None and adds else found


def _sum(node: Node, spreads: Sequence[Spread]) -> Spread:
    """The sum of what different layers make, taken for independent of each other and their sum for normal."""
    means = [expectation(each.values) for each in spreads]
    variances = [expectation(np.square(each.values - mean)) for each, mean in zip(spreads, means, strict=True)]
    values = Normal(np.sum(means, axis=0), np.sqrt(np.sum(variances, axis=0))).values
    return Spread(node.outputs[0], clamp_real(values, activation_of(node.options)))


def _normal(graph: Graph, name: str, normals: Mapping[str, Normal], activation: FusedActivation) -> Spread | None:
    if name not in normals or graph.tensors[name].shape[-1:] != normals[name].mean.shape:
        return None
    return Spread(name, clamp_real(normals[name].values, activation))


def _same_everywhere(graph: Graph, node: Node) -> bool:
    """Whether a node makes of each element the same as of others of its channel."""
    made = graph.tensors[node.outputs[0]]
    last = made.shape[-1:]
    operands = [graph.tensors[name] for name in node.inputs if name is not None]
    return (
        spec_of(node.op).pointwise
        and made.dtype is DType.FLOAT32
        and all(each.shape[-1:] == last if each.data is None else each.size in (1, *last) for each in operands)
        and all(each.shape[-1:] in ((), (1,), last) for each in operands)
    )


def _of_elements(graph: Graph, node: Node, known: Mapping[str, Spread], root: str) -> Spread | None:
    """What such a node makes of what it is given; None where that is not finite."""
    values = {
        name: known[name].values if tensor.data is None else tensor.data.reshape(tensor.shape[-1:])
        for name, tensor in ((name, graph.tensors[name]) for name in node.inputs if name is not None)
    }
    with np.errstate(all="ignore"):
        made = run_node(graph, node, values)[0]
    return Spread(root, made) if np.isfinite(made).all() else None


def _only_moves(graph: Graph, node: Node) -> bool:
    """Whether a node hands each element of its input on as it is, in the channel it is in."""
    names, made = [name for _, name in data_inputs(graph, node)], graph.tensors[node.outputs[0]]
    entering = graph.tensors[names[0]]
    return (
        len(names) == 1
        and hands_on(graph, node)
        and (entering.size, *entering.shape[-1:])
        == (
            made.size,
            *made.shape[-1:],
        )
    )
