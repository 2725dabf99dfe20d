"""The reference interpreter: runs a graph operator by operator with the op table's numpy kernels.

One interpreter serves float and integer graphs: a node whose activations are integers runs its integer
kernel, exact against TensorFlow Lite Micro; any other runs its float kernel. An operator without a row runs in LiteRT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node
from octavo.numerics.affine import dequantize
from octavo.ops.operands import is_integer, states
from octavo.ops.prepare import integer_kernel, prepared
from octavo.ops.stored import StoredOperator
from octavo.ops.table import spec_of
from octavo.run.stored import run_stored


def run(
    graph: Graph,
    inputs: Mapping[str, np.ndarray],
    keep: Sequence[str] | None = None,
    state: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Run a graph.

    Args:
        graph: Float or integer.
        inputs: An array for each graph input, in the input's dtype; any batch size where no operator fixes it.
        keep: Tensors to return; None returns the graph's outputs. A variable is returned as the run leaves it.
        state: Variables as an earlier run left them; those not named, and all without it, start from their reset value.

    Returns:
        Arrays by tensor name, in the order asked for.
    """
    wanted = dict.fromkeys(graph.outputs if keep is None else keep)
    values: dict[str, np.ndarray] = {name: t.data for name, t in graph.tensors.items() if t.data is not None}
    values.update({**reset_state(graph), **(state or {})})
    values.update({name: np.asarray(array) for name, array in inputs.items()})
    last_use = {name: node for node in graph.nodes for name in node.inputs if name is not None}
    for node in graph.nodes:
        values.update(zip(written(graph, node), run_node(graph, node, values), strict=True))
        for name in node.inputs:
            if name is not None and last_use[name] is node and name not in wanted:
                values.pop(name, None)
    return {name: values[name] for name in wanted}


def reset_state(graph: Graph) -> dict[str, np.ndarray]:
    """The values that variables start from, by name: zeros, of quantized ones their zero points."""
    return {
        name: np.full(tensor.shape, 0 if tensor.quantization is None else tensor.quantization.zero_point[0]).astype(
            tensor.dtype.numpy
        )
        for name, tensor in graph.tensors.items()
        if tensor.is_variable
    }


def written(graph: Graph, node: Node) -> tuple[str, ...]:
    """The tensors that a node writes: its outputs, then its variables."""
    return (*node.outputs, *(tensor.name for tensor in states(graph, node)))


def run_node(graph: Graph, node: Node, values: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Run one node on `values` (by tensor name) with its reference kernel; one array for each tensor it writes."""
    if isinstance(node.options, StoredOperator):
        constant = [name is not None and graph.tensors[name].is_constant for name in node.inputs]
        arrays = Inputs(None if name is None else values[name] for name in node.inputs)
        return run_stored(node.options, constant, arrays)
    if not is_integer(graph, node):
        return spec_of(node.op).run_float(node.options, real_inputs(graph, node, values))
    arrays = Inputs(None if name is None else values[name] for name in node.inputs)
    return integer_kernel(node).run(prepared(graph, node), arrays)


def real_inputs(graph: Graph, node: Node, values: Mapping[str, np.ndarray]) -> Inputs[np.ndarray]:
    """What a float kernel works on: a node's inputs, quantized weights as the reals they stand for."""

    def real(name: str | None) -> np.ndarray | None:
        if name is None:
            return None
        parameters = graph.tensors[name].quantization
        return values[name] if parameters is None else dequantize(values[name], parameters)

    return Inputs(map(real, node.inputs))
