"""CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV in C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.conv_kernels import ConvConstants, TransposeConvConstants
from octavo.ops.dense import FullyConnectedConstants
from octavo.ops.prepare import prepared
from octavo.ops.window import Window
from octavo.write.c.arrange import channel_blocks, conv_halves, conv_weights, depthwise_weights, halves, laid
from octavo.write.c.call import Call, Rows
from octavo.write.c.constants import Scaling, scaling
from octavo.write.c.text import array, braces, indented, rows, structure, written_array

ONE_TAP = Window(1, 1, 1, 1, 1, 1, 0, 0, 0, 0)


def lower_conv(graph: Graph, node: Node, prefix: str, *, widen: bool = False) -> Call:
    """CONV_2D, grouped ones too; `widen` holds weights of eight bits in sixteen."""
    inputs, (y,) = operands(graph, node), results(graph, node)
    x, kernel, constants = inputs[0], inputs[1], prepared(graph, node)
    assert isinstance(constants, ConvConstants)
    scale = scaling(node, constants, kernel, 0, inputs.get(2))
    data = _weights(kernel, scale, 0)
    groups = x.shape[3] // kernel.shape[3]
    return _conv(prefix, x, y, data, constants.window, scale, constants.input_offset, groups, widen=widen)


def lower_depthwise(graph: Graph, node: Node, prefix: str) -> Call:
    """DEPTHWISE_CONV_2D; one that multiplies its channels is a convolution of as many groups as channels."""
    inputs, (y,) = operands(graph, node), results(graph, node)
    x, kernel, constants = inputs[0], inputs[1], prepared(graph, node)
    assert isinstance(constants, ConvConstants)
    scale = scaling(node, constants, kernel, 3, inputs.get(2))
    data = _weights(kernel, scale, 3)
    if x.shape[3] != y.shape[3]:
        kernel_ohwi = data.transpose(3, 1, 2, 0)
        return _conv(prefix, x, y, kernel_ohwi, constants.window, scale, constants.input_offset, x.shape[3])
    lying = _lying(x, y, data, constants.window)
    call = _depthwise(prefix, *lying, scale, constants.input_offset)
    return call if lying[0] is x else replace(call, rows=None)


def _lying(x: Tensor, y: Tensor, kernel_1hwc: np.ndarray, window: Window) -> tuple[Tensor, Tensor, np.ndarray, Window]:
    """A convolution along columns of one pixel as one along rows, which lie in memory alike."""
    if x.shape[2] != 1 or y.shape[2] != 1 or window.width != 1:
        return x, y, kernel_1hwc, window
    images = [replace(t, shape=(t.shape[0], 1, t.shape[1], t.shape[3])) for t in (x, y)]
    w = window
    turned = Window(
        1,
        w.height,
        w.stride_w,
        w.stride_h,
        w.dilation_w,
        w.dilation_h,
        w.pad_left,
        w.pad_right,
        w.pad_top,
        w.pad_bottom,
    )
    return images[0], images[1], kernel_1hwc.swapaxes(1, 2), turned


def _depthwise(
    prefix: str, x: Tensor, y: Tensor, kernel_1hwc: np.ndarray, window: Window, scale: Scaling, input_offset: int
) -> Call:
    """A call of depthwise.c."""
    lines = (window.height - 1) * window.dilation_h + 1
    # octavo_pair_reach
    pair = ((window.width - 1) * window.dilation_w + window.stride_w + 2) // 2 * 2
    line = max((y.shape[2] - 1) // 2 * 2 * window.stride_w + pair, (window.pad_left + x.shape[2] + 1) // 2 * 2)
    fields = [
        ("in: height, width, channels", numbers(x.shape[1:])),
        ("out: width", str(y.shape[2])),
        *window_fields(window),
        ("lines, elements of each", f"{lines}, {line}"),
        *_output_fields(input_offset, scale),
        ("weights", f"{prefix}_weights"),
        ("bias and scale of channels", f"{prefix}_channels"),
    ]
    weights, suffix = depthwise_weights(kernel_1hwc), ""
    if scale.weight_bits == 4:
        weights, suffix = halves(weights), "_4"
    definitions = (
        array("int8_t", f"{prefix}_weights", weights),
        _channels(prefix, scale),
        structure("octavo_depthwise", f"{prefix}_op", fields),
    )
    call = f"octavo_depthwise_rows{suffix}(&{prefix}_op, {{x0}}{{0}}, {{y}}{{1}}, {{scratch}}, {{begin}}, {{end}});"
    scratch_bytes = 8 * (lines + 1) * line + 16 * window.height * pair
    statements = for_each_image(call, x, y)
    return Call(
        ("helium", "depthwise_layout", "depthwise_lines", "depthwise_dsp", "depthwise_helium", "depthwise"),
        definitions,
        statements,
        scratch_bytes,
        reads_first=True,
        rows=by_rows(call, window),
    )


def lower_fully_connected(graph: Graph, node: Node, prefix: str, *, widen: bool = False) -> Call:
    """FULLY_CONNECTED: its rows are the pixels of a convolution of one tap; `widen` as in `lower_conv`."""
    inputs, (y,) = operands(graph, node), results(graph, node)
    x, weights, constants = inputs[0], inputs[1], prepared(graph, node)
    assert isinstance(constants, FullyConnectedConstants)
    out, inner = weights.shape
    scale = scaling(node, constants, weights, 0, inputs.get(2))
    data = _weights(weights, scale, 0)
    images = replace(x, shape=(1, 1, x.size // inner, inner))
    result = replace(y, shape=(1, 1, x.size // inner, out))
    kernel_ohwi = data.reshape(out, 1, 1, inner)
    call = _conv(prefix, images, result, kernel_ohwi, ONE_TAP, scale, constants.input_offset, 1, widen=widen)
    return replace(call, rows=None)  # of its operands' dimensions none is an image's height


def lower_transpose_conv(graph: Graph, node: Node, prefix: str) -> Call:
    """TRANSPOSE_CONV."""
    inputs, (y,) = operands(graph, node), results(graph, node)
    kernel, x, constants = inputs[1], inputs[2], prepared(graph, node)
    assert isinstance(constants, TransposeConvConstants)
    scale, place = scaling(node, constants, kernel, 0, inputs.get(3)), constants.placement
    data = _weights(kernel, scale, 0)
    fields = [
        ("in: height, width, channels", numbers(x.shape[1:])),
        ("out: width, channels", numbers(y.shape[2:])),
        ("kernel", numbers(kernel.shape[1:3])),
        ("stride", f"{place.stride_h}, {place.stride_w}"),
        ("padding", f"{place.pad_top}, {place.pad_left}"),
        *_output_fields(constants.input_offset, scale),
        ("weights", f"{prefix}_weights"),
        ("bias and scale of channels", f"{prefix}_channels"),
    ]
    definitions = (
        array("int8_t", f"{prefix}_weights", data),
        _channels(prefix, scale),
        structure("octavo_transpose_conv", f"{prefix}_op", fields),
    )
    call = f"octavo_transpose_conv_rows(&{prefix}_op, {{x0}}{{0}}, {{y}}{{1}}, {{begin}}, {{end}});"
    return Call(("transpose_conv",), definitions, for_each_image(call, x, y))


def _conv(
    prefix: str,
    x: Tensor,
    y: Tensor,
    kernel_ohwi: np.ndarray,
    window: Window,
    scale: Scaling,
    input_offset: int,
    groups: int,
    *,
    widen: bool = False,
) -> Call:
    """A call of conv.c.

    Args:
        prefix: Of its constants' names.
        x, y: Data and result.
        kernel_ohwi: int8 [out, height, width, in of a group].
        window: Over the images.
        scale: Of the sums.
        input_offset: Minus the zero point of the data.
        groups: Parts the channels are divided into.
        widen: Hold weights of eight bits in sixteen.
    """
    weights, suffix = conv_weights(kernel_ohwi, groups), ""
    depth, kind = weights.shape[2], "int8_t"
    if scale.weight_bits == 4:
        weights, suffix = conv_halves(weights), "_4"
        lines = laid(weights, "_PAIRS")
    elif widen:
        kind, suffix = "OCTAVO_WORD", "_16"
        lines = laid(weights, "", "OCTAVO_AS_WORDS, ")
    else:
        lines = laid(weights, "", "OCTAVO_AS_BYTES, ")
    fields = [
        ("in: height, width, channels", numbers(x.shape[1:])),
        ("out: width, channels", numbers(y.shape[2:])),
        *window_fields(window),
        ("groups, padded depth", f"{groups}, {depth}"),
        *_output_fields(input_offset, scale),
        ("weights", f"(const int8_t *){prefix}_weights"),
        ("bias and scale of channels", f"{prefix}_channels"),
    ]
    definitions = (
        written_array(kind, f"{prefix}_weights", weights.size, indented(lines)),
        _channels(prefix, scale, input_offset * kernel_ohwi.sum((1, 2, 3), dtype=np.int64), groups),
        structure("octavo_conv", f"{prefix}_op", fields),
    )
    gathers = x.shape[3] // groups % 4 != 0
    one_tap = window == ONE_TAP and groups == 1
    only = y.shape[1] * y.shape[2] == 1 and (gathers or one_tap)
    call = f"octavo_conv_rows{suffix}(&{prefix}_op, {{x0}}{{0}}, {{y}}{{1}}, {{scratch}}, {{begin}}, {{end}});"
    return Call(
        ("helium", "conv_layout", "conv_dsp", "conv_plain", "conv_helium", "conv"),
        definitions,
        for_each_image(call, x, y),
        scratch_bytes=((2 if only else 4) + gathers) * depth,
        reads_first=one_tap,
        rows=by_rows(call, window),
    )


def _weights(tensor: Tensor, scale: Scaling, channel_axis: int) -> np.ndarray:
    """A layer's weights, zeros where a channel has one result whatever comes in."""
    assert tensor.data is not None
    shape = [-1 if axis == channel_axis else 1 for axis in range(len(tensor.shape))]
    return np.where(scale.dead.reshape(shape), 0, tensor.data)


def window_fields(window: Window) -> list[tuple[str, str]]:
    """What the kernels of convolutions know of their window."""
    return [
        ("kernel", f"{window.height}, {window.width}"),
        ("stride", f"{window.stride_h}, {window.stride_w}"),
        ("dilation", f"{window.dilation_h}, {window.dilation_w}"),
        ("padding", f"{window.pad_top}, {window.pad_left}"),
    ]


def _output_fields(input_offset: int, scale: Scaling) -> list[tuple[str, str]]:
    return [
        ("zero point of in", str(-input_offset)),
        ("wide, low, high", f"{int(scale.wide)}, {scale.low}, {scale.high}"),
    ]


def _channels(prefix: str, scale: Scaling, folded: np.ndarray | None = None, groups: int = 1) -> str:
    blocks = channel_blocks(scale, np.zeros_like(scale.bias) if folded is None else folded, groups)
    scales = [braces(braces(row[i : i + 3]) for i in range(4, 16, 3)) for row in blocks]
    table = [braces([braces(row[:4]), rest]) for row, rest in zip(blocks, scales, strict=True)]
    return rows("octavo_channels", f"{prefix}_channels", table)


def numbers(values: Sequence[int]) -> str:
    """Members of a structure that stand one behind another."""
    return ", ".join(map(str, values))


def by_rows(call: str, window: Window) -> Rows:
    """The call for some rows of an only image."""
    return Rows.under(call.replace("{0}", "").replace("{1}", ""), window)


def for_each_image(call: str, x: Tensor, y: Tensor) -> tuple[str, ...]:
    """The call for all rows, once for each image of the batch, whose places are `{0}` and `{1}` in it."""
    call = call.replace("{begin}", "0").replace("{end}", str(y.shape[1]))
    sizes = [tensor.size // tensor.shape[0] for tensor in (x, y)]
    offsets = [["" if i == 0 else f" + {i * size}" for size in sizes] for i in range(x.shape[0])]
    return tuple(call.replace("{0}", a).replace("{1}", b) for a, b in offsets)
