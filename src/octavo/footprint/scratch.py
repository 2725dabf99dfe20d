"""Scratch that kernels ask of TensorFlow Lite Micro's arena while an operator runs: the reference's, and CMSIS-NN's.

Source: the `..._get_buffer_size` functions of CMSIS-NN for cores without vector extension, and the kernels of
tflite-micro that call them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node
from octavo.ops.conv_kernels import TransposeConvOptions

ALIGNMENT = 16

Scratch = Callable[[Graph, Node], int]


def reference_scratch(graph: Graph, node: Node) -> int:
    """Bytes that a reference kernel asks for."""
    return _aligned(REFERENCE[node.op](graph, node)) if node.op in REFERENCE else 0


def cmsis_scratch(graph: Graph, node: Node) -> int:
    """Bytes that CMSIS-NN's kernel asks for, or the reference's where it has none."""
    kernel = CMSIS.get(node.op, REFERENCE.get(node.op))
    return _aligned(kernel(graph, node)) if kernel is not None else 0


def _conv(graph: Graph, node: Node) -> int:
    """Two windows as int16; none where a window is one pixel."""
    _, height, width, depth = operands(graph, node)[1].shape
    return 0 if height == width == 1 else 2 * 2 * height * width * depth


def _depthwise(graph: Graph, node: Node) -> int:
    """The windows of all channels as int16; none for 3 x 3, which has a kernel of its own."""
    kernel = operands(graph, node)[1]
    return 0 if kernel.shape[1:3] == (3, 3) else 2 * kernel.size


def _fully_connected(graph: Graph, node: Node) -> int:
    return ALIGNMENT


def _average_pool(graph: Graph, node: Node) -> int:
    """A sum of 32 bits for each channel."""
    return 4 * results(graph, node)[0].shape[-1]


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
