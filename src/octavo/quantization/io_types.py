"""The element types a written model's inputs and outputs have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.errors import ConfigError
from octavo.ir.graph import fresh_name, rename_inputs, with_nodes
from octavo.ir.types import Graph, Node, NoOptions, Quantization, Tensor
from octavo.numerics.affine import representable, symmetric

EIGHT_BITS = (DType.INT8, DType.UINT8)


def set_io_types(graph: Graph, input_type: DType | None, output_type: DType | None) -> Graph:
    """Give inputs and outputs another type, by a QUANTIZE or DEQUANTIZE beside them.

    The tensor with the user's name is always the graph's own input or output; where one is both, the input has it.
    uint8 has int8's scale and a zero point 128 higher; between 8 and 16 bits the real range stays, made symmetric.
    Indices keep their type.

    Args:
        graph: After assignment.
        input_type, output_type: None leaves the types as they are.

    Raises:
        ConfigError: if an integer type is asked for where the model works on floats.
    """
    for name in graph.inputs:
        for dtype in _path(graph.tensors[name], input_type):
            graph = _convert_input(graph, name, dtype)
    for index in range(len(graph.outputs)):
        for dtype in _path(graph.tensors[graph.outputs[index]], output_type):
            graph = _convert_output(graph, graph.outputs[index], dtype)
    return graph


def _path(tensor: Tensor, dtype: DType | None) -> tuple[DType, ...]:
    """The types on the way from a tensor's own to another, its own left out.

    Raises:
        ConfigError: from float to an integer.
    """
    if dtype is None or tensor.dtype is dtype or (tensor.quantization is None and not tensor.dtype.is_float):
        return ()
    if tensor.quantization is None:
        raise ConfigError(
            f"'{tensor.name}' cannot be {dtype.value}: the model works on floats there.",
            got=f"type {dtype.value} for a tensor that nothing quantizes",
            expected="float32, or an integer scheme without a float layer at this end",
            fix="leave the type out, or do not skip the layer there",
        )
    # No kernel converts between int16 and uint8.
    return (DType.INT8, dtype) if {tensor.dtype, dtype} == {DType.INT16, DType.UINT8} else (dtype,)


def _retyped(tensor: Tensor, dtype: DType) -> Tensor:
    if dtype is DType.FLOAT32:
        return replace(tensor, dtype=dtype, quantization=None)
    parameters = tensor.parameters
    if dtype in EIGHT_BITS and tensor.dtype in EIGHT_BITS:
        offset = dtype.integer_range[0] - tensor.dtype.integer_range[0]
        return replace(tensor, dtype=dtype, quantization=replace(parameters, zero_point=parameters.zero_point + offset))
    return replace(tensor, dtype=dtype, quantization=_symmetric(parameters, tensor.dtype, dtype))


def _symmetric(parameters: Quantization, dtype: DType, target: DType) -> Quantization:
    """Parameters of `target`, zero point 0, that hold the real range of these, which are for `dtype`."""
    return symmetric(float(np.abs(representable(parameters, dtype)).max()), target)


def _convert_input(graph: Graph, name: str, dtype: DType) -> Graph:
    tensor = graph.tensors[name]
    inner = replace(tensor, name=fresh_name(graph.tensors, f"{name}/{tensor.dtype.value}"))
    graph = replace(
        graph,
        nodes=rename_inputs(graph.nodes, {name: inner.name}),
        outputs=tuple(inner.name if output == name else output for output in graph.outputs),
    )
    first = Node("QUANTIZE", (name,), (inner.name,), NoOptions(), tensor.layer)
    return with_nodes(graph, (first, *graph.nodes), (_retyped(tensor, dtype), inner))


def _convert_output(graph: Graph, name: str, dtype: DType) -> Graph:
    return handed_over(graph, name, _retyped(graph.tensors[name], dtype))


def handed_over(graph: Graph, name: str, outer: Tensor) -> Graph:
    """Hand an output over as another tensor, which a conversion makes of it and which has its name.

    Args:
        graph: After assignment.
        name: Of the output as it is made.
        outer: As it shall be; where the graph's input is its output, it has another name.
    """
    tensor, dtype = graph.tensors[name], outer.dtype
    if name in graph.inputs:
        outer = replace(outer, name=fresh_name(graph.tensors, f"{name}/{dtype.value}"))
        outputs = tuple(outer.name if output == name else output for output in graph.outputs)
        graph, inner = replace(graph, outputs=outputs), tensor
    else:
        inner = replace(tensor, name=fresh_name(graph.tensors, f"{name}/{tensor.dtype.value}"))
        graph = replace(graph, nodes=_rename(graph.nodes, name, inner.name))
    op = "DEQUANTIZE" if dtype is DType.FLOAT32 else "QUANTIZE"
    last = Node(op, (inner.name,), (outer.name,), NoOptions(), tensor.layer)
    return with_nodes(graph, (*graph.nodes, last), (outer, inner))


def _rename(nodes: Iterable[Node], old: str, new: str) -> tuple[Node, ...]:
    """The nodes, making and reading `new` where they made and read `old`."""
    return tuple(
        replace(node, outputs=tuple(new if output == old else output for output in node.outputs))
        for node in rename_inputs(nodes, {old: new})
    )
