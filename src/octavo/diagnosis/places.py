"""Where a quantized network rounds what its float network computes, and that network with some of it rounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from octavo.diagnosis.pair import Pair, real_constant
from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, producers, rename_inputs, with_nodes
from octavo.ir.types import Graph, Node, PerAxis, Quantization, Tensor
from octavo.ops.operands import bias_inputs, data_inputs, weight_inputs
from octavo.ops.roles import Bias
from octavo.ops.table import spec_of

Kind = Literal["weights", "bias", "constants", "activations", "operand"]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One tensor of the float graph that the file has as integers.

    Attributes:
        layer: The user's layer.
        kind: Weights and bias are constants, and so are those quantized like activations: the table of an embedding, a
            mask that is added. An operand is an activation that one operator reads otherwise rounded than it was made.
        node: First output of the float operator: the one that reads a constant or an operand, the one that makes an
            activation; an input's own name.
        tensor: The float tensor.
        dtype, parameters: What it is rounded to.
        index: Of the operator's input, for a constant or an operand.
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

    @property
    def is_constant(self) -> bool:
        """Whether it is rounded once for all samples."""
        return self.kind in ("weights", "bias", "constants")

    @property
    def measured(self) -> str:
        """What the error of an activation here is filed under."""
        return self.tensor if self.kind == "activations" else f"{self.node}/{self.index}"


def places_of(pair: Pair) -> tuple[Place, ...]:
    """Every place where the file rounds: inputs first, then by operator."""
    found: list[Place] = [
        place for name in pair.floats.inputs for place in _activation(pair, name, name, pair.floats.tensors[name])
    ]
    made_by = producers(pair.integers)
    for node in pair.floats.nodes:
        other = pair.nodes.get(node.outputs[0])
        if other is not None:
            found += _constants(pair, node, other)
            found += _operands(pair, node, other, made_by)
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


def _operands(pair: Pair, node: Node, other: Node, made_by: Mapping[str, Node]) -> list[Place]:
    """What an operator reads through a QUANTIZE: rounded a second time, for its layer; or first of all, for its own."""
    found = []
    for i, name in data_inputs(pair.floats, node):
        maker = made_by.get(str(other.inputs[i])) if i < len(other.inputs) else None
        if maker is None or maker.op != "QUANTIZE" or maker.outputs[0] == pair.tensors.get(name):
            continue
        real, entering = pair.floats.tensors[name], pair.integers.tensors[maker.outputs[0]]
        made = pair.integers.tensors.get(pair.tensors.get(name, ""))
        if entering.quantization is None or not real.dtype.is_float or real.is_constant:
            continue
        layer = layer_of(node) if made is not None and made.quantization is not None else real.layer or name
        found.append(Place(layer, "operand", node.outputs[0], name, entering.dtype, entering.quantization, i))
    return found


def _constants(pair: Pair, node: Node, other: Node) -> list[Place]:
    found = []
    kinds: tuple[tuple[Kind, tuple[tuple[int, str], ...]], ...] = (
        ("weights", weight_inputs(pair.floats, node)),
        ("bias", bias_inputs(pair.floats, node)),
        ("constants", tuple(each for each in data_inputs(pair.floats, node) if _is_real(pair.floats.tensors[each[1]]))),
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


def _is_real(tensor: Tensor) -> bool:
    """Whether a tensor is a constant of real numbers."""
    return tensor.is_constant and tensor.dtype.is_float


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
    behind = {place.tensor: place for place in places if place.kind == "activations"}
    at: dict[str, list[Place]] = {}
    for place in places:
        if place.kind != "activations":
            at.setdefault(place.node, []).append(place)
    tensors, nodes = dict(graph.tensors), []
    renamed: dict[str, str] = {}
    for name in graph.inputs:
        if name in behind:
            nodes += _fake_quantize(tensors, behind[name], renamed)
    for node in graph.nodes:
        own = at.get(node.outputs[0], [])
        (node,) = rename_inputs([node], renamed)
        node = _with_constants(node, [each for each in own if each.rounded is not None], tensors)
        for place in own:
            if place.kind == "operand":
                node = _with_operand(tensors, nodes, node, place)
        nodes.append(node)
        for name in node.outputs:
            if name in behind:
                nodes += _fake_quantize(tensors, behind[name], renamed)
    outputs = tuple(renamed.get(name, name) for name in graph.outputs)
    return with_nodes(replace(graph, tensors=tensors, outputs=outputs), nodes)


def _with_operand(tensors: dict[str, Tensor], nodes: list[Node], node: Node, place: Place) -> Node:
    """The operator with an operand rounded before it, by nodes that are added."""
    read = str(node.inputs[place.index])
    renamed: dict[str, str] = {}
    nodes += _fake_quantize(tensors, replace(place, tensor=read), renamed)
    return replace(
        node, inputs=tuple(renamed[read] if i == place.index else name for i, name in enumerate(node.inputs))
    )


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
