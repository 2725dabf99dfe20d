"""Make a plan of a float graph."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from octavo.config import WEIGHT_TYPES, LayerConfig, QuantizeConfig, Scheme, scheme_named, unknown_name
from octavo.dtypes import DType
from octavo.ir.types import Granularity, Graph, Node, PerAxis, PerTensor
from octavo.ops.table import spec_of
from octavo.plan.groups import group_tensors
from octavo.plan.roles import activation_inputs, weight_input
from octavo.plan.types import BiasRule, Island, Plan, WeightRule

# Smaller weights stay float under the dynamic scheme: quantizing inputs on the fly would cost more than it saves.
MINIMUM_HYBRID_ELEMENTS = 1024


def make_plan(graph: Graph, config: QuantizeConfig) -> Plan:
    """Plan the quantization of a float graph.

    Args:
        graph: Checked and passed through `octavo.passes`.
        config: Names the scheme, the layers kept in float, and what is different for some.

    Raises:
        ConfigError: if a pattern of `skip` or `layers` matches no layer.
    """
    scheme = scheme_named(config.scheme)
    check_skip(graph, (*config.skip, *(layer.pattern for layer in config.layers)))
    if scheme.activations is None:
        return Plan(scheme, frozenset(), (), _hybrid_weights(graph, scheme, config), (), (), ())
    islands = tuple(
        Island(node.outputs[0], node.op, node.layer, reason)
        for node in graph.nodes
        if (reason := float_reason(graph, node, scheme.activations, config.skip)) is not None
    )
    floating = {island.node for island in islands}
    integer = [node for node in graph.nodes if node.outputs[0] not in floating and _computes(graph, node)]
    groups, requantized = group_tensors(graph, integer, scheme.activations)
    weights, biases = _constants(graph, integer, scheme, config)
    return Plan(scheme, frozenset(node.outputs[0] for node in integer), groups, weights, biases, requantized, islands)


def check_skip(graph: Graph, patterns: Iterable[str]) -> None:
    """Refuse a pattern that names no layer.

    Raises:
        ConfigError: naming the closest layer.
    """
    named = (*(node.layer for node in graph.nodes), *(tensor.layer for tensor in graph.tensors.values()))
    layers = tuple(dict.fromkeys(filter(None, named)))
    for pattern in patterns:
        if not any(matches(layer, (pattern,)) for layer in layers):
            raise unknown_name("layer", pattern, layers)


def matches(layer: str, patterns: Iterable[str]) -> bool:
    """Whether a layer path equals, lies within, or fits one of the shell patterns."""
    return any(
        layer == pattern or layer.startswith(f"{pattern}/") or fnmatch.fnmatchcase(layer, pattern)
        for pattern in patterns
    )


def float_reason(graph: Graph, node: Node, activations: DType, skip: Iterable[str]) -> str | None:
    """Why a node cannot run on integers, or None if it can."""
    spec = spec_of(node.op)
    if not _computes(graph, node):
        return None
    if matches(node.layer, skip):
        return "named in skip"
    if spec.run_integer is None or activations not in spec.activations:
        return f"{node.op} has no {activations.value} kernel"
    return None


def _computes(graph: Graph, node: Node) -> bool:
    """Whether a node makes float values, as opposed to shapes and indices."""
    return any(graph.tensors[name].dtype.is_float for name in node.outputs)


def _weight_form(node: Node, scheme: Scheme, config: QuantizeConfig) -> tuple[DType, Granularity]:
    """Type and granularity of a node's weights: int8 where some runtime has no int4 kernel for it."""
    weight = spec_of(node.op).weight
    assert weight is not None
    own = next((layer for layer in config.layers if matches(node.layer, (layer.pattern,))), LayerConfig(""))
    dtype = scheme.weights if own.weights is None else WEIGHT_TYPES[own.weights]
    per_axis = config.per_axis if own.per_axis is None else own.per_axis
    if dtype is DType.INT4 and weight.int4 is not None:
        return dtype, weight.int4 if per_axis else PerTensor()
    return DType.INT8, PerAxis(weight.axis) if per_axis else PerTensor()


def _constants(
    graph: Graph, nodes: Iterable[Node], scheme: Scheme, config: QuantizeConfig
) -> tuple[tuple[WeightRule, ...], tuple[BiasRule, ...]]:
    weights, biases = [], []
    for node in nodes:
        spec = spec_of(node.op)
        weight = weight_input(graph, node, spec)
        if weight is None:
            continue
        weights.append(WeightRule(node.outputs[0], weight, *_weight_form(node, scheme, config)))
        bias = node.inputs[spec.bias] if spec.bias is not None and spec.bias < len(node.inputs) else None
        if bias is not None:
            data = activation_inputs(graph, node)[0][1]
            biases.append(BiasRule(node.outputs[0], bias, data, weight))
    return tuple(weights), tuple(biases)


def _hybrid_weights(graph: Graph, scheme: Scheme, config: QuantizeConfig) -> tuple[WeightRule, ...]:
    """Weights that shrink under float activations: all for float16, the large ones of hybrid kernels for dynamic."""
    rules = []
    for node in graph.nodes:
        spec = spec_of(node.op)
        name = weight_input(graph, node, spec)
        if name is None or scheme.weights is DType.FLOAT32 or matches(node.layer, config.skip):
            continue
        if scheme.weights is DType.FLOAT16:
            rules.append(WeightRule(node.outputs[0], name, DType.FLOAT16, PerTensor()))
        elif spec.weight is not None and spec.hybrid and graph.tensors[name].size >= MINIMUM_HYBRID_ELEMENTS:
            # Per tensor, LiteRT's hybrid DEPTHWISE_CONV_2D computes garbage.
            rules.append(WeightRule(node.outputs[0], name, scheme.weights, PerAxis(spec.weight.axis)))
    return tuple(rules)
