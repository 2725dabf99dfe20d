"""What batch normalizations remember of training, as statistics of what the layers before them make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.ir.expected import Expected
from octavo.ir.graph import consumers
from octavo.ir.types import Graph, Node
from octavo.ops.table import spec_of

# Where values lie, in deviations about the mean: at the kink of an activation the mean of so many is 1e-4 deviations
# from what it should be.
_PLACES = np.linspace(-6.0, 6.0, 241)
_DENSITIES = np.exp(-np.square(_PLACES) / 2)
_WEIGHTS = _DENSITIES / _DENSITIES.sum()


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """Values of each channel, taken for normal; float64, shape (channels,)."""

    mean: np.ndarray
    deviation: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """Values from end to end, which `expectation` weighs; float32, shape (values, channels)."""
        return (self.mean + self.deviation * _PLACES[:, np.newaxis]).astype(np.float32)


def expectation(values: np.ndarray) -> np.ndarray:
    """The mean of what is made of each of `Normal.values`; shape (values, channels) to (channels,), float64."""
    return np.asarray(_WEIGHTS @ values.astype(np.float64))


def normals_of(graph: Graph, expected: Sequence[Expected]) -> dict[str, Normal]:
    """What is known of results before any activation that is fused into what makes them, by the tensors' names.

    Args:
        graph: As loaded, with normalizations as products and sums that passes fold.
        expected: What its layers normalize by.
    """
    readers = consumers(graph)
    found: dict[str, Normal] = {}
    for each in expected:
        shape = graph.tensors[each.tensor].shape[-1:] if each.tensor in graph.tensors else ()
        if not shape or max(each.mean.ndim, each.variance.ndim) > 1:
            continue
        mean, variance = (np.broadcast_to(values, shape).astype(np.float64) for values in (each.mean, each.variance))
        found |= dict(_followed(graph, readers, each.tensor, Normal(mean, np.sqrt(np.maximum(variance, 0.0)))))
    return found


def _followed(
    graph: Graph, readers: Mapping[str, Sequence[Node]], name: str, normal: Normal
) -> Iterator[tuple[str, Normal]]:
    """Of a tensor, and of what products and sums with constants, and then an activation, make of it alone."""
    while True:
        yield name, normal
        if len(readers[name]) != 1:
            return
        (node,) = readers[name]
        if len(node.inputs) == 1:
            # Where the activation is fused, its result takes the place of what it is of.
            yield node.outputs[0], normal
            return
        after = _scaled(graph, node, name, normal)
        if after is None:
            return
        name, normal = node.outputs[0], after


def _scaled(graph: Graph, node: Node, name: str, normal: Normal) -> Normal | None:
    affine, others = spec_of(node.op).affine, [each for each in node.inputs if each is not None and each != name]
    if affine is None or len(others) != 1 or graph.tensors[others[0]].data is None:
        return None
    constants = affine(graph.tensors[others[0]].values.astype(np.float64), node.inputs[0] != name)
    if constants is None or any(np.size(each) not in (1, len(normal.mean)) for each in constants):
        return None
    scale, offset = (np.ravel(each) for each in constants)
    return Normal(normal.mean * scale + offset, normal.deviation * np.abs(scale))
