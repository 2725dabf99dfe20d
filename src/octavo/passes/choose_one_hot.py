"""Choose between two values by comparisons where indices become one-hot vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, operands, with_nodes
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node, NoOptions, Tensor
from octavo.ops.copies import OneHotOptions
from octavo.ops.shape import ReshapeOptions, batch_open
from octavo.passes.graph_pass import graph_pass


@graph_pass(keeps_values=True)
def choose_one_hot(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Make one-hot vectors of operators that have integer kernels.

        ONE_HOT(x, n, on, off)  =>  SELECT_V2(EQUAL(RESHAPE(x), 0..n-1), on, off)

    Does not apply where the values or their number are computed, or the values are no reals.
    """
    tensors: dict[str, Tensor] = dict(graph.tensors)
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes += _choice(graph, node, tensors) if _applies(graph, node) else (node,)
    return (graph if len(nodes) == len(graph.nodes) else with_nodes(graph, nodes, tensors.values())), ()


def _applies(graph: Graph, node: Node) -> bool:
    if node.op != "ONE_HOT":
        return False
    x, *others = operands(graph, node)
    return x.dtype is DType.INT32 and all(each.is_constant for each in others) and others[1].dtype is DType.FLOAT32


def _choice(graph: Graph, node: Node, tensors: dict[str, Tensor]) -> Iterator[Node]:
    """The operators that take its place; new tensors are added to `tensors`."""
    x, y = operands(graph, node)[0], graph.tensors[node.outputs[0]]
    assert isinstance(node.options, OneHotOptions)
    axis = node.options.axis % len(y.shape)

    def added(suffix: str, like: Tensor) -> str:
        name = fresh_name(tensors, f"{y.name}/{suffix}")
        tensors[name] = replace(like, name=name, layer=node.layer)
        return name

    def constant(suffix: str, values: np.ndarray) -> str:
        return added(suffix, Tensor(suffix, values.shape, DType.INT32, values.astype(np.int32)))

    shape = tuple(np.insert(x.shape, axis, 1).tolist())
    apart = added("indices", replace(x, shape=shape, data=None))
    places = constant("shape", np.array(batch_open(shape, x.shape)))
    yield Node("RESHAPE", (x.name, places), (apart,), ReshapeOptions(), node.layer)
    classes = constant("classes", np.arange(y.shape[axis]).reshape([-1, *[1] * (len(y.shape) - 1 - axis)]))
    hot = added("hot", replace(y, dtype=DType.BOOL))
    yield Node("EQUAL", (apart, classes), (hot,), NoOptions(), node.layer)
    yield Node("SELECT_V2", (hot, *node.inputs[2:]), node.outputs, NoOptions(), node.layer)
