"""How much work an operator is: the counts that its cost on a core grows with."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.operands import data_inputs
from octavo.ops.table import spec_of

# Kernels work on blocks of so many output channels, pixels and depths.
CHANNELS, PIXELS, DEPTHS = 4, 2, 8


@dataclass(frozen=True, slots=True)
class Work:
    """Counts of one call.

    Attributes:
        products: Multiply-accumulates, in whole blocks.
        steps: Cells that a window or a reduction walks where nothing is multiplied, else values read.
        results: Values written, in whole blocks.
        gathered: Values that convolutions collect of the windows of all pixels, where pixels have whole blocks.
        ragged: The same of pixels that have not.
        cells: Taps of the windows of all pixels.
    """

    products: int
    steps: int
    results: int
    gathered: int
    ragged: int
    cells: int

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
    taps = 1 if spec.window is None else int.__mul__(*spec.window(node.options, inputs))
    if not products or not spec.weights:
        return Work(products, written * taps if spec.window else read, written, 0, 0, 0)
    if spec.weights[0][1].axis:  # a channel of the result is a sum over its own channel alone
        return _by_channel(products, outputs[0], taps, read)
    return _in_blocks(products, outputs[0], taps, read)


def _by_channel(products: int, y: Tensor, taps: int, read: int) -> Work:
    channels = y.shape[-1]
    rest = products * (channels % CHANNELS) // channels
    return Work(products - rest, read, y.size, 0, rest, y.size // channels * taps)


def _in_blocks(products: int, y: Tensor, taps: int, read: int) -> Work:
    pixels, channels = y.size // y.shape[-1], y.shape[-1]
    depth = products // y.size  # of each result; of a transposed convolution, on average
    whole = depth // taps % CHANNELS == 0
    blocks = _up(channels, CHANNELS) * _up(pixels, PIXELS)
    collected = pixels * depth
    return Work(
        products=blocks * _up(depth, DEPTHS),
        steps=read,
        results=blocks,
        gathered=collected if whole else 0,
        ragged=0 if whole else collected,
        cells=pixels * taps,
    )


def _up(count: int, block: int) -> int:
    return -(-count // block) * block
