"""A graph of batch 1 for a larger batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.errors import ConfigError, GraphError, OctavoError
from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Shape, Tensor
from octavo.ops.stored import StoredOperator, is_random
from octavo.ops.table import spec_of
from octavo.run import reference
from octavo.run.stored import result_shapes
from octavo.write.stored import with_operands

# Kernels add up in another order where more rows lie side by side; sums of a million products agree to this share.
_CLOSE = 1e-3


def with_batch(graph: Graph, batch: int | None) -> Graph:
    """The graph for so many samples at once.

    Args:
        graph: Float, for batch 1.
        batch: None leaves it as it is.

    Raises:
        ConfigError: if samples do not pass through the graph each for itself, so that a batch is no sum of samples.
    """
    if batch in (None, 1) and all(graph.tensors[name].shape[:1] == (1,) for name in graph.inputs):
        return graph
    if batch is None or all(graph.tensors[name].shape[:1] == (batch,) for name in graph.inputs):
        return graph
    if any(graph.tensors[name].shape[:1] != (1,) for name in graph.inputs):
        raise _no_batch(batch, "inputs of a batch of their own")
    try:
        larger = _inferred(graph, batch)
        problem = _problem(graph, larger, batch)
    except (OctavoError, ValueError, IndexError, AssertionError) as error:
        problem = error.what if isinstance(error, OctavoError) else str(error)
    if problem:
        raise _no_batch(batch, problem)
    return larger


def _inferred(graph: Graph, batch: int) -> Graph:
    """The graph with inputs of this batch, and all else by the op table's shape rules."""
    tensors = dict(graph.tensors)
    for name in graph.inputs:
        tensors[name] = replace(tensors[name], shape=(batch, *tensors[name].shape[1:]))
    nodes = []
    for node in graph.nodes:
        at_hand = replace(graph, tensors=tensors)
        node, shapes = _shaped(at_hand, _with_open_slice(at_hand, node, graph, tensors))
        tensors |= {name: replace(tensors[name], shape=shape) for name, shape in zip(node.outputs, shapes, strict=True)}
        for tensor in (tensors[name] for name in node.inputs if name is not None):
            if tensor.is_variable:
                tensors[tensor.name] = replace(tensor, shape=(batch, *tensor.shape[1:]))
        nodes.append(node)
    return replace(graph, tensors=tensors, nodes=tuple(nodes))


def _shaped(graph: Graph, node: Node) -> tuple[Node, tuple[Shape, ...]]:
    """A node, and the shapes of its results."""
    if not isinstance(node.options, StoredOperator):
        return node, tuple(spec_of(node.op).shapes(node.options, operands(graph, node)))
    content = with_operands(node.options.content, operands(graph, node), results(graph, node))
    shapes = tuple(shape for shape in result_shapes(content) if shape is not None)
    if len(shapes) < len(node.outputs):
        raise GraphError(
            f"{node.op} of layer '{node.layer}' has no fixed shape.",
            got="a size that values decide",
            expected="a fixed one",
            fix="leave the batch at 1",
        )
    return replace(node, options=replace(node.options, content=content, shapes=shapes)), shapes


def _with_open_slice(graph: Graph, node: Node, before: Graph, tensors: dict[str, Tensor]) -> Node:
    """A SLICE that takes all of a batch of 1, for one that takes all of any."""
    if node.op != "SLICE" or None in node.inputs:
        return node
    source, begin, size = (before.tensors[str(name)] for name in node.inputs)
    if begin.data is None or size.data is None or begin.data[0] != 0 or size.data[0] != 1 or source.shape[0] != 1:
        return node
    name = f"{node.outputs[0]}/open"
    tensors[name] = replace(size, name=name, data=np.array([-1, *size.data[1:]], size.dtype.numpy))
    return replace(node, inputs=(*node.inputs[:2], name))


def _problem(graph: Graph, larger: Graph, batch: int) -> str:
    """Why a batch is not what its samples are, one by one; "" where it is."""
    rng = np.random.default_rng(0)
    x = {name: _drawn(rng, larger.tensors[name]) for name in graph.inputs}
    together = reference.run(larger, x)
    if any(is_random(node) for node in graph.nodes):
        return ""
    for i in range(batch):
        alone = reference.run(graph, {name: array[i : i + 1] for name, array in x.items()})
        for name, values in alone.items():
            found = together[name]
            if found.shape != (batch, *values.shape[1:]) or values.shape[:1] != (1,):
                return f"output '{name}' of shape {found.shape}"
            if not np.allclose(found[i : i + 1], values, _CLOSE, _CLOSE * float(np.abs(values).max(initial=0))):
                return f"output '{name}' of a sample that depends on the others"
    return ""


def _drawn(rng: np.random.Generator, tensor: Tensor) -> np.ndarray:
    if tensor.dtype.is_float:
        return rng.random(tensor.shape).astype(tensor.dtype.numpy)
    return rng.integers(0, 2, tensor.shape).astype(tensor.dtype.numpy if tensor.dtype is not DType.BOOL else bool)


def _no_batch(batch: int, got: str) -> ConfigError:
    return ConfigError(
        "the model cannot take several samples at once.",
        got=f"a batch of {batch}: {got}",
        expected="a model that computes each sample by itself",
        fix="leave the batch out of input_shape",
    )
