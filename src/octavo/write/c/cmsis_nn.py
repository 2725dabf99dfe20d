"""Operators by CMSIS-NN's kernels: what a build that defines OCTAVO_CMSIS_NN calls instead of Octavo's.

Source: github.com/ARM-software/CMSIS-NN, Include/arm_nnfunctions.h, version 7 and later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from octavo.board.scratch import (
    average_pool_scratch,
    conv_scratch,
    conv_scratch_of_vectors,
    depthwise_scratch,
    depthwise_scratch_of_vectors,
)
from octavo.dtypes import DType
from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.accumulate import AccumulatorConstants
from octavo.ops.conv_kernels import ConvConstants
from octavo.ops.dense import FullyConnectedConstants
from octavo.ops.operands import working_type
from octavo.ops.pool import PoolConstants
from octavo.ops.prepare import prepared
from octavo.ops.softmax import DifferenceConstants
from octavo.ops.window import Window
from octavo.write.c.call import Call, Lowering
from octavo.write.c.text import array, braces, structure, wrapped, written_array
from octavo.write.c.weighted import for_each_image

CMSIS_NN = "cmsis_nn"
"""The file of the package that calls it."""
# Its kernels count places of images in 16 bits without a sign.
_LARGEST_SIZE = (1 << 16) - 1
_FAILED = "    return -3;"


def with_cmsis_nn(graph: Graph, node: Node, prefix: str, own: Call) -> Call:
    """A call by either kernel, chosen when the C is compiled; Octavo's alone where CMSIS-NN has none for it.

    The scratch is enough for both, on every core. CMSIS-NN computes no result in place and no rows.
    """
    inputs = operands(graph, node)
    whole = all(tensor is None or tensor.dtype is not DType.INT4 for tensor in inputs.items)
    small = all(size <= _LARGEST_SIZE for tensor in inputs.items if tensor is not None for size in tensor.shape)
    if node.op not in LOWERINGS or working_type(graph, node) is not DType.INT8 or not whole or not small:
        return own
    other = LOWERINGS[node.op](graph, node, prefix)
    constants = ["#ifdef OCTAVO_CMSIS_NN", *other.constants, "#else", *own.constants, "#endif\n"]
    return replace(
        own,
        kernels=(*own.kernels, CMSIS_NN),
        constants=("\n".join(constants),),
        statements=("#ifdef OCTAVO_CMSIS_NN", *other.statements, "#else", *own.statements, "#endif"),
        scratch_bytes=max(own.scratch_bytes, other.scratch_bytes),
        reads_first=False,
        rows=None,
    )


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer with weights.

    Attributes:
        sizes: Of the input, the kernel and the output, each `cmsis_nn_dims`.
        weights: int8, in CMSIS-NN's order.
        biases: Whole numbers or C text, one a channel.
    """

    sizes: tuple[Sequence[int], Sequence[int], Sequence[int]]
    weights: np.ndarray
    biases: Sequence[object] | np.ndarray


def _lower_conv(graph: Graph, node: Node, prefix: str) -> Call:
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, ConvConstants)
    return _conv(prefix, inputs[0], y, inputs[1].values, _biases(inputs.get(2), y.shape[3]), constants)


def _lower_depthwise(graph: Graph, node: Node, prefix: str) -> Call:
    """One of an only channel is a convolution, which CMSIS-NN would else make of it in each call."""
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, ConvConstants)
    x, kernel_1hwc, biases = inputs[0], inputs[1].values, _biases(inputs.get(2), y.shape[3])
    if x.shape[3] == 1:
        return _conv(prefix, x, y, kernel_1hwc.transpose(3, 1, 2, 0), biases, constants)
    window, pixels = constants.window, constants.window.height * constants.window.width
    layer = _Layer(((1, *x.shape[1:]), kernel_1hwc.shape, (1, *y.shape[1:])), kernel_1hwc, biases)
    fields = [*_offsets(constants), ("channels an input channel", str(y.shape[3] // x.shape[3])), *_moves(window)]
    definitions = _definitions(prefix, layer, constants, "cmsis_nn_dw_conv_params", [*fields, _limits(constants)])
    scratch_bytes = max(depthwise_scratch(pixels, x.shape[3]), depthwise_scratch_of_vectors(pixels))
    return Call((), definitions, _calls("octavo_cmsis_depthwise", prefix, x, y), scratch_bytes)


def _conv(
    prefix: str, x: Tensor, y: Tensor, kernel_ohwi: np.ndarray, biases: np.ndarray, constants: ConvConstants
) -> Call:
    out, height, width, depth = kernel_ohwi.shape
    layer = _Layer(((1, *x.shape[1:]), (out, height, width, depth), (1, *y.shape[1:])), kernel_ohwi, biases)
    fields = [*_offsets(constants), *_moves(constants.window), _limits(constants)]
    definitions = _definitions(prefix, layer, constants, "cmsis_nn_conv_params", fields)
    scratch_bytes = max(size(height * width, depth) for size in (conv_scratch, conv_scratch_of_vectors))
    return Call((), definitions, _calls("octavo_cmsis_conv", prefix, x, y), scratch_bytes)


def _lower_fully_connected(graph: Graph, node: Node, prefix: str) -> Call:
    inputs, constants = operands(graph, node), prepared(graph, node)
    assert isinstance(constants, FullyConnectedConstants)
    x, weights = inputs[0], inputs[1].values
    out, inner = weights.shape
    plain = _biases(inputs.get(2), out)
    folded = plain + constants.input_offset * weights.sum(axis=1, dtype=np.int64)
    biases = [f"OCTAVO_CMSIS_BIAS({a}, {b})" for a, b in zip(plain, folded, strict=True)]
    rows = x.size // inner
    layer = _Layer(((rows, 1, 1, inner), (inner, 1, 1, out), (rows, 1, 1, out)), weights, biases)
    first, last = _offsets(constants)
    fields = [first, ("offset of weights", "0"), last, _limits(constants)]
    definitions = _definitions(prefix, layer, constants, "cmsis_nn_fc_params", fields)
    scales = constants.requantization
    one = all(len(np.unique(array)) == 1 for array in (scales.multiplier_q31, scales.shift_bits))
    function = f"octavo_cmsis_dense{'_of_one_scale' if one else ''}"
    return Call((), definitions, _checked([f"{function}(&{prefix}_layer, &{prefix}_op, {{x0}}, {{y}})"]))


def _lower_pool(function: str) -> Lowering:
    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        (x,), (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
        assert isinstance(constants, PoolConstants)
        window, clamp = constants.window, constants.clamp
        parts = [(window.stride_w, window.stride_h), (window.pad_left, window.pad_top), (clamp.low, clamp.high)]
        fields = [
            ("in: images, height, width, channels", braces((1, *x.shape[1:]))),
            ("window", braces((1, window.height, window.width, 1))),
            ("out", braces((1, *y.shape[1:]))),
            ("stride, padding: across, down; low, high", braces(map(braces, parts))),
        ]
        statements = for_each_image(f"{function}(&{prefix}_op, {{x0}}{{0}}, {{y}}{{1}}, {{scratch}})", x, y)
        definition = structure("octavo_cmsis_pool", f"{prefix}_op", fields)
        return Call((), (definition,), _checked(statements), average_pool_scratch(x.shape[3]))

    return lower


def _lower_softmax(graph: Graph, node: Node, prefix: str) -> Call:
    (x,), constants = operands(graph, node), prepared(graph, node)
    assert isinstance(constants, DifferenceConstants)
    columns, factor = x.shape[-1], constants.input_multiplier
    fields = [
        ("rows, columns", f"{x.size // columns}, {columns}"),
        ("multiplier, shift", f"{factor.multiplier_q31}, {factor.shift_bits}"),
        ("lowest", str(constants.difference_min)),
    ]
    definition = structure("octavo_cmsis_softmax", f"{prefix}_op", fields)
    return Call((), (definition,), _checked([f"octavo_cmsis_softmax_rows(&{prefix}_op, {{x0}}, {{y}})"]))


LOWERINGS: Mapping[str, Lowering] = MappingProxyType(
    {
        "CONV_2D": _lower_conv,
        "DEPTHWISE_CONV_2D": _lower_depthwise,
        "FULLY_CONNECTED": _lower_fully_connected,
        "MAX_POOL_2D": _lower_pool("octavo_cmsis_max_pool"),
        "AVERAGE_POOL_2D": _lower_pool("octavo_cmsis_average_pool"),
        "SOFTMAX": _lower_softmax,
    }
)
"""What CMSIS-NN computes of eight bits; everything else is Octavo's."""


def _biases(bias: Tensor | None, channels: int) -> np.ndarray:
    return np.zeros(channels, np.int64) if bias is None else bias.values.astype(np.int64)


def _offsets(constants: AccumulatorConstants) -> tuple[tuple[str, str], tuple[str, str]]:
    return (
        ("offset of in", str(constants.input_offset)),
        ("offset of out", str(constants.requantization.output.output_zero_point)),
    )


def _moves(window: Window) -> list[tuple[str, str]]:
    return [
        ("stride: across, down", braces((window.stride_w, window.stride_h))),
        ("padding", braces((window.pad_left, window.pad_top))),
        ("dilation", braces((window.dilation_w, window.dilation_h))),
    ]


def _limits(constants: AccumulatorConstants) -> tuple[str, str]:
    output = constants.requantization.output
    return "low, high", braces((output.low, output.high))


def _definitions(
    prefix: str, layer: _Layer, constants: AccumulatorConstants, kind: str, fields: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    """A layer's arrays, and its parameters, a structure of type `kind`."""
    scales, channels = constants.requantization, len(layer.biases)
    arrays = [np.broadcast_to(each, (channels,)) for each in (scales.multiplier_q31, scales.shift_bits)]
    names = ("in: images, height, width, channels", "kernel", "out")
    sizes = [(name, braces(size)) for name, size in zip(names, layer.sizes, strict=True)]
    pointers = [(part, f"{prefix}_{part}") for part in ("weights", "bias", "multipliers", "shifts")]
    return (
        array("int8_t", f"{prefix}_weights", layer.weights),
        written_array("int32_t", f"{prefix}_bias", channels, wrapped(layer.biases)),
        array("int32_t", f"{prefix}_multipliers", arrays[0]),
        array("int32_t", f"{prefix}_shifts", arrays[1]),
        structure("octavo_cmsis_layer", f"{prefix}_layer", [*sizes, *pointers]),
        structure(kind, f"{prefix}_op", fields),
    )


def _calls(function: str, prefix: str, x: Tensor, y: Tensor) -> tuple[str, ...]:
    call = f"{function}(&{prefix}_layer, &{prefix}_op, {{x0}}{{0}}, {{y}}{{1}}, {{scratch}})"
    return _checked(for_each_image(call, x, y))


def _checked(calls: Sequence[str]) -> tuple[str, ...]:
    """Statements that end the model's call where CMSIS-NN refuses an operator."""
    return tuple(line for call in calls for line in (f"if ({call} != 0) {{", _FAILED, "}"))
