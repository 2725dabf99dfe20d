"""Scratch that kernels ask for while an operator runs: TensorFlow Lite Micro's reference kernels, and CMSIS-NN's.

Source: the `..._get_buffer_size` functions of CMSIS-NN, and the kernels of tflite-micro that call them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node
from octavo.ops.conv_kernels import Conv2DOptions, DepthwiseConv2DOptions, TransposeConvOptions, conv_window

ALIGNMENT = 16
# Channels that arm_depthwise_conv_s8_opt gathers at a time with the vector extension.
_CHANNELS = 124

Scratch = Callable[[Graph, Node], int]


def reference_scratch(graph: Graph, node: Node) -> int:
    """Bytes that a reference kernel asks of TensorFlow Lite Micro."""
    return _aligned(REFERENCE[node.op](graph, node)) if node.op in REFERENCE else 0


def cmsis_scratch(graph: Graph, node: Node) -> int:
    """Bytes that CMSIS-NN's kernel asks of TensorFlow Lite Micro on a core with the DSP extension.

    Or the reference's where it has none.
    """
    kernel = CMSIS.get(node.op, REFERENCE.get(node.op))
    return _aligned(kernel(graph, node)) if kernel is not None else 0


def conv_scratch(pixels: int, depth: int) -> int:
    """Two windows as int16: of `pixels` taps of `depth` channels each."""
    return 2 * 2 * (-(-pixels * depth // 4) * 4)


def conv_scratch_of_vectors(pixels: int, depth: int) -> int:
    """Four windows as int8, in whole vectors."""
    return 4 * (-(-pixels * depth // 16) * 16)


def depthwise_scratch(pixels: int, channels: int) -> int:
    """A window of all channels as int16."""
    return 2 * pixels * channels


def depthwise_scratch_of_vectors(pixels: int) -> int:
    """Four windows of a block of channels as int8."""
    return 4 * _CHANNELS * pixels


def average_pool_scratch(channels: int) -> int:
    """A sum of 32 bits for each channel."""
    return 4 * channels


def _conv(graph: Graph, node: Node) -> int:
    """None where a window is one pixel."""
    x, kernel = operands(graph, node)[0], operands(graph, node)[1]
    assert isinstance(node.options, Conv2DOptions)
    window, depth = conv_window(node.options, x.shape, kernel.shape), kernel.shape[3]
    one_tap = window.height == window.width == window.dilation_h == window.dilation_w == 1 and depth == x.shape[3]
    return 0 if one_tap else conv_scratch(window.height * window.width, depth)


def _depthwise(graph: Graph, node: Node) -> int:
    """None for 3 x 3, and where the general kernel runs."""
    x, kernel = operands(graph, node)[0], operands(graph, node)[1]
    assert isinstance(node.options, DepthwiseConv2DOptions)
    window = conv_window(node.options, x.shape, kernel.shape)
    general = x.shape[0] > 1 or x.shape[3] != kernel.shape[3] or (window.dilation_h, window.dilation_w) != (1, 1)
    three = window.height == window.width == 3 and window.pad_top <= 1 and window.pad_left <= 1
    return 0 if general or three else depthwise_scratch(window.height * window.width, x.shape[3])


def _fully_connected(graph: Graph, node: Node) -> int:
    return ALIGNMENT


def _average_pool(graph: Graph, node: Node) -> int:
    return average_pool_scratch(results(graph, node)[0].shape[-1])


def _transpose_conv(graph: Graph, node: Node) -> int:
    """Sums of 32 bits of as many rows of the result as the kernel is high."""
    _, kernel, x = operands(graph, node).items[:3]
    assert kernel is not None
    assert x is not None
    assert isinstance(node.options, TransposeConvOptions)
    channels, height, width, _ = kernel.shape
    return ((x.shape[2] - 1) * node.options.stride_w + max(width, node.options.stride_h)) * channels * 4 * height


def _all_sums(graph: Graph, node: Node) -> int:
    """A sum of 32 bits for each value of the result."""
    return 4 * results(graph, node)[0].size


REFERENCE: Mapping[str, Scratch] = MappingProxyType({"TRANSPOSE_CONV": _all_sums})
CMSIS: Mapping[str, Scratch] = MappingProxyType(
    {
        "CONV_2D": _conv,
        "DEPTHWISE_CONV_2D": _depthwise,
        "FULLY_CONNECTED": _fully_connected,
        "AVERAGE_POOL_2D": _average_pool,
        "TRANSPOSE_CONV": _transpose_conv,
    }
)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
