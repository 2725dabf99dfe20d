"""The network that deployment's rounding of weights makes, in float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from octavo.condition.method import Conditioned, settled
from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, with_nodes
from octavo.ir.types import Graph, Tensor
from octavo.numerics.affine import dequantize
from octavo.plan.types import Plan, WeightRule
from octavo.quantization.weights import largest_magnitude, quantize_weight


def with_rounded_weights(conditioned: Conditioned, plan: Plan) -> Graph:
    """The float graph as it is deployed, each planned weight rounded by its rule; nodes keep their order and results.

    What raises a limit where a bias would overflow follows from ranges of activations, and is not known yet.
    """
    graph = settled(conditioned).graph
    rules = {(rule.node, rule.input): rule for rule in plan.weights}
    tensors: dict[str, Tensor] = dict(graph.tensors)
    made: dict[tuple[object, ...], str] = {}
    nodes = []
    for node in graph.nodes:
        inputs = list(node.inputs)
        for i in range(len(inputs)):
            rule = rules.get((node.outputs[0], i))
            if rule is None:
                continue
            key = rule.tensor, rule.dtype, rule.granularity
            if key not in made:
                weight = graph.tensors[rule.tensor]
                made[key] = fresh_name(tensors, f"{rule.tensor}/rounded")
                tensors[made[key]] = replace(weight, name=made[key], data=rounded(weight, rule, conditioned.limits))
            inputs[i] = made[key]
        nodes.append(replace(node, inputs=tuple(inputs)))
    return with_nodes(replace(graph, tensors=tensors), nodes)


def rounded(weight: Tensor, rule: WeightRule, limits: Mapping[str, np.ndarray]) -> np.ndarray:
    """The reals that a weight's stored form stands for, float32, same shape."""
    if rule.dtype.is_float:
        with np.errstate(over="ignore"):
            return weight.values.astype(rule.dtype.numpy).astype(DType.FLOAT32.numpy)
    limit = limits.get(rule.tensor, largest_magnitude(weight.values, rule.granularity))
    return dequantize(*quantize_weight(weight.values, limit, rule.dtype, rule.granularity))
