"""The reference interpreter: runs a graph operator by operator with the op table's numpy kernels.

One interpreter serves float and integer graphs: a node whose activations are integers runs its integer
kernel, exact against TensorFlow Lite Micro; any other runs its float kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octavo.ir.graph import results
from octavo.ir.types import Graph, Node
from octavo.numerics.affine import dequantize
from octavo.ops.operands import is_integer
from octavo.ops.spec import Operand
from octavo.ops.table import spec_of


def run(graph: Graph, inputs: Mapping[str, np.ndarray], keep: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Run a graph.

    Args:
        graph: Float or integer.
        inputs: An array for each graph input, in the input's dtype; any batch size where no operator fixes it.
        keep: Tensors to return; None returns the graph's outputs.

    Returns:
        Arrays by tensor name.
    """
    wanted = set(graph.outputs if keep is None else keep)
    values: dict[str, np.ndarray] = {name: t.data for name, t in graph.tensors.items() if t.data is not None}
    values.update({name: np.asarray(array) for name, array in inputs.items()})
    last_use = {name: node for node in graph.nodes for name in node.inputs if name is not None}
    for node in graph.nodes:
        values.update(zip(node.outputs, run_node(graph, node, values), strict=True))
        for name in node.inputs:
            if name is not None and last_use[name] is node and name not in wanted:
                values.pop(name, None)
    return {name: values[name] for name in wanted}


def run_node(graph: Graph, node: Node, values: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Run one node on `values` (by tensor name) with its reference kernel."""
    spec = spec_of(node.op)
    if not is_integer(graph, node):
        return spec.run_float(node.options, real_inputs(graph, node, values))
    assert spec.run_integer is not None, f"{node.op} has no integer kernel"
    operands = [None if name is None else Operand(values[name], graph.tensors[name]) for name in node.inputs]
    return spec.run_integer(node.options, operands, results(graph, node))


def real_inputs(graph: Graph, node: Node, values: Mapping[str, np.ndarray]) -> list[np.ndarray | None]:
    """What a float kernel works on: a node's inputs, quantized weights as the reals they stand for."""
    arrays: list[np.ndarray | None] = []
    for name in node.inputs:
        parameters = None if name is None else graph.tensors[name].quantization
        array = None if name is None else values[name]
        arrays.append(array if array is None or parameters is None else dequantize(array, parameters))
    return arrays
