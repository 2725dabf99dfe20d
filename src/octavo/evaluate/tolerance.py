"""How far a runtime's float result of one operator may lie from the reference kernel's on the same inputs.

What is allowed of integers, `octavo.run.targets` says. Of floats it is what float32 rounding allows. Summing n products
in any order errs by at most `n * eps * sum(|a * b|)` (Higham, "Accuracy and Stability of Numerical Algorithms", section
3.1), and the elementary functions of all runtimes are good to 8 units in the last place. A hybrid kernel also rounds
each float input to 8 bits: by half a step, and 255 steps make a range no wider than twice the largest magnitude.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node
from octavo.ops.operands import is_hybrid, is_integer
from octavo.ops.spec import OpSpec
from octavo.ops.table import spec_of

EPSILON = float(np.finfo(np.float32).eps)
FUNCTION_ULPS = 8
HYBRID_STEPS = 255


def allowed_real(graph: Graph, node: Node, arrays: Inputs[np.ndarray], results: Sequence[np.ndarray]) -> float:
    """The largest difference allowed of a float result.

    Args:
        graph: The node's graph.
        node: A node with a float result.
        arrays: Its inputs as reals.
        results: What the reference makes of them.
    """
    spec = spec_of(node.op)
    if not spec.weights or is_integer(graph, node):
        return _elementwise_bound(arrays, results)
    return _product_bound(spec, arrays, results, hybrid=is_hybrid(graph, node))


def _product_bound(spec: OpSpec, arrays: Inputs[np.ndarray], results: Sequence[np.ndarray], *, hybrid: bool) -> float:
    """`sum(|w|) * (error of an input) + (error of the bias)`, for the channel with the largest weights.

    The products of several weights add their errors up; so do the steps of a recurrence, whose gates scale the cell.
    """
    biases = {role.weight: (index, role.data) for index, role in spec.biases}
    total, steps = 0.0, 1
    for index, role in spec.weights:
        weight, (bias_index, place) = arrays[index], biases.get(index, (len(arrays), None))
        # A weight without a bias of its own meets what the operator made a step before.
        data, bias = results[0] if place is None else arrays[place], arrays.get(bias_index)
        sums = np.abs(np.moveaxis(weight, role.axis, 0)).reshape(weight.shape[role.axis], -1).sum(1)
        rounding = EPSILON * (weight.size // len(sums) + 1 + FUNCTION_ULPS)
        input_error = largest(data) * (rounding + (1 / HYBRID_STEPS if hybrid else 0.0))
        total += largest(sums) * input_error + (0.0 if bias is None else rounding * largest(bias))
        steps = data.size // data.shape[-1]
    return total * steps * max(1.0, *map(largest, results)) if spec.states else total


def _elementwise_bound(arrays: Inputs[np.ndarray], results: Sequence[np.ndarray]) -> float:
    """For operators without weights: functions, sums over some axes, products of two activations."""
    given = [array for array in arrays.items if array is not None and array.dtype.kind in "fc" and array.size]
    if not given:
        return EPSILON * FUNCTION_ULPS * max(largest(array) for array in results)
    row = given[0].shape[-1] if given[0].ndim else 1
    summed = max(1, given[0].size // results[0].size)
    magnitude = max(largest(array) for array in (*given, *results)) * summed
    if len(given) > 1:
        magnitude = max(magnitude, row * float(np.prod([largest(array) for array in given])))
    return EPSILON * (max(row, summed) + FUNCTION_ULPS) * magnitude


def largest(array: np.ndarray) -> float:
    """The largest magnitude of an array, 0 for an empty one."""
    return float(np.abs(array).max(initial=0.0))
