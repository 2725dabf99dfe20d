"""Where a quantized network rounds what its float network computes, and that network with some of it rounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from octavo.diagnosis.pair import Pair, real_constant
from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, rename_inputs, with_nodes
from octavo.ir.types import Graph, Node, PerAxis, Quantization, Tensor
from octavo.ops.operands import bias_inputs, weight_inputs
from octavo.ops.roles import Bias
from octavo.ops.table import spec_of

Kind = Literal["weights", "bias", "activations"]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One tensor of the float graph that the file has as integers.

    Attributes:
        layer: The user's layer.
        kind: Weights and bias are constants.
        node: First output of the float operator: the one that reads a constant, the one that makes an activation; an
            input's own name.
        tensor: The float tensor.
        dtype, parameters: What it is rounded to.
        index: Of the operator's input, for a constant.
        rounded: The reals the integers stand for, for a constant.
    """

    layer: str
    kind: Kind
    node: str
    tensor: str
    dtype: DType
    parameters: Quantization
    index: int = -1
    rounded: np.ndarray | None = None

    @property
    def per_axis(self) -> bool:
        """Whether it has a scale for each channel."""
        return isinstance(self.parameters.granularity, PerAxis)


def places_of(pair: Pair) -> tuple[Place, ...]:
    """Every place where the file rounds: inputs first, then by operator."""
    found: list[Place] = [
        place for name in pair.floats.inputs for place in _activation(pair, name, name, pair.floats.tensors[name])
    ]
    for node in pair.floats.nodes:
        other = pair.nodes.get(node.outputs[0])
        if other is not None:
            found += _constants(pair, node, other)
        if not _moves(node):
            for name in node.outputs:
                found += _activation(pair, node.outputs[0], name, pair.floats.tensors[name], layer_of(node))
    return tuple(found)


def layer_of(node: Node) -> str:
    """What a user knows an operator by."""
    return node.layer or node.outputs[0]


def _moves(node: Node) -> bool:
    """Whether an operator's results are values of its inputs, which were rounded before."""
    return bool(getattr(spec_of(node.op).rule(), "moves", False))


def _activation(pair: Pair, node: str, name: str, tensor: Tensor, layer: str = "") -> list[Place]:
    other = pair.integers.tensors.get(pair.tensors.get(name, ""))
    if other is None or other.quantization is None or not tensor.dtype.is_float:
        return []
    return [Place(layer or tensor.layer or name, "activations", node, name, other.dtype, other.quantization)]


def _constants(pair: Pair, node: Node, other: Node) -> list[Place]:
    found = []
    kinds: tuple[tuple[Kind, tuple[tuple[int, str], ...]], ...] = (
        ("weights", weight_inputs(pair.floats, node)),
        ("bias", bias_inputs(pair.floats, node)),
    )
    for kind, inputs in kinds:
        for i, name in inputs:
            stored = pair.integers.tensors.get(str(other.inputs[i])) if i < len(other.inputs) else None
            if stored is None or stored.quantization is None:
                continue
            real, wanted = _real(pair, node, other, kind, stored), pair.floats.tensors[name]
            if real is not None and real.size == wanted.size:
                real = real.reshape(wanted.shape).astype(np.float32)
                found.append(
                    Place(layer_of(node), kind, node.outputs[0], name, stored.dtype, stored.quantization, i, real)
                )
    return found


def _real(pair: Pair, node: Node, other: Node, kind: Kind, stored: Tensor) -> np.ndarray | None:
    """What kernels make of a constant: a bias counts in steps of data times weights, whatever the file says of it."""
    bias = next((role for role in spec_of(node.op).inputs if isinstance(role, Bias)), None)
    if kind != "bias" or bias is None or stored.data is None:
        return real_constant(stored)
    data, weight = (pair.integers.tensors[str(other.inputs[i])].quantization for i in (bias.data, bias.weight))
    if data is None or weight is None:
        return real_constant(stored)
    return stored.data.astype(np.float64) * (float(data.scale[0]) * weight.scale.astype(np.float64))


def with_rounding(graph: Graph, places: Iterable[Place]) -> Graph:
    """The float graph with these places rounded as the file rounds them; ports keep their order.

    Constants are replaced; behind an activation stand a QUANTIZE and a DEQUANTIZE.
    """
    places = tuple(places)
    constants = [place for place in places if place.rounded is not None]
    behind = {place.tensor: place for place in places if place.rounded is None}
    tensors, nodes = dict(graph.tensors), []
    renamed: dict[str, str] = {}
    for name in graph.inputs:
        if name in behind:
            nodes += _fake_quantize(tensors, behind[name], renamed)
    for node in graph.nodes:
        (node,) = rename_inputs([node], renamed)
        nodes.append(_with_constants(node, [each for each in constants if each.node == node.outputs[0]], tensors))
        for name in node.outputs:
            if name in behind:
                nodes += _fake_quantize(tensors, behind[name], renamed)
    outputs = tuple(renamed.get(name, name) for name in graph.outputs)
    return with_nodes(replace(graph, tensors=tensors, outputs=outputs), nodes)


def _with_constants(node: Node, places: Sequence[Place], tensors: dict[str, Tensor]) -> Node:
    inputs = list(node.inputs)
    for place in places:
        name = fresh_name(tensors, f"{place.tensor}/rounded")
        tensors[name] = replace(tensors[place.tensor], name=name, data=place.rounded)
        inputs[place.index] = name
    return replace(node, inputs=tuple(inputs)) if places else node


def _fake_quantize(tensors: dict[str, Tensor], place: Place, renamed: dict[str, str]) -> list[Node]:
    real = tensors[place.tensor]
    integer = fresh_name(tensors, f"{place.tensor}/integers")
    tensors[integer] = replace(real, name=integer, dtype=place.dtype, quantization=place.parameters)
    back = fresh_name(tensors, f"{place.tensor}/back")
    tensors[back] = replace(real, name=back)
    renamed[place.tensor] = back
    return [
        Node("QUANTIZE", (place.tensor,), (integer,), layer=real.layer),
        Node("DEQUANTIZE", (integer,), (back,), layer=real.layer),
    ]


def with_twins(graph: Graph, places: Iterable[Place]) -> tuple[Graph, dict[str, str]]:
    """The float graph with, beside each operator whose constants are rounded, one that has them rounded.

    Returns:
        The graph, and the twin's result by the operator's; both read the same unrounded inputs.
    """
    constants = [place for place in places if place.rounded is not None]
    tensors, nodes, twins = dict(graph.tensors), [], {}
    for node in graph.nodes:
        nodes.append(node)
        own = [each for each in constants if each.node == node.outputs[0]]
        if own and not any(name and graph.tensors[name].is_variable for name in node.inputs):
            outputs = tuple(fresh_name(tensors, f"{name}/twin") for name in node.outputs)
            tensors |= {new: replace(tensors[old], name=new) for old, new in zip(node.outputs, outputs, strict=True)}
            nodes.append(replace(_with_constants(node, own, tensors), outputs=outputs))
            twins[node.outputs[0]] = outputs[0]
    return with_nodes(replace(graph, tensors=tensors, outputs=(*graph.outputs, *twins.values())), nodes), twins
