"""How much work an operator is: the counts that its cost on a core grows with."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

from octavo.dtypes import DType
from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.operands import data_inputs
from octavo.ops.table import spec_of

# Kernels of eight bits work on blocks of so many output channels, pixels and depths, those of sixteen on these.
CHANNELS, PIXELS, DEPTHS = 4, 2, 8
CHANNELS_16, DEPTHS_16 = 2, 4
THREE_BY_THREE = (3, 3)


@dataclass(frozen=True, slots=True)
class Work:
    """Counts of one call.

    Attributes:
        products: Multiply-accumulates, in whole blocks.
        steps: Cells that a window or a reduction walks where nothing is multiplied, else values read.
        results: Values written, in whole blocks.
        gathered: Values that convolutions collect of the windows of all pixels, where pixels have whole blocks; of sums
            over one channel, weights, which are put in order first.
        ragged: The same of pixels that have not; of sums over one channel, rows of all their windows.
        cells: Taps of the windows of all pixels; of sums over one channel, rows of blocks of channels.
        threes: Sums over one channel and a window of three by three, which has a kernel of its own in eight bits: their
            products, rows and results count nowhere else.
    """

    products: int
    steps: int
    results: int
    gathered: int
    ragged: int
    cells: int
    threes: int = 0

    def vector(self) -> tuple[float, ...]:
        """What costs are linear in: the counts, and the call itself."""
        return (*map(float, astuple(self)), 1.0)


def work(graph: Graph, node: Node) -> Work:
    """The counts of an operator of a graph."""
    spec, inputs, outputs = spec_of(node.op), operands(graph, node), results(graph, node)
    products = spec.products(node.options, inputs, outputs)
    data = [graph.tensors[name] for _, name in data_inputs(graph, node)]
    read = max((tensor.size for tensor in data), default=0)
    written = sum(tensor.size for tensor in outputs)
    window = (1, 1) if spec.window is None else spec.window(node.options, inputs)
    taps = math.prod(window)
    if not products or not spec.weights:
        return Work(products, written * taps if spec.window else read, written, 0, 0, 0)
    sixteen = outputs[0].dtype is DType.INT16
    if spec.weights[0][1].axis:  # a channel of the result is a sum over its own channel alone
        return _by_channel(products, outputs[0], window, read, sixteen=sixteen)
    return _in_blocks(products, outputs[0], taps, read, sixteen=sixteen)


def _by_channel(products: int, y: Tensor, window: tuple[int, int], read: int, *, sixteen: bool) -> Work:
    channels, rows = y.shape[-1], math.prod(y.shape[:-2])
    if y.shape[-2] == window[1] == 1:  # a column is computed as a row
        window, rows = window[::-1], y.shape[0]
    lines = rows * (_up(channels, CHANNELS) // CHANNELS)
    weights = channels * math.prod(window)
    if window == THREE_BY_THREE and not sixteen:
        return Work(0, read, 0, weights, 0, lines, threes=y.size)
    return Work(products, read, y.size, weights, y.size * window[0], lines)


def _in_blocks(products: int, y: Tensor, taps: int, read: int, *, sixteen: bool) -> Work:
    pixels, channels = y.size // y.shape[-1], y.shape[-1]
    together, depths = (CHANNELS_16, DEPTHS_16) if sixteen else (CHANNELS, DEPTHS)
    depth = products // y.size  # of each result; of a transposed convolution, on average
    whole = depth // taps % CHANNELS == 0
    blocks = _up(channels, together) * _up(pixels, PIXELS)
    collected = pixels * depth
    return Work(
        products=blocks * _up(depth, depths),
        steps=read,
        results=blocks,
        gathered=collected if whole else 0,
        ragged=0 if whole else collected,
        cells=pixels * taps,
    )


def _up(count: int, block: int) -> int:
    return -(-count // block) * block
