"""What each layer loses at each type, the others held: one row a layer and type, measured on samples held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from octavo.condition import GPTQ, Conditioned, Samples, condition
from octavo.condition.trial import Trial
from octavo.config import QuantizeConfig, layer_of_type
from octavo.errors import ConfigError
from octavo.ir.types import Graph
from octavo.plan.make import make_plan
from octavo.plan.types import Plan
from octavo.search.knapsack import Option


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A layer of a type.

    Attributes:
        layer: The user's name.
        type: A name in `octavo.config.LAYER_TYPES`.
        file_bytes: What its weights and biases take in a file.
        noise: What it adds to the squared error of the outputs, as a share of their square, to that of int8; negative
            where it takes some away.
    """

    layer: str
    type: str
    file_bytes: int
    noise: float


def sensitivities(
    graph: Graph,
    config: QuantizeConfig,
    trial: Trial,
    samples: Samples,
    types: Sequence[str],
    known: Sequence[Sensitivity] = (),
) -> Iterator[Sensitivity]:
    """Measure layer after layer, int8 first.

    Weights of four bits are rounded by their layers' outputs, as they would be; those of eight bits to nearest.

    Args:
        graph: The float graph.
        config: Of int8; what it says of layers stays.
        trial: By the plan of `config`.
        samples: To round weights on.
        types: Beside int8.
        known: Rows measured before, which are not measured again.
    """
    by_place = {(row.layer, row.type): row for row in known}

    @cache
    def base() -> float:
        return trial.noise_of(Conditioned(graph))

    @cache
    def of_four_bits() -> Conditioned:
        return condition(graph, make_plan(graph, replace(config, scheme="int8x4")), samples, [GPTQ()])

    for layer in layers_with_weights(trial.plan, graph):
        yield Sensitivity(layer, "int8", stored_bytes(graph, trial.plan, layer), 0.0)
        for name in types:
            plan = _plan_with(graph, config, layer, name)
            if plan is None or (plan.weights, plan.types) == (trial.plan.weights, trial.plan.types):
                continue
            if (layer, name) not in by_place:
                state = _weights_of(of_four_bits(), graph, plan, layer) if name == "int4" else Conditioned(graph)
                noise = replace(trial, plan=plan).noise_of(state) - base()
                by_place[layer, name] = Sensitivity(layer, name, stored_bytes(graph, plan, layer), noise)
            yield by_place[layer, name]


def layers_with_weights(plan: Plan, graph: Graph) -> tuple[str, ...]:
    """Layers that have a planned weight, in execution order."""
    ruled = {rule.node for rule in plan.weights}
    return tuple(dict.fromkeys(node.layer for node in graph.nodes if node.outputs[0] in ruled and node.layer))


def stored_bytes(graph: Graph, plan: Plan, layer: str) -> int:
    """What the weights and biases of a layer take, without their scales, each constant once."""
    nodes = {node.outputs[0] for node in graph.nodes if node.layer == layer}
    ruled = {rule.tensor: rule.dtype.bits for rule in plan.weights if rule.node in nodes}
    ruled |= {rule.tensor: rule.dtype.bits for rule in plan.biases if rule.node in nodes}
    constants = {
        name: graph.tensors[name]
        for node in graph.nodes
        if node.outputs[0] in nodes
        for name in node.inputs
        if name is not None and graph.tensors[name].data is not None
    }
    return sum(-(-each.size * ruled.get(name, each.dtype.bits) // 8) for name, each in constants.items())


def options_of(rows: Sequence[Sensitivity]) -> dict[str, list[Option]]:
    """The options of each layer; what a type takes away counts as nothing, as it is noise of the measurement."""
    options: dict[str, list[Option]] = {}
    for row in rows:
        options.setdefault(row.layer, []).append(Option(row.type, row.file_bytes, max(0.0, row.noise)))
    return options


def _plan_with(graph: Graph, config: QuantizeConfig, layer: str, name: str) -> Plan | None:
    """The plan with one layer of another type; None where a kernel is missing."""
    try:
        return make_plan(graph, replace(config, layers=(layer_of_type(layer, name), *config.layers)))
    except ConfigError:
        return None


def _weights_of(chosen: Conditioned, graph: Graph, plan: Plan, layer: str) -> Conditioned:
    """One layer's constants of a conditioned graph, and the limits of its weights."""
    nodes = {node.outputs[0] for node in graph.nodes if node.layer == layer}
    names = {rule.tensor for rule in plan.weights if rule.node in nodes}
    names |= {rule.tensor for rule in plan.biases if rule.node in nodes}
    deployed: Mapping[str, np.ndarray] = {name: chosen.graph.tensors[name].values for name in names}
    limits = {name: limit for name, limit in chosen.limits.items() if name in names}
    return Conditioned(graph, limits, deployed)
