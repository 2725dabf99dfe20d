"""What a float network's tensors hold on samples, and what its outputs become where some of it is rounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat

import numpy as np

from octavo.condition.segments import Segment, segments
from octavo.diagnosis.places import Place, with_rounding
from octavo.diagnosis.samples import HELD_BYTES, Arrays, count_of, one, rows, threads_for
from octavo.ir.graph import drop_dead, with_nodes
from octavo.ir.samples import sample_shape
from octavo.ir.types import Graph
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite

# Operators of a piece.
STRETCH = 3


class Shown:
    """A float graph that shows its outputs, by their names in the graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = drop_dead(graph)
        self._runtime = LiteRT(write_tflite(self._graph))

    def __call__(self, sample: Arrays) -> dict[str, np.ndarray]:
        """Of a sample alone, batch 1, as if it were the first."""
        self._runtime.reset()
        return self._runtime.run({name: sample[name] for name in self._graph.inputs})


def activations_of(graph: Graph, names: Sequence[str], x: Arrays) -> dict[str, np.ndarray]:
    """What float tensors hold on samples, by name, first axis the sample."""
    made = tuple(name for name in dict.fromkeys(names) if name not in graph.inputs)
    found = {name: x[name] for name in graph.inputs}
    if made:
        shown = Shown(replace(graph, outputs=made))
        runs = [shown(one(x, i, graph)) for i in range(count_of(x))]
        shapes = {name: sample_shape(graph.tensors[name].shape) for name in made}
        found |= {name: np.stack([run[name].reshape(shape) for run in runs]) for name, shape in shapes.items()}
    return found


class Downstream:
    """A float network on some samples, of which a change computes only the pieces that it reaches.

    The network is cut into pieces of some operators each, and what one hands to the next is held; a changed piece is
    made anew, those behind it are there.

    Args:
        graph: The float network.
        x: Samples by input name. Where what pieces hand on does not fit `HELD_BYTES`, the network is one piece.
    """

    def __init__(self, graph: Graph, x: Arrays) -> None:
        self._graph = graph
        self._cuts = _cuts(graph, count_of(x))
        files = [write_tflite(_piece(graph, cut)) for cut in self._cuts]
        share = np.array_split(np.arange(count_of(x)), threads_for(count_of(x)))
        self._strands = [_Strand(graph, self._cuts, files, rows(x, part)) for part in share]

    def outputs(self, places: Sequence[Place] = ()) -> dict[str, np.ndarray]:
        """Outputs by name, first axis the sample, with these places rounded."""
        changed = dict(self._changed(places))
        with ThreadPoolExecutor(len(self._strands), "diagnose") as pool:
            parts = pool.map(_Strand.runs, self._strands, repeat(changed))
            runs = [run for part in parts for run in part]
        return {name: np.concatenate([np.atleast_1d(run[name]) for run in runs]) for name in self._graph.outputs}

    def _changed(self, places: Sequence[Place]) -> Iterator[tuple[int, tuple[bytes, dict[str, str]]]]:
        """The pieces that round, by number: the file, and its outputs by the tensors they stand for."""
        entering = set(self._graph.inputs)
        for number, cut in enumerate(self._cuts):
            here = {node.outputs[0] for node in self._graph.nodes[cut.start : cut.stop]} | entering.intersection(
                cut.inputs
            )
            own = [place for place in places if place.node in here]
            if own:
                piece = with_rounding(_piece(self._graph, cut), own)
                names = dict(zip(cut.outputs, piece.outputs, strict=True))
                yield number, (write_tflite(drop_dead(piece)), names)


class _Strand:
    """Some of the samples, one after the other, on runtimes of its own."""

    def __init__(self, graph: Graph, cuts: Sequence[Segment], files: Sequence[bytes], x: Arrays) -> None:
        self._cuts, self._outputs = cuts, graph.outputs
        self._runtimes = [LiteRT(file) for file in files]
        self._held = [one(x, i, graph) for i in range(count_of(x))]
        for values in self._held:
            for cut, runtime in zip(cuts, self._runtimes, strict=True):
                values.update(_run(runtime, cut, values))

    def runs(self, changed: Mapping[int, tuple[bytes, dict[str, str]]]) -> list[dict[str, np.ndarray]]:
        """Outputs by name of each sample, where these pieces are others."""
        others = {number: (LiteRT(file), names) for number, (file, names) in changed.items()}
        return [self._run(values, others) for values in self._held]

    def _run(self, held: Arrays, others: Mapping[int, tuple[LiteRT, dict[str, str]]]) -> dict[str, np.ndarray]:
        new: dict[str, np.ndarray] = {}
        for number, (cut, runtime) in enumerate(zip(self._cuts, self._runtimes, strict=True)):
            if number in others:
                other, names = others[number]
                found = _run(other, cut, {**held, **new})
                new.update({name: found[own] for name, own in names.items()})
            elif not new.keys().isdisjoint(cut.inputs):
                new.update(_run(runtime, cut, {**held, **new}))
        return {name: new.get(name, held[name]) for name in self._outputs}


def _run(runtime: LiteRT, cut: Segment, values: Arrays) -> dict[str, np.ndarray]:
    runtime.reset()
    return runtime.run({name: values[name] for name in cut.inputs})


def _cuts(graph: Graph, samples: int) -> tuple[Segment, ...]:
    """Pieces that end with every output and every few operators."""
    ends = {node.outputs[0] for node in graph.nodes if not {*graph.outputs}.isdisjoint(node.outputs)}
    last = {node.outputs[0] for node in graph.nodes[-1:]}
    cuts = segments(graph, ends | last | {node.outputs[0] for node in graph.nodes[STRETCH - 1 :: STRETCH]})
    values = sum(graph.tensors[name].size * graph.tensors[name].dtype.bits // 8 for c in cuts for name in c.outputs)
    return cuts if values * samples <= HELD_BYTES else (_whole(graph),)


def _whole(graph: Graph) -> Segment:
    return Segment(0, len(graph.nodes), graph.inputs, graph.outputs)


def _piece(graph: Graph, cut: Segment) -> Graph:
    return with_nodes(replace(graph, inputs=cut.inputs, outputs=cut.outputs), graph.nodes[cut.start : cut.stop])
