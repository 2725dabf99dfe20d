"""Shapes that take every way through the kernels with weights: borders, dilation, groups, rests."""

from __future__ import annotations

import numpy as np

from octavo.config import QuantizeConfig
from octavo.ir.types import Graph
from octavo.ops.conv_kernels import Conv2DOptions, DepthwiseConv2DOptions
from octavo.ops.fused import FusedActivation
from octavo.ops.spec import Example
from octavo.ops.table import OPS
from octavo.ops.window import Padding
from single_op import float_graph, integer_graph, samples

SAME, VALID = Padding.SAME, Padding.VALID
RELU6 = FusedActivation.RELU6
SHAPES = {
    "wide window over a small image": ("CONV_2D", (1, 3, 2, 8), (6, 5, 7, 8), Conv2DOptions()),
    "dilated, four channels": ("CONV_2D", (1, 9, 8, 4), (5, 3, 3, 4), Conv2DOptions(SAME, 1, 1, 3, 2)),
    "groups of four channels": ("CONV_2D", (1, 5, 6, 12), (9, 3, 3, 4), Conv2DOptions(SAME, 2, 1)),
    "sixteen at a time and a rest": ("CONV_2D", (1, 4, 5, 20), (8, 2, 3, 20), Conv2DOptions(VALID, 1, 2)),
    "two images": ("CONV_2D", (2, 5, 5, 4), (4, 3, 3, 4), Conv2DOptions(SAME, fused_activation_function=RELU6)),
    "sums beyond 32 bits of sixteen": ("CONV_2D", (1, 1, 3, 2600), (3, 1, 1, 2600), Conv2DOptions()),
    "one pixel": ("CONV_2D", (1, 1, 1, 12), (7, 1, 1, 12), Conv2DOptions()),
    "depthwise, ten channels": ("DEPTHWISE_CONV_2D", (1, 6, 5, 10), (1, 3, 3, 10), DepthwiseConv2DOptions()),
    "depthwise, along one dimension": (
        "DEPTHWISE_CONV_2D", (1, 13, 1, 6), (1, 6, 1, 6), DepthwiseConv2DOptions(VALID, 1, 2),
    ),
    "depthwise, wide, three by three": (
        "DEPTHWISE_CONV_2D", (1, 5, 12, 5), (1, 3, 3, 5), DepthwiseConv2DOptions(SAME, fused_activation_function=RELU6),
    ),
    "depthwise, three by three, strides of two": (
        "DEPTHWISE_CONV_2D", (1, 8, 9, 8), (1, 3, 3, 8), DepthwiseConv2DOptions(SAME, 2, 2),
    ),
    "depthwise, three by three, a column": (
        "DEPTHWISE_CONV_2D", (1, 4, 3, 4), (1, 3, 3, 4), DepthwiseConv2DOptions(VALID, 2, 1),
    ),
    "depthwise, five by five in pairs": (
        "DEPTHWISE_CONV_2D", (1, 9, 11, 6), (1, 5, 5, 6), DepthwiseConv2DOptions(SAME, 1, 1),
    ),
    "depthwise, strides beyond the kernel": (
        "DEPTHWISE_CONV_2D", (1, 11, 14, 4), (1, 2, 2, 4), DepthwiseConv2DOptions(SAME, 3, 3),
    ),
    "depthwise, dilated": (
        "DEPTHWISE_CONV_2D", (1, 9, 10, 7), (1, 3, 3, 7), DepthwiseConv2DOptions(SAME, 1, 1, 1, 2, 3),
    ),
    "depthwise, dilated beyond the image": (
        "DEPTHWISE_CONV_2D", (1, 3, 3, 8), (1, 3, 5, 8), DepthwiseConv2DOptions(SAME, 1, 1, 1, 4, 2),
    ),
    "depthwise, two images": (
        "DEPTHWISE_CONV_2D", (2, 7, 4, 4), (1, 4, 3, 4), DepthwiseConv2DOptions(VALID, 1, 2),
    ),
    "depthwise, channels doubled": (
        "DEPTHWISE_CONV_2D", (1, 5, 4, 4), (1, 3, 3, 8), DepthwiseConv2DOptions(SAME, 1, 1, 2),
    ),
}  # fmt: skip


def shaped(name: str, scheme: str = "int8") -> Graph:
    """One of them as a graph, with random weights."""
    op, images, kernel, options = SHAPES[name]
    rng = np.random.default_rng(9)
    channels = kernel[0] if op == "CONV_2D" else kernel[3]
    constants = {1: rng.normal(size=kernel).astype(np.float32), 2: rng.normal(size=channels).astype(np.float32)}
    example = Example((images, None, None), constants, options, low=-1.0, high=4.0)
    graph = float_graph(OPS[op], example)
    return integer_graph(graph, samples(graph, example), QuantizeConfig(scheme=scheme))
