"""Logarithms of shares that reach below what their operator's fixed scale holds, written with a scale of their own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, with_nodes
from octavo.ir.types import Graph, Node, NoOptions, Options, Shape, Tensor
from octavo.numerics.affine import Range
from octavo.ops.elementwise_kernels import AddOptions, SubOptions
from octavo.ops.reduce import ReducerOptions
from octavo.ops.softmax import LOWEST_LOGARITHM
from octavo.plan.types import Plan
from octavo.quantization.split_spans import Split


def int8_logarithms(graph: Graph, plan: Plan) -> list[Node]:
    """The operators LOG_SOFTMAX of a float graph that a plan lets run on int8."""
    return [node for node in graph.nodes if node.op == "LOG_SOFTMAX" and plan.types.get(node.outputs[0]) is DType.INT8]


def reaches_below(entering: Range) -> bool:
    """Whether inputs lie further apart than results can."""
    low, high = entering
    return high - low > -LOWEST_LOGARITHM


def open_logarithm(before: Split, node: Node, entering: Range) -> Split:
    """Let the largest logarithm alone have the fixed scale, which is never far below 0.

        LOG_SOFTMAX(x)  =>  (x - REDUCE_MAX(x)) + REDUCE_MAX(LOG_SOFTMAX(x))

    Args:
        before: The graph that it is in, and what came of others.
        node: It.
        entering: Real (low, high) of its input.
    """
    tensors, ranges, nodes = dict(before.graph.tensors), dict(before.ranges), list[Node]()
    x, y = tensors[str(node.inputs[0])], tensors[node.outputs[0]]
    span, rows = entering[1] - entering[0], (*y.shape[:-1], 1)

    def made(op: str, inputs: tuple[str, ...], options: Options, shape: Shape, reach: Range) -> str:
        name = fresh_name(tensors, f"{y.name}/{op.lower()}")
        tensors[name], ranges[name] = replace(y, name=name, shape=shape), reach
        nodes.append(Node(op, inputs, (name,), options, node.layer))
        return name

    axis = fresh_name(tensors, f"{y.name}/axis")
    tensors[axis] = Tensor(axis, (1,), DType.INT32, np.array([len(y.shape) - 1], np.int32), layer=node.layer)
    largest = made("REDUCE_MAX", (x.name, axis), ReducerOptions(keep_dims=True), rows, entering)
    below = made("SUB", (x.name, largest), SubOptions(), y.shape, (-span, 0.0))
    logarithms = made("LOG_SOFTMAX", (x.name,), NoOptions(), y.shape, (LOWEST_LOGARITHM, 0.0))
    nearest = made("REDUCE_MAX", (logarithms, axis), ReducerOptions(keep_dims=True), rows, (LOWEST_LOGARITHM, 0.0))
    nodes.append(Node("ADD", (below, nearest), (y.name,), AddOptions(), node.layer))
    ranges[y.name] = (-span - math.log(y.shape[-1]), 0.0)
    within = [new for old in before.graph.nodes for new in (nodes if old is node else [old])]
    return Split(with_nodes(before.graph, within, tensors.values()), ranges, before.inside)
