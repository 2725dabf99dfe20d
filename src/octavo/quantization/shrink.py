"""The schemes whose activations stay float: weights alone get smaller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from octavo.dtypes import DType
from octavo.errors import NonFiniteError
from octavo.ir.graph import fresh_name, with_nodes
from octavo.ir.types import Graph, Node, NoOptions, Tensor
from octavo.plan.types import Plan, WeightRule
from octavo.quantization.weights import largest_magnitude, quantize_weight


def shrink_weights(graph: Graph, plan: Plan, limits: Mapping[str, np.ndarray] = MappingProxyType({})) -> Graph:
    """Store the planned weights smaller.

    int8 weights (dynamic) feed hybrid kernels, which quantize their float input on the fly; float16 weights pass
    through a DEQUANTIZE that runtimes fold when they load the file. A weight that some other node reads in float stands
    in both forms. `limits` are as `octavo.quantization.assign.assign` takes them.

    Raises:
        NonFiniteError: for a weight beyond float16.

    Source: LiteRT post-training quantization guide, dynamic range and float16.
    """
    if not plan.weights:
        return graph
    rules = {(rule.node, rule.input): rule for rule in plan.weights}
    kept = {name for node in graph.nodes for i, name in enumerate(node.inputs) if (node.outputs[0], i) not in rules}
    tensors = dict(graph.tensors)
    nodes: list[Node] = []
    made: dict[tuple[str, object], str] = {}
    for node in graph.nodes:
        inputs = list(node.inputs)
        for i in range(len(inputs)):
            rule = rules.get((node.outputs[0], i))
            if rule is None:
                continue
            key = rule.tensor, rule.granularity
            if key not in made:
                weight = graph.tensors[rule.tensor]
                made[key] = fresh_name(tensors, weight.name) if weight.name in kept else weight.name
                nodes += _store(replace(weight, name=made[key]), rule, limits, tensors)
            inputs[i] = made[key]
        nodes.append(replace(node, inputs=tuple(inputs)))
    return with_nodes(graph, nodes, tensors.values())


def _store(
    weight: Tensor, rule: WeightRule, limits: Mapping[str, np.ndarray], tensors: dict[str, Tensor]
) -> tuple[Node, ...]:
    """Add the smaller form of a weight to `tensors`, and return what makes float32 of it where no kernel does."""
    if rule.dtype is not DType.FLOAT16:
        limit = limits.get(rule.tensor, largest_magnitude(weight.values, rule.granularity))
        values, parameters = quantize_weight(weight.values, limit, rule.dtype, rule.granularity)
        tensors[weight.name] = replace(weight, dtype=rule.dtype, data=values, quantization=parameters)
        return ()
    half = fresh_name(tensors, f"{weight.name}/half")
    largest = np.finfo(np.float16).max
    if np.abs(weight.values).max(initial=0) > largest:
        raise NonFiniteError(
            f"layer '{weight.layer}' has a weight that float16 cannot hold.",
            got=f"{np.abs(weight.values).max():g} in tensor '{weight.name}'",
            expected=f"at most {largest:g}",
            fix=f"keep the layer in float32 with skip=['{weight.layer}'], or train with weight decay",
        )
    tensors[half] = Tensor(half, weight.shape, DType.FLOAT16, weight.values.astype(np.float16), None, weight.layer)
    tensors[weight.name] = replace(weight, data=None)
    return (Node("DEQUANTIZE", (half,), (weight.name,), NoOptions(), weight.layer),)
