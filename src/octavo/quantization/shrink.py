"""The schemes whose activations stay float: weights alone get smaller."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, with_nodes
from octavo.ir.types import Graph, Node, NoOptions, Tensor
from octavo.plan.types import Plan
from octavo.quantization.weights import largest_magnitude, quantize_weight


def shrink_weights(graph: Graph, plan: Plan) -> Graph:
    """Store the planned weights smaller.

    int8 weights (dynamic) feed hybrid kernels, which quantize their float input on the fly; float16 weights pass
    through a DEQUANTIZE that runtimes fold when they load the file.

    Source: LiteRT post-training quantization guide, dynamic range and float16.
    """
    tensors: dict[str, Tensor] = {}
    nodes: list[Node] = []
    for rule in plan.weights:
        weight = graph.tensors[rule.tensor]
        if weight.data is None or rule.tensor in tensors:
            continue
        if rule.dtype is DType.FLOAT16:
            half = fresh_name(graph.tensors, f"{rule.tensor}/half")
            largest = np.finfo(np.float16).max
            data = np.clip(weight.data, -largest, largest).astype(np.float16)
            tensors[half] = Tensor(half, weight.shape, DType.FLOAT16, data, None, weight.layer)
            tensors[rule.tensor] = replace(weight, data=None)
            nodes.append(Node("DEQUANTIZE", (half,), (rule.tensor,), NoOptions(), weight.layer))
        else:
            limit = largest_magnitude(weight.data, rule.granularity)
            values, parameters = quantize_weight(weight.data, limit, rule.dtype, rule.granularity)
            tensors[rule.tensor] = replace(weight, dtype=rule.dtype, data=values, quantization=parameters)
    return with_nodes(graph, (*nodes, *graph.nodes), tensors.values()) if tensors else graph
