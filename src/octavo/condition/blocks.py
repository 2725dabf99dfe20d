"""A network in blocks, each up to where one tensor alone holds all that later nodes read.

Source: Li et al. 2021, "BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction", section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from octavo.condition.segments import Segment, segment_of, segments
from octavo.ir.types import Graph

# Layers of a block at least, where the network goes on: they make up for each other's rounding.
LAYERS = 2


def blocks(graph: Graph, layers: Collection[str], fits: Callable[[Segment], bool]) -> tuple[Segment, ...]:
    """Cut a graph into blocks: a residual unit is one, of a chain so are `LAYERS` layers.

    Args:
        graph: All its nodes are of use.
        layers: Those that count, by first output.
        fits: Whether something is small enough for a block; what cannot be cut is a block anyway.

    Returns:
        All of the graph. What a block makes of the graph's outputs is among its own.
    """
    places, ends, start = _alone(graph), [], 0
    for here, after in zip(places, [*places[1:], 0], strict=True):
        found = sum(node.outputs[0] in layers for node in graph.nodes[start:here])
        if not after or found >= LAYERS or not fits(segment_of(graph, start, after)):
            ends.append(graph.nodes[here - 1].outputs[0])
            start = here
    return tuple(_with_outputs(graph, each) for each in segments(graph, ends))


def _alone(graph: Graph) -> list[int]:
    """How many nodes are before each place where samples of one real tensor are all that is read later; and all."""
    last = {name: place for place, node in enumerate(graph.nodes) for name in node.inputs}
    alive, places = {*graph.inputs}, []
    for place, node in enumerate(graph.nodes[:-1]):
        alive = {name for name in alive.union(node.outputs) if last.get(name, -1) > place}
        tensors = [graph.tensors[name] for name in alive]
        if len(tensors) == 1 and tensors[0].dtype.is_float and tensors[0].shape[:1] == (1,):
            places.append(place + 1)
    return [*places, len(graph.nodes)]


def _with_outputs(graph: Graph, block: Segment) -> Segment:
    made = [name for node in graph.nodes[block.start : block.stop] for name in node.outputs]
    return replace(block, outputs=tuple(name for name in made if name in {*block.outputs, *graph.outputs}))
