"""What must hold of a graph by the op table. A check returns nothing or raises `GraphError`."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from octavo.errors import GraphError
from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Quantization, Tensor
from octavo.ops.operands import data_inputs
from octavo.ops.roles import Fixed, SameAsInput, SameAsOutput
from octavo.ops.spec import OpSpec
from octavo.ops.table import spec_of


def check_shapes(graph: Graph) -> None:
    """Check that each operator's results have the shapes its row infers, and that variables are where it has state.

    Raises:
        GraphError: naming the operator and layer.
    """
    made = {name for node in graph.nodes for name in node.outputs}
    for node in graph.nodes:
        _check_states(graph, node, made)
        inferred = tuple(spec_of(node.op).shapes(node.options, operands(graph, node)))
        stated = tuple(tensor.shape for tensor in results(graph, node))
        if inferred != stated:
            raise GraphError(
                f"{node.op} of layer '{node.layer}' makes '{node.outputs[0]}' with another shape than it has.",
                got=f"tensors of shape {', '.join(map(str, stated))}",
                expected=", ".join(map(str, inferred)),
                fix="take result shapes from the op table's shape rule",
            )


def _check_states(graph: Graph, node: Node, made: Collection[str]) -> None:
    places = [i for i, _ in spec_of(node.op).states]
    tensors = enumerate(operands(graph, node).items)
    found = [i for i, tensor in tensors if tensor is not None and tensor.is_variable and tensor.name not in made]
    if found != places:
        raise GraphError(
            f"{node.op} of layer '{node.layer}' does not have its state in variables.",
            got=f"variables at inputs {found}",
            expected=f"variables at inputs {places}",
            fix="give it variables with octavo.ops.build.GraphBuilder.variable",
        )


def check_scales(graph: Graph) -> None:
    """Check that the parameters of each integer operator follow from one another as its row demands.

    Raises:
        GraphError: naming the operator and layer.
    """
    for node in graph.nodes:
        outputs = [tensor for tensor in results(graph, node) if tensor.quantization is not None]
        problem = _scale_problem(graph, node, spec_of(node.op), outputs) if outputs else None
        if problem is not None:
            raise GraphError(
                f"{node.op} of layer '{node.layer}' has parameters its kernel does not honour.",
                got=problem[0],
                expected=problem[1],
                fix="take parameters from the plan, as octavo.quantization.assign does",
            )


def _scale_problem(graph: Graph, node: Node, spec: OpSpec, outputs: list[Tensor]) -> tuple[str, str] | None:
    """(found, wanted) where an operator's parameters are wrong, or None."""
    data = [tensor for _, name in data_inputs(graph, node) if (tensor := graph.tensors[name]).quantization is not None]
    for i, tensor in enumerate(outputs):
        rule = spec.rule(i)
        if isinstance(rule, Fixed):
            scale, zero_point = rule.parameters[tensor.dtype]
            if tensor.quantization != Quantization(np.array(scale), np.array(zero_point)):
                return _text(tensor), f"scale {scale}, zero point {zero_point}"
        if isinstance(rule, SameAsInput | SameAsOutput):
            for other in data:
                if other.quantization != tensor.quantization:
                    return f"{_text(other)} and {_text(tensor)}", "the same scale and zero point"
    return _bias_problem(graph, node, spec) or _state_problem(graph, node, spec, outputs[0])


def _state_problem(graph: Graph, node: Node, spec: OpSpec, output: Tensor) -> tuple[str, str] | None:
    for i, role in spec.states:
        state = graph.tensors[str(node.inputs[i])]
        if state.quantization is None or state.dtype is not (role.dtype or output.dtype):
            return f"state '{state.name}' of {state.dtype.value}", f"{(role.dtype or output.dtype).value} with a scale"
        if role.dtype is None and state.quantization != output.quantization:
            return f"{_text(state)} and {_text(output)}", "the same scale and zero point"
        powers, exponent = role.powers_of_two, float(np.log2(state.quantization.scale[0]))
        if powers is not None and not (exponent.is_integer() and powers[0] <= exponent <= powers[1]):
            return _text(state), f"a scale of 2**n, n from {powers[0]} to {powers[1]}"
    return None


def _bias_problem(graph: Graph, node: Node, spec: OpSpec) -> tuple[str, str] | None:
    for i, role in spec.biases:
        name = node.inputs[i] if i < len(node.inputs) else None
        weight, data = (graph.tensors[str(node.inputs[index])].quantization for index in (role.weight, role.data))
        if name is None or weight is None or data is None:
            continue
        bias = graph.tensors[name].quantization
        expected = (float(data.scale[0]) * weight.scale.astype(np.float64)).astype(np.float32)
        if bias is None or not np.array_equal(bias.scale, expected):
            return f"bias '{name}' of another scale", "scale of the input times scale of the weights"
    return None


def _text(tensor: Tensor) -> str:
    return f"'{tensor.name}' with scale {tensor.parameters.scale[0]}, zero point {tensor.zero_point}"
