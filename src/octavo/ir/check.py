"""What must hold of a graph at each stage. A check returns nothing or raises `GraphError`.

What only the op table can judge (shapes, scales that follow from an operator) is in `octavo.ops.check`.
"""

from __future__ import annotations

import numpy as np

from octavo.dtypes import DType
from octavo.errors import GraphError, NonFiniteError
from octavo.ir.graph import consumers
from octavo.ir.types import Graph, Node, PerAxis, Quantization, Tensor

# Types that only quantization makes; int32, int64, uint8 and bool also occur as shapes, indices and images.
QUANTIZED_TYPES = frozenset(dtype for dtype in DType if dtype.is_packed) | {DType.INT8, DType.INT16}
WITH_PARAMETERS = QUANTIZED_TYPES | {DType.UINT8, DType.INT32, DType.INT64}


def check_structure(graph: Graph) -> None:
    """Check that names resolve, each value is made once and before it is read, and constants are what they say.

    Raises:
        GraphError: naming the tensor or layer.
    """
    for name, tensor in graph.tensors.items():
        if name != tensor.name:
            raise GraphError(
                f"a tensor is filed under the name '{name}'.",
                got=f"tensor '{tensor.name}'",
                expected="each tensor filed under its own name",
                fix="add tensors with octavo.ir.graph.with_tensors",
            )
        if tensor.data is not None:
            _check_constant(tensor, tensor.data)
    _check_order(graph)
    _check_states(graph)


def _check_constant(tensor: Tensor, data: np.ndarray) -> None:
    if data.shape != tensor.shape or data.dtype != tensor.dtype.numpy:
        raise GraphError(
            f"constant '{tensor.name}' of layer '{tensor.layer}' is not what it says.",
            got=f"{data.dtype}{list(data.shape)}",
            expected=f"{tensor.dtype.numpy}{list(tensor.shape)}",
            fix="replace shape and dtype together with the data",
        )
    if not tensor.dtype.is_packed or not data.size:
        return
    low, high = tensor.dtype.integer_range
    if not low <= data.min() <= data.max() <= high:
        raise GraphError(
            f"constant '{tensor.name}' of layer '{tensor.layer}' does not fit {tensor.dtype.bits} bits.",
            got=f"values from {data.min()} to {data.max()}",
            expected=f"values from {low} to {high}",
            fix=f"clip {tensor.dtype.value} data to its range",
        )


def _check_states(graph: Graph) -> None:
    """A variable is read by one operator; what never has a value is made and read by none."""
    readers = consumers(graph)
    for name, tensor in graph.tensors.items():
        places = sum(node.inputs.count(name) for node in readers[name])
        if tensor.is_variable and (places != 1 or tensor.is_constant or name in (*graph.inputs, *graph.outputs)):
            raise GraphError(
                f"variable '{name}' of layer '{tensor.layer}' is not a state that one operator reads.",
                got=f"read at {places} places{', a constant' if tensor.is_constant else ''}",
                expected="a tensor without data that one operator reads, at one place",
                fix="give each operator a variable of its own",
            )
    valued = {name for node in graph.nodes for name in (*node.inputs, *node.outputs)} | {*graph.inputs, *graph.outputs}
    for node in graph.nodes:
        for name in node.intermediates:
            if name not in graph.tensors or name in valued:
                raise GraphError(
                    f"{_place(node)} cannot have '{name}' as an intermediate.",
                    got="a tensor that has a value" if name in valued else "a name without a tensor",
                    expected="a tensor of its own that no operator reads or makes",
                    fix="name new tensors with octavo.ir.graph.fresh_name",
                )


def _check_order(graph: Graph) -> None:
    variables = {name for name, tensor in graph.tensors.items() if tensor.is_variable}
    known = {name for name, tensor in graph.tensors.items() if tensor.is_constant} | variables
    for name in graph.inputs:
        _add_value(graph, name, known, "the graph's inputs")
    for node in graph.nodes:
        for operand in node.inputs:
            if operand is not None and operand not in known:
                raise GraphError(
                    f"{_place(node)} reads '{operand}', which has no value yet.",
                    got="a name no constant, input or earlier operator has",
                    expected="operators in execution order",
                    fix="put the operator that makes it first",
                )
        # A variable has a value from the start, and its next one once.
        known -= variables.intersection(node.outputs)
        variables -= {*node.outputs}
        for name in node.outputs:
            _add_value(graph, name, known, _place(node))
    for name in graph.outputs:
        if name not in known:
            raise GraphError(
                f"graph output '{name}' is never made.",
                got="a name without a value",
                expected="outputs that an operator makes",
                fix="keep the names of graph outputs when rewriting",
            )


def _add_value(graph: Graph, name: str, known: set[str], maker: str) -> None:
    if name not in graph.tensors or name in known:
        raise GraphError(
            f"{maker} cannot make tensor '{name}'.",
            got="a name that already has a value" if name in known else "a name without a tensor",
            expected="one maker for each tensor of the graph",
            fix="name new tensors with octavo.ir.graph.fresh_name",
        )
    known.add(name)


def check_float(graph: Graph) -> None:
    """Check that a graph has not met quantization: no parameters, no integer type that only quantization makes.

    Raises:
        GraphError: naming the tensor and layer.
    """
    for tensor in graph.tensors.values():
        if tensor.quantization is not None or tensor.dtype in QUANTIZED_TYPES:
            raise GraphError(
                f"tensor '{tensor.name}' of layer '{tensor.layer}' is quantized in a float graph.",
                got=f"{tensor.dtype.value}, {'with' if tensor.quantization else 'without'} parameters",
                expected="float32 values and integer indices",
                fix="start from the float model, not from a quantized one",
            )


def check_finite(graph: Graph) -> None:
    """Check that no constant holds NaN or infinity; what is made of one is worthless, and no integer stands for it.

    Raises:
        NonFiniteError: naming the tensor and layer.
    """
    for tensor in graph.tensors.values():
        if tensor.data is None or np.isfinite(tensor.data).all():
            continue
        bad = ~np.isfinite(tensor.data)
        first = tuple(int(index) for index in np.argwhere(bad)[0])
        trained = (
            "train again with a smaller learning rate, or take a checkpoint from before they diverged; where the float "
            "model gets them in training, too, leave out samples whose gradient is no number, as that of a root of 0"
        )
        written = "write a number that lies beyond all values there, such as -1e4 in a mask or a border"
        raise NonFiniteError(
            f"constant '{tensor.name}' of layer '{tensor.layer}' holds NaN or infinity.",
            got=f"{tensor.data[first]} at index {first}, {np.count_nonzero(bad)} such values of {tensor.size}",
            expected="finite weights",
            fix=trained if np.isnan(tensor.data).any() else f"{written}; or, of weights, {trained}",
        )


def check_quantized(graph: Graph) -> None:
    """Check that each integer tensor that stands for reals has parameters its kernels accept.

    Raises:
        GraphError: naming the tensor and layer.
    """
    for tensor in graph.tensors.values():
        problem = _parameter_problem(tensor, tensor.quantization)
        if problem is not None:
            got, expected = problem
            raise GraphError(
                f"tensor '{tensor.name}' of layer '{tensor.layer}' has parameters no kernel accepts.",
                got=got,
                expected=expected,
                fix="make parameters with octavo.numerics.affine",
            )


def _parameter_problem(tensor: Tensor, parameters: Quantization | None) -> tuple[str, str] | None:
    """(found, wanted) where a tensor's parameters are wrong, or None."""
    if parameters is None:
        return ("no parameters", f"a scale for {tensor.dtype.value}") if tensor.dtype in QUANTIZED_TYPES else None
    if tensor.dtype not in WITH_PARAMETERS:
        return f"parameters on {tensor.dtype.value}", "parameters on integers only"
    per_axis = isinstance(parameters.granularity, PerAxis)
    count = tensor.shape[parameters.granularity.axis] if isinstance(parameters.granularity, PerAxis) else 1
    if parameters.scale.shape != (count,) or parameters.zero_point.shape != (count,):
        return f"{parameters.scale.size} scales, {parameters.zero_point.size} zero points", f"{count} of each"
    if not (np.isfinite(parameters.scale).all() and (parameters.scale > 0).all()):
        return f"scale {parameters.scale.min()}", "finite scales above 0"
    low, high = tensor.dtype.integer_range
    if per_axis or tensor.dtype not in (DType.INT8, DType.UINT8):
        low = high = 0
    if not low <= parameters.zero_point.min() <= parameters.zero_point.max() <= high:
        return f"zero point {parameters.zero_point.max()}", f"a zero point from {low} to {high}"
    return None


def _place(node: Node) -> str:
    """The operator as the user knows it."""
    return f"{node.op} of layer '{node.layer}'" if node.layer else f"{node.op} that makes '{node.outputs[0]}'"
