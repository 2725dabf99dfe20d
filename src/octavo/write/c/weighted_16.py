"""CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV of sixteen bits in C."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.conv_kernels import ConvConstants, TransposeConvConstants
from octavo.ops.dense import FullyConnectedConstants
from octavo.ops.prepare import prepared
from octavo.ops.window import Window
from octavo.write.c.call import Call
from octavo.write.c.constants import channels_16
from octavo.write.c.text import array, rows, structure
from octavo.write.c.weighted import ONE_TAP, by_rows, for_each_image, numbers, window_fields


def lower_conv_16(graph: Graph, node: Node, prefix: str) -> Call:
    """CONV_2D, grouped ones too."""
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, ConvConstants)
    x, kernel = inputs[0], inputs[1]
    channels = channels_16(node, constants, x, kernel, 0, inputs.get(2), y)
    groups = x.shape[3] // kernel.shape[3]
    return _conv(prefix, x, y, kernel.values, constants.window, constants, channels, groups)


def lower_depthwise_16(graph: Graph, node: Node, prefix: str) -> Call:
    """DEPTHWISE_CONV_2D: a convolution of as many groups as channels."""
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, ConvConstants)
    x, kernel = inputs[0], inputs[1]
    channels = channels_16(node, constants, x, kernel, 3, inputs.get(2), y)
    kernel_ohwi = kernel.values.transpose(3, 1, 2, 0)
    return _conv(prefix, x, y, kernel_ohwi, constants.window, constants, channels, x.shape[3])


def lower_fully_connected_16(graph: Graph, node: Node, prefix: str) -> Call:
    """FULLY_CONNECTED: its rows are the pixels of a convolution of one tap."""
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, FullyConnectedConstants)
    x, weights = inputs[0], inputs[1]
    out, inner = weights.shape
    channels = channels_16(node, constants, x, weights, 0, inputs.get(2), y)
    images = replace(x, shape=(1, 1, x.size // inner, inner))
    result = replace(y, shape=(1, 1, x.size // inner, out))
    kernel_ohwi = weights.values.reshape(out, 1, 1, inner)
    call = _conv(prefix, images, result, kernel_ohwi, ONE_TAP, constants, channels, 1)
    return replace(call, rows=None)  # of its operands' dimensions none is an image's height


def lower_transpose_conv_16(graph: Graph, node: Node, prefix: str) -> Call:
    """TRANSPOSE_CONV."""
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, TransposeConvConstants)
    kernel, x, place = inputs[1], inputs[2], constants.placement
    channels = channels_16(node, constants, x, kernel, 0, inputs.get(3), y)
    fields = [
        ("in: height, width, channels", numbers(x.shape[1:])),
        ("out: width, channels", numbers(y.shape[2:])),
        ("kernel", numbers(kernel.shape[1:3])),
        ("stride", f"{place.stride_h}, {place.stride_w}"),
        ("padding", f"{place.pad_top}, {place.pad_left}"),
        *_ends(prefix, constants),
    ]
    definitions = _definitions(
        prefix, kernel.values, channels, structure("octavo_transpose_conv_16", f"{prefix}_op", fields)
    )
    call = f"octavo_transpose_conv_rows_16(&{prefix}_op, {{x0}}{{0}}, {{y}}{{1}}, {{begin}}, {{end}});"
    return Call(("sums_16", "transpose_conv_16"), definitions, for_each_image(call, x, y))


Constants = ConvConstants | FullyConnectedConstants | TransposeConvConstants


def _conv(
    prefix: str,
    x: Tensor,
    y: Tensor,
    kernel_ohwi: np.ndarray,
    window: Window,
    constants: Constants,
    channels: list[str],
    groups: int,
) -> Call:
    """A call of conv_16.c."""
    fields = [
        ("in: height, width, channels", numbers(x.shape[1:])),
        ("out: width, channels", numbers(y.shape[2:])),
        *window_fields(window),
        ("groups", str(groups)),
        *_ends(prefix, constants),
    ]
    definitions = _definitions(prefix, kernel_ohwi, channels, structure("octavo_conv_16", f"{prefix}_op", fields))
    call = f"octavo_conv_rows_of_16(&{prefix}_op, {{x0}}{{0}}, {{y}}{{1}}, {{begin}}, {{end}});"
    return Call(("sums_16", "conv_16"), definitions, for_each_image(call, x, y), rows=by_rows(call, window))


def _ends(prefix: str, constants: Constants) -> list[tuple[str, str]]:
    rules = constants.requantization
    return [
        ("wide, low, high", f"{int(rules.wide)}, {rules.output.low}, {rules.output.high}"),
        ("weights", f"{prefix}_weights"),
        ("bias and scale of channels", f"{prefix}_channels"),
    ]


def _definitions(prefix: str, kernel_ohwi: np.ndarray, channels: list[str], op: str) -> tuple[str, ...]:
    return (
        array("int8_t", f"{prefix}_weights", np.ascontiguousarray(kernel_ohwi)),
        rows("octavo_channel_16", f"{prefix}_channels", channels),
        op,
    )
