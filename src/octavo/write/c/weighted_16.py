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
from octavo.write.c.arrange import depthwise_fours, pairs_of_channels
from octavo.write.c.call import Call
from octavo.write.c.constants_16 import Scaling16, scaling_16
from octavo.write.c.text import array, rows, structure
from octavo.write.c.weighted import ONE_TAP, by_rows, for_each_image, numbers, window_fields

# Products with weights of eight bits that fit 32 bits.
_MOST_TAPS = 256


def lower_conv_16(graph: Graph, node: Node, prefix: str) -> Call:
    """CONV_2D, grouped ones too."""
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, ConvConstants)
    x, kernel = inputs[0], inputs[1]
    scale = scaling_16(node, constants, (x, kernel, inputs.get(2), y), 0)
    groups = x.shape[3] // kernel.shape[3]
    return _conv(prefix, x, y, kernel.values, constants.window, constants, scale, groups)


def lower_depthwise_16(graph: Graph, node: Node, prefix: str) -> Call:
    """DEPTHWISE_CONV_2D; one that multiplies its channels is a convolution of as many groups as channels."""
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, ConvConstants)
    x, kernel, window = inputs[0], inputs[1], constants.window
    scale = scaling_16(node, constants, (x, kernel, inputs.get(2), y), 3)
    if x.shape[3] == y.shape[3] and window.height * window.width <= _MOST_TAPS:
        return _depthwise(prefix, x, y, kernel.values, window, constants, scale)
    kernel_ohwi = kernel.values.transpose(3, 1, 2, 0)
    return _conv(prefix, x, y, kernel_ohwi, constants.window, constants, scale, x.shape[3])


def lower_fully_connected_16(graph: Graph, node: Node, prefix: str) -> Call:
    """FULLY_CONNECTED: its rows are the pixels of a convolution of one tap."""
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, FullyConnectedConstants)
    x, weights = inputs[0], inputs[1]
    out, inner = weights.shape
    scale = scaling_16(node, constants, (x, weights, inputs.get(2), y), 0)
    images = replace(x, shape=(1, 1, x.size // inner, inner))
    result = replace(y, shape=(1, 1, x.size // inner, out))
    kernel_ohwi = weights.values.reshape(out, 1, 1, inner)
    call = _conv(prefix, images, result, kernel_ohwi, ONE_TAP, constants, scale, 1)
    return replace(call, rows=None)  # of its operands' dimensions none is an image's height


def lower_transpose_conv_16(graph: Graph, node: Node, prefix: str) -> Call:
    """TRANSPOSE_CONV."""
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, TransposeConvConstants)
    kernel, x, place = inputs[1], inputs[2], constants.placement
    scale = scaling_16(node, constants, (x, kernel, inputs.get(3), y), 0, may_be_narrow=False)
    fields = [
        ("in: height, width, channels", numbers(x.shape[1:])),
        ("out: width, channels", numbers(y.shape[2:])),
        ("kernel", numbers(kernel.shape[1:3])),
        ("stride", f"{place.stride_h}, {place.stride_w}"),
        ("padding", f"{place.pad_top}, {place.pad_left}"),
        *_ends(prefix, constants),
    ]
    definitions = _definitions(
        prefix, kernel.values, scale, structure("octavo_transpose_conv_16", f"{prefix}_op", fields)
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
    scale: Scaling16,
    groups: int,
) -> Call:
    """A call of conv_16.c."""
    weights = pairs_of_channels(kernel_ohwi, groups)
    count = weights[0, :, 0].size
    gathers = window.height * window.width > 1 or groups > 1 or count != x.shape[3]
    fields = [
        ("in: height, width, channels", numbers(x.shape[1:])),
        ("out: width, channels", numbers(y.shape[2:])),
        *window_fields(window),
        ("groups", str(groups)),
        ("products of a window, gathers", f"{count}, {int(gathers)}"),
        ("narrow", str(int(scale.narrow))),
        *_ends(prefix, constants),
    ]
    scale = replace(scale, channels=_in_pairs(scale.channels, groups))
    definitions = _definitions(prefix, weights, scale, structure("octavo_conv_16", f"{prefix}_op", fields))
    scratch = "{scratch}" if gathers else "0"
    call = f"octavo_conv_rows_of_16(&{prefix}_op, {{x0}}{{0}}, {{y}}{{1}}, {scratch}, {{begin}}, {{end}});"
    return Call(
        ("sums_16", "conv_16"),
        definitions,
        for_each_image(call, x, y),
        scratch_bytes=2 * 2 * count if gathers else 0,
        rows=by_rows(call, window),
    )


def _depthwise(
    prefix: str,
    x: Tensor,
    y: Tensor,
    kernel_1hwc: np.ndarray,
    window: Window,
    constants: Constants,
    scale: Scaling16,
) -> Call:
    """A call of depthwise_16.c."""
    fields = [
        ("in: height, width, channels", numbers(x.shape[1:])),
        ("out: width", str(y.shape[2])),
        *window_fields(window),
        ("narrow", str(int(scale.narrow))),
        *_ends(prefix, constants),
    ]
    weights, op = depthwise_fours(kernel_1hwc), structure("octavo_depthwise_16", f"{prefix}_op", fields)
    call = f"octavo_depthwise_rows_of_16(&{prefix}_op, {{x0}}{{0}}, {{y}}{{1}}, {{begin}}, {{end}});"
    definitions, calls = _definitions(prefix, weights, scale, op), for_each_image(call, x, y)
    return Call(("sums_16", "depthwise_16"), definitions, calls, rows=by_rows(call, window))


def _in_pairs(channels: list[str], groups: int) -> list[str]:
    """Constants of channels, an even number for each group: one that is alone at the end stands twice."""
    each = len(channels) // groups
    by_group = [channels[first : first + each] for first in range(0, len(channels), each)]
    return [channel for group in by_group for channel in (*group, *group[each - each % 2 :])]


def _ends(prefix: str, constants: Constants) -> list[tuple[str, str]]:
    rules = constants.requantization
    return [
        ("wide, low, high", f"{int(rules.wide)}, {rules.output.low}, {rules.output.high}"),
        ("weights", f"{prefix}_weights"),
        ("bias and scale of channels", f"{prefix}_channels"),
    ]


def _definitions(prefix: str, weights: np.ndarray, scale: Scaling16, op: str) -> tuple[str, ...]:
    return (
        array("int8_t", f"{prefix}_weights", np.ascontiguousarray(weights)),
        rows("octavo_channel_16", f"{prefix}_channels", scale.channels),
        op,
    )
