"""Make a plan of a float graph."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Mapping, Sequence

from octavo.config import (
    ACTIVATION_TYPES,
    LAYERS_SHOWN,
    WEIGHT_TYPES,
    LayerConfig,
    QuantizeConfig,
    Scheme,
    scheme_named,
    unknown_name,
)
from octavo.dtypes import DType
from octavo.errors import ConfigError
from octavo.ir.graph import consumers, operands, producers
from octavo.ir.types import Granularity, Graph, Node, PerTensor
from octavo.ops.operands import bias_inputs, data_inputs, real_outputs, weight_inputs
from octavo.ops.roles import Bias, Weight
from octavo.ops.stored import StoredOperator
from octavo.ops.table import OPS, spec_of
from octavo.plan.groups import group_tensors, state_members
from octavo.plan.tables import find_tables
from octavo.plan.types import BIAS_TYPES, BiasRule, Island, Plan, Table, WeightRule

# Smaller weights stay float under the dynamic scheme: quantizing inputs on the fly would cost more than it saves.
MINIMUM_HYBRID_ELEMENTS = 1024
# Types of a model's output that int8 is handed over as, or comes before.
HANDED_AS_INT8 = (None, DType.INT8.value, DType.UINT8.value)


def make_plan(graph: Graph, config: QuantizeConfig, inside: Collection[str] = ()) -> Plan:
    """Plan the quantization of a float graph.

    Args:
        graph: Checked and passed through `octavo.passes`.
        config: Names the scheme, the layers kept in float, and what is different for some.
        inside: Results of operators that are int16 where they would be int8, though the model's inputs and outputs stay
            int8.

    Raises:
        ConfigError: if a pattern of `skip` or `layers` matches no layer, or if no kernel has the scheme's weights.
    """
    scheme = scheme_named(config.scheme)
    _check_kernels(scheme)
    check_skip(graph, (*config.skip, *(layer.pattern for layer in config.layers)))
    if scheme.activations is None:
        return Plan(scheme, {}, {}, (), _hybrid_weights(graph, scheme, config), (), (), ())
    types: dict[str, DType] = {}
    islands: list[Island] = []
    guards = _guards(graph, scheme, config)
    tables = find_tables(
        graph,
        lambda node: wanted_activations(node, scheme, config) is DType.INT8,
        lambda node: float_reason(node, DType.INT8, config) is None,
    )
    looked_up = {node for table in tables for node in table.nodes}
    for node in graph.nodes:
        if not _computes(graph, node) or node in looked_up:
            continue
        wanted = wanted_activations(node, scheme, config)
        reason = float_reason(node, wanted, config) or guards.get(node.outputs[0]) or _loose_bias(graph, node)
        if wanted is not None and reason is None and own_config_of(node, config).activations is None:
            wanted, reason = safe_activations(graph, node, wanted)
        if reason is not None:
            islands.append(Island(node.outputs[0], node.op, node.layer, reason))
        elif wanted is not None:
            types[node.outputs[0]] = wanted
    natives = _natives(graph, types, scheme.activations, tables)
    handed: dict[str, DType] = {}
    for node in graph.nodes:
        if node.outputs[0] in inside and types.get(node.outputs[0]) is DType.INT8:
            types[node.outputs[0]] = DType.INT16
            natives |= dict.fromkeys(real_outputs(graph, node), DType.INT16)
            handed |= {name: DType.INT8 for name in real_outputs(graph, node) if name in graph.outputs}
    if config.output_type not in HANDED_AS_INT8:
        handed = {}
    groups, requantized = group_tensors(graph, types, natives, tables, handed)
    weights, biases = _constants(graph, types, scheme, config)
    return Plan(scheme, types, natives, groups, weights, biases, requantized, tuple(islands), tuple(tables), handed)


def _check_kernels(scheme: Scheme) -> None:
    """Refuse a scheme whose weights no kernel multiplies its activations by.

    Raises:
        ConfigError: naming the types that some kernel has.
    """
    beside = scheme.activations or DType.FLOAT32
    known = {dtype for spec in OPS.values() for _, role in spec.weights for dtype in role.types.get(beside, {})}
    known |= {DType.FLOAT32, DType.FLOAT16} if scheme.activations is None else set()
    if scheme.weights not in known:
        raise ConfigError(
            f"no kernel has the weights of scheme '{scheme.name}'.",
            got=f"{scheme.weights.value} weights beside {beside.value} activations",
            expected=", ".join(sorted(dtype.value for dtype in known)),
            fix="use a scheme that `octavo ops` lists, or add the type to the weights of the op table's rows",
        )


def check_skip(graph: Graph, patterns: Iterable[str]) -> None:
    """Refuse a pattern that names no layer.

    Raises:
        ConfigError: naming the closest layer.
    """
    named = (*(node.layer for node in graph.nodes), *(tensor.layer for tensor in graph.tensors.values()))
    layers = tuple(dict.fromkeys(filter(None, named)))
    operators = {operator_name(node) for node in graph.nodes}
    for pattern in patterns:
        if pattern not in operators and not any(matches(layer, (pattern,)) for layer in layers):
            raise unknown_name("layer", pattern, layers, LAYERS_SHOWN)


def matches(layer: str, patterns: Iterable[str]) -> bool:
    """Whether a layer path equals, lies within, or fits one of the shell patterns."""
    return any(
        layer == pattern or layer.startswith(f"{pattern}/") or fnmatch.fnmatchcase(layer, pattern)
        for pattern in patterns
    )


def operator_name(node: Node) -> str:
    """What names the operators of one kind in a layer alone: "scores:SOFTMAX"."""
    return f"{node.layer}:{node.op}"


def named_by(node: Node, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns means a node: its layer, or only the operators of its kind in there."""
    return any(pattern == operator_name(node) or matches(node.layer, (pattern,)) for pattern in patterns)


def own_config(layer: str, config: QuantizeConfig) -> LayerConfig:
    """What a configuration says of one layer alone; the first pattern that fits counts."""
    return next((own for own in config.layers if matches(layer, (own.pattern,))), LayerConfig(""))


def own_config_of(node: Node, config: QuantizeConfig) -> LayerConfig:
    """What a configuration says of the operators of a node's kind in its layer, or of the layer."""
    return next((own for own in config.layers if named_by(node, (own.pattern,))), LayerConfig(""))


def wanted_activations(node: Node, scheme: Scheme, config: QuantizeConfig) -> DType | None:
    """The type a node's activations shall have; None where they shall stay float."""
    own = own_config_of(node, config).activations
    if named_by(node, config.skip):
        return None
    return scheme.activations if own is None else ACTIVATION_TYPES[own]


def stays_float(node: Node, config: QuantizeConfig) -> bool:
    """Whether a configuration keeps a node in float, by `skip` or by the layer's own activations."""
    return named_by(node, config.skip) or own_config_of(node, config).activations == "float32"


def float_reason(node: Node, wanted: DType | None, config: QuantizeConfig) -> str | None:
    """Why a node cannot run on integers of the wanted type, or None if it can."""
    if wanted is None:
        return "named in skip" if named_by(node, config.skip) else "float32 by the layer's configuration"
    if isinstance(node.options, StoredOperator):
        return "Octavo has no row for it, and keeps it as the file stores it"
    spec = spec_of(node.op)
    has_kernel = spec.integer is not None and wanted in spec.activations
    if not has_kernel and spec.on_integers(node.options, wanted) is None:
        return f"{node.op} has no {wanted.value} kernel"
    return None


def safe_activations(graph: Graph, node: Node, wanted: DType) -> tuple[DType, str | None]:
    """The narrowest type from `wanted` on whose kernels no input ends; and why it is none of integers, where it is not.

    A type that a layer's configuration names is taken at its word instead.
    """
    spec, inputs = spec_of(node.op), operands(graph, node)
    if not (hazard := spec.hazard(node.options, inputs, wanted)):
        return wanted, None
    wider = wanted is DType.INT8 and DType.INT16 in spec.activations & spec.micro
    if wider and not spec.hazard(node.options, inputs, DType.INT16):
        return DType.INT16, None
    return DType.FLOAT32, hazard


def _guards(graph: Graph, scheme: Scheme, config: QuantizeConfig) -> dict[str, str]:
    """Operators by result that stay in float beside one with a pole, and why.

    A constant that keeps the argument of a square root away from 0 is less than a step of it: added to integers, it is
    lost, and the float operator behind makes infinity of 0.
    """
    makers, guards = producers(graph), {}
    for node in graph.nodes:
        wanted = wanted_activations(node, scheme, config)
        if not spec_of(node.op).pole or float_reason(node, wanted, config) is None:
            continue
        for _, name in data_inputs(graph, node):
            if name in makers and _is_affine(graph, makers[name]):
                guards[name] = f"what it adds keeps {node.op} from its pole, which stays in float"
    return guards


def _loose_bias(graph: Graph, node: Node) -> str | None:
    """Why a bias has no scale, where its weights are no constant; None where it has one, or there is none."""
    known, spec = {place for place, _ in bias_inputs(graph, node)}, spec_of(node.op)
    given = (i for i, _ in spec.biases if i < len(node.inputs) and node.inputs[i] is not None)
    return "its bias belongs to weights that are no constant" if any(i not in known for i in given) else None


def _is_affine(graph: Graph, node: Node) -> bool:
    """Whether a node scales or adds a constant."""
    operands = (name for _, name in data_inputs(graph, node))
    return spec_of(node.op).affine is not None and any(graph.tensors[name].is_constant for name in operands)


def _computes(graph: Graph, node: Node) -> bool:
    """Whether a node works on real values, as opposed to shapes and indices."""
    made = any(graph.tensors[name].dtype.is_float for name in node.outputs)
    return made or (bool(data_inputs(graph, node)) and not spec_of(node.op).of_shapes)


def _natives(graph: Graph, types: Mapping[str, DType], default: DType, tables: Sequence[Table]) -> dict[str, DType]:
    """The integer type that each activation is made in.

    An input of the model comes in the first type it is read in; one that nothing reads, in the scheme's.
    """
    natives = {
        name: types[node.outputs[0]]
        for node in graph.nodes
        if node.outputs[0] in types
        for name in real_outputs(graph, node)
    }
    for node in graph.nodes:
        if node.outputs[0] in types:
            natives |= {state.tensor: state.dtype for state, _ in state_members(node, types[node.outputs[0]])}
    natives |= {table.result: DType.INT8 for table in tables if graph.tensors[table.result].dtype.is_float}
    read: dict[str, list[DType]] = {name: [] for name in graph.inputs}
    for table in tables:
        read.get(table.source, []).append(DType.INT8)
    for node in graph.nodes:
        for _, name in data_inputs(graph, node):
            if name in read and node.outputs[0] in types:
                read[name].append(types[node.outputs[0]])
    if not default.is_float:
        readers = consumers(graph)
        unread = {name for name in read if not readers[name]}.difference(graph.outputs)
        read |= {name: [default] for name in unread if graph.tensors[name].dtype.is_float}
    return natives | {name: default if default in dtypes else dtypes[0] for name, dtypes in read.items() if dtypes}


def wanted_weights(node: Node, scheme: Scheme, config: QuantizeConfig) -> DType:
    """The type a node's weights shall have."""
    own = own_config_of(node, config).weights
    return scheme.weights if own is None else WEIGHT_TYPES[own]


def _weight_form(
    node: Node, role: Weight, activations: DType, scheme: Scheme, config: QuantizeConfig
) -> tuple[DType, Granularity]:
    """Type and granularity of a weight: int8 where some runtime has no kernel for the wanted type."""
    own = own_config_of(node, config)
    per_axis = config.per_axis if own.per_axis is None else own.per_axis
    types, wanted = role.types[activations], wanted_weights(node, scheme, config)
    dtype = wanted if wanted in types else DType.INT8
    return dtype, types[dtype] if per_axis else PerTensor()


def _constants(
    graph: Graph, types: Mapping[str, DType], scheme: Scheme, config: QuantizeConfig
) -> tuple[tuple[WeightRule, ...], tuple[BiasRule, ...]]:
    weights, biases = [], []
    for node in graph.nodes:
        name = node.outputs[0]
        if name not in types:
            continue
        spec, activations = spec_of(node.op), types[name]
        for i, tensor in weight_inputs(graph, node):
            role = spec.role(i)
            if isinstance(role, Weight):
                weights.append(WeightRule(name, i, tensor, *_weight_form(node, role, activations, scheme, config)))
        for i, tensor in bias_inputs(graph, node):
            bias = spec.role(i)
            if isinstance(bias, Bias):
                data = str(node.inputs[bias.data])
                biases.append(BiasRule(name, i, tensor, BIAS_TYPES[activations], data, bias.weight))
    return tuple(weights), tuple(biases)


def _hybrid_weights(graph: Graph, scheme: Scheme, config: QuantizeConfig) -> tuple[WeightRule, ...]:
    """Weights that shrink under float activations: all for float16, the large ones of hybrid kernels for dynamic."""
    rules = []
    for node in graph.nodes:
        for i, name in weight_inputs(graph, node):
            role = spec_of(node.op).role(i)
            hybrid = role.types.get(DType.FLOAT32, {}) if isinstance(role, Weight) else {}
            if scheme.weights is DType.FLOAT32 or stays_float(node, config):
                continue
            if scheme.weights is DType.FLOAT16:
                rules.append(WeightRule(node.outputs[0], i, name, DType.FLOAT16, PerTensor()))
            elif scheme.weights in hybrid and graph.tensors[name].size >= MINIMUM_HYBRID_ELEMENTS:
                rules.append(WeightRule(node.outputs[0], i, name, scheme.weights, hybrid[scheme.weights]))
    return tuple(rules)
