"""Biases that lift a channel far from zero are taken out of it and put into the layers that read it.

Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.1.3; for
channels of either sign, Wei et al. 2023, "Outlier Suppression+", section 4.1, equation 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from octavo.condition.channels import Channels, seen_channels
from octavo.condition.method import Conditioned
from octavo.condition.offsets import handed_on, hands_on
from octavo.condition.samples import Samples, check_samples
from octavo.condition.scaling import HOMOGENEOUS, Linear, linear_nodes, per_input
from octavo.ir.graph import consumers, operands, with_tensors
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation, activation_of
from octavo.ops.table import spec_of
from octavo.ops.window import Border, Padding
from octavo.plan.types import Plan

# A tensor is shifted where its range is at most so much of what it was.
WORTH = 0.9


@dataclass(frozen=True, slots=True)
class AbsorbBiases:
    """Narrow ranges of tensors whose channels lie apart: `b1[c] - a[c]`, `b2 + sum over c of w2[c] a[c]`.

    Behind no activation a is the middle of what samples showed of the channel, and no result in float changes, whatever
    the input. Behind a ReLU it is the least that samples showed, where that is positive, so that nothing changes for
    what lies above it. It passes through poolings, sums and concatenations. Where a window that reads the tensor finds
    zeros beyond a border, which no bias makes up for, the tensor stays as it is.

    Attributes:
        samples: Look at so many at most.

    Raises:
        ConfigError: if `samples` is not positive.
    """

    samples: int = 64

    def __post_init__(self) -> None:
        check_samples("AbsorbBiases", self.samples, 64)

    @property
    def name(self) -> str:
        """The method's name."""
        return "absorb_biases"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Shift what gains by it; see `octavo.condition.method.Method.apply`."""
        graph, linear = before.graph, linear_nodes(before.graph)
        free = absorbed(graph, linear)
        makers = {name: each for name, each in linear.items() if name in free}
        seen = seen_channels(graph, tuple(makers), samples, self.samples)
        own = {name: _middle(seen[name], each.node) for name, each in makers.items()}
        offsets = {name: offset for name, offset in own.items() if _is_worth(seen[name], offset)}
        told = Note(
            self.name, graph.name, f"shifted the channels of {len(offsets)} layers, of {len(makers)} where it is exact"
        )
        if not offsets:
            return Conditioned(graph, notes=(told,))
        changed = (
            replace(graph.tensors[name], data=values.astype(np.float32))
            for name, values in shifted(graph, linear, offsets).items()
        )
        return Conditioned(with_tensors(graph, changed), notes=(told,))


def absorbed(graph: Graph, linear: Mapping[str, Linear]) -> frozenset[str]:
    """The tensors whose offsets reach linear nodes, and nothing else."""
    readers, free = consumers(graph), set[str]()
    for node in reversed(graph.nodes):
        for name in node.outputs:
            ends = readers[name] and name not in graph.outputs
            if ends and all(_takes(graph, each, name, linear, free) for each in readers[name]):
                free.add(name)
    return frozenset(free)


def shifted(graph: Graph, linear: Mapping[str, Linear], offsets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The biases that take offsets from the channels of linear nodes' results, and make up for it; float64, by name.

    Args:
        graph: The float graph.
        linear: Its linear nodes, by first output.
        offsets: For results of some of them, each of `absorbed`: shape (channels,).
    """
    known, biases = dict(offsets), dict[str, np.ndarray]()

    def add(node: Linear, values: np.ndarray) -> None:
        before = biases.get(node.bias, graph.tensors[node.bias].values.astype(np.float64))
        biases[node.bias] = before + values.reshape(before.shape)

    for node in graph.nodes:
        own, name = linear.get(node.outputs[0]), node.outputs[0]
        if own is None:
            handed = handed_on(graph, node, known)
            known |= {} if handed is None else {name: handed}
            continue
        if name in offsets:
            add(own, -offsets[name])
        if own.data in known:
            matrices = own.form.matrices(
                graph.tensors[own.data].shape, graph.tensors[own.weight].values.astype(np.float64)
            )
            add(own, (matrices * per_input(known[own.data], matrices.shape)).sum(axis=1))
    return biases


def _takes(graph: Graph, node: Node, name: str, linear: Mapping[str, Linear], free: Iterable[str]) -> bool:
    """Whether a reader absorbs an offset of what it reads, or hands it on to what does."""
    own = linear.get(node.outputs[0])
    if own is not None:
        return name == own.data and not _meets_zeros(graph, node)
    return node.outputs[0] in free and hands_on(graph, node)


def _meets_zeros(graph: Graph, node: Node) -> bool:
    """Whether a window may find zeros beyond the border."""
    spec = spec_of(node.op)
    if spec.window is None or spec.border is not Border.ZERO:
        return False
    padded = getattr(node.options, "padding", Padding.SAME) is not Padding.VALID
    return padded and spec.window(node.options, operands(graph, node)) != (1, 1)


def _middle(seen: Channels, node: Node) -> np.ndarray:
    """What to take from each channel of a result."""
    activation = activation_of(node.options)
    if activation is FusedActivation.NONE:
        return (seen.least + seen.most) / 2
    if activation not in HOMOGENEOUS:
        return np.zeros_like(seen.least)
    return np.maximum(seen.least, 0.0)


def _is_worth(seen: Channels, offset: np.ndarray) -> bool:
    before = seen.high.max() - seen.low.min()
    after = max((seen.most - offset).max(), 0.0) - min((seen.least - offset).min(), 0.0)
    return bool(after <= WORTH * before)
