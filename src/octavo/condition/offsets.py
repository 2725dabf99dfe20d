"""What is added to the channels of a node's operands, and comes out again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation, activation_of
from octavo.ops.operands import data_inputs
from octavo.ops.table import spec_of


def hands_on(graph: Graph, node: Node) -> bool:
    """Whether offsets of a node's operands, one number for each channel, come out added up and nothing else changes."""
    spec, (made, *_) = spec_of(node.op), results(graph, node)
    given = node.options, operands(graph, node), made
    computed = [graph.tensors[name] for _, name in data_inputs(graph, node)]
    if activation_of(node.options) is not FusedActivation.NONE:
        return False
    if any(each.data is not None or not each.shape for each in computed):
        return False
    # Rows that become shorter would have offsets of their own.
    adds = spec.passes_offsets and all(each.shape[-1] <= made.shape[-1] for each in computed)
    return (adds and spec.channelwise(*given)) or spec.joins_channels(*given)


def handed_on(graph: Graph, node: Node, known: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The offset of what a node that hands on makes, of those of its operands; None where none has one."""
    entering = [name for _, name in data_inputs(graph, node)]
    if not any(name in known for name in entering):
        return None
    (made, *_) = results(graph, node)
    own = [known.get(name, np.zeros(graph.tensors[name].shape[-1])) for name in entering]
    if spec_of(node.op).joins_channels(node.options, operands(graph, node), made):
        return np.concatenate(own)
    return np.sum([np.resize(each, made.shape[-1]) for each in own], axis=0)
