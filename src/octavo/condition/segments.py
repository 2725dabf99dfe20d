"""A network run piece by piece, each up to the next layer of interest, on a few samples at a time.

Between pieces only what later ones read is kept, so that looking at every layer in turn costs one inference.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from octavo.calibration.runner import processors
from octavo.ir.types import Graph, Node
from octavo.ops.fused import FusedActivation
from octavo.passes.affine import with_activation
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite

Values = dict[str, np.ndarray]

# What the activations of all samples may take, of the float network and of the rounded one together.
FRONTIER_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """Some consecutive nodes of a graph.

    Attributes:
        start, stop: The nodes, `graph.nodes[start:stop]`.
        inputs: What they read of what was made before, and of the graph's inputs.
        outputs: What they make that is read after them, and the results of the last node.
    """

    start: int
    stop: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def segments(graph: Graph, ends: Collection[str]) -> tuple[Segment, ...]:
    """Cut a graph behind each node whose first output is in `ends`; what follows the last is left out."""
    stops = [place + 1 for place, node in enumerate(graph.nodes) if node.outputs[0] in ends]
    return tuple(segment_of(graph, start, stop) for start, stop in zip([0, *stops], stops, strict=False))


def live_bytes(graph: Graph, cuts: Sequence[Segment]) -> int:
    """What the values of one sample take at most, between and within segments."""
    last = {name: place for place, node in enumerate(graph.nodes) for name in node.inputs if name is not None}
    born = {name: place for place, node in enumerate(graph.nodes) for name in node.outputs} | dict.fromkeys(
        graph.inputs, -1
    )

    def held(cut: Segment) -> int:
        names = {name for name, place in born.items() if place < cut.start <= last.get(name, -1)} | {*cut.outputs}
        return sum(graph.tensors[name].size * graph.tensors[name].dtype.numpy.itemsize for name in names)

    return max((held(cut) for cut in cuts), default=1)


def affordable(graph: Graph, cuts: Sequence[Segment]) -> int:
    """How many samples' values may be held of two networks at once; at least 1."""
    return max(1, FRONTIER_BYTES // (2 * live_bytes(graph, cuts)))


def run_segment(graph: Graph, segment: Segment, last: Node, frontier: Sequence[Values]) -> None:
    """Run a segment on every sample, add what it makes to the sample's values, and drop what nothing reads any more.

    Args:
        graph: Any with the nodes the segment was cut from, on constants of its own.
        segment: Of it.
        last: What to run in the place of the segment's last node.
        frontier: For each sample the values known so far, by tensor name.
    """
    changed = replace(graph, nodes=(*graph.nodes[: segment.stop - 1], last))
    runtime = LiteRT(write_tflite(piece(changed, segment)), threads=processors())
    later = {name for node in graph.nodes[segment.stop :] for name in node.inputs}
    for values in frontier:
        runtime.reset()
        made = runtime.run({name: values[name] for name in segment.inputs})
        for name in [name for name in values if name not in later]:
            del values[name]
        values.update(made)


def run_before_activation(graph: Graph, segment: Segment, frontier: Sequence[Values]) -> list[np.ndarray]:
    """Run a segment as `run_segment` does, up to what its last node makes before its activation; these, by sample.

    They stand in the frontier, too, where the caller puts the activation upon what it makes of them.
    """
    node = graph.nodes[segment.stop - 1]
    run_segment(graph, segment, replace(node, options=with_activation(node.options, FusedActivation.NONE)), frontier)
    return [values[node.outputs[0]] for values in frontier]


def segment_of(graph: Graph, start: int, stop: int) -> Segment:
    """What the nodes from one place to another read and make."""
    nodes = graph.nodes[start:stop]
    made = dict.fromkeys(name for node in nodes for name in node.outputs)
    read = dict.fromkeys(name for node in nodes for name in node.inputs if name is not None and name not in made)
    later = {name for node in graph.nodes[stop:] for name in node.inputs} | {*nodes[-1].outputs}
    return Segment(
        start,
        stop,
        tuple(name for name in read if not (graph.tensors[name].is_constant or graph.tensors[name].is_variable)),
        tuple(name for name in made if name in later),
    )


def piece(graph: Graph, segment: Segment) -> Graph:
    """A segment as a graph of its own."""
    nodes = graph.nodes[segment.start : segment.stop]
    names = {name for node in nodes for name in (*node.inputs, *node.intermediates, *node.outputs) if name}
    tensors = {name: graph.tensors[name] for name in graph.tensors if name in names}
    return replace(graph, tensors=tensors, nodes=nodes, inputs=segment.inputs, outputs=segment.outputs)
