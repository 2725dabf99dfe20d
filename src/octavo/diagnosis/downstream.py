"""What a float network's tensors hold on samples, and what its outputs become where some of it is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from octavo.diagnosis.samples import HELD_BYTES, Arrays, count_of, one
from octavo.ir.graph import drop_dead, with_nodes
from octavo.ir.samples import sample_shape
from octavo.ir.types import Graph, Node
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite


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
    """A float network on some samples, of which a change computes only what depends on it.

    Args:
        graph: The float network.
        x: Samples by input name. What they make of every tensor is held, where that fits `HELD_BYTES`.
    """

    def __init__(self, graph: Graph, x: Arrays) -> None:
        self._nodes = {node.outputs[0]: node for node in graph.nodes}
        self._like = graph
        made = tuple(dict.fromkeys((*(name for node in graph.nodes for name in node.outputs), *graph.outputs)))
        size = sum(graph.tensors[name].size * graph.tensors[name].dtype.bits // 8 for name in made)
        held = made if size * count_of(x) <= HELD_BYTES else graph.outputs
        shown = Shown(replace(graph, outputs=tuple(name for name in held if name not in graph.inputs)))
        samples = (one(x, i, graph) for i in range(count_of(x)))
        self._held = [{**sample, **shown(sample)} for sample in samples]

    def outputs(self, graph: Graph | None = None) -> dict[str, np.ndarray]:
        """Outputs by the float network's names, first axis the sample.

        Args:
            graph: The network with some of it changed, its outputs in the same order; None for the network itself.
        """
        changed = self._changed(graph) if graph is not None else ()
        made = {name for node in changed for name in node.outputs}
        runs = self._held
        if graph is not None and made:
            after = drop_dead(with_nodes(replace(graph, outputs=_those(graph.outputs, made)), changed))
            shown = Shown(_fed(after, made))
            runs = [held | shown(held) for held in self._held]
        names = self._like.outputs if graph is None else graph.outputs
        pairs = zip(self._like.outputs, names, strict=True)
        return {name: np.concatenate([np.atleast_1d(run[own]) for run in runs]) for name, own in pairs}

    def _changed(self, graph: Graph) -> tuple[Node, ...]:
        """The operators of a changed network that are not the network's own, or read what such ones make."""
        made: set[str] = set()
        found = []
        for node in graph.nodes:
            if node != self._nodes.get(node.outputs[0]) or made.intersection(node.inputs):
                found.append(node)
                made.update(node.outputs)
        read = {name for node in found for name in node.inputs if name and name not in made}
        known = all(_stored(graph, name) or name in self._held[0] for name in read)
        return tuple(found) if known else graph.nodes


def _stored(graph: Graph, name: str) -> bool:
    return graph.tensors[name].is_constant or graph.tensors[name].is_variable


def _those(names: Sequence[str], made: set[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name in made))


def _fed(graph: Graph, made: set[str]) -> Graph:
    """The graph whose inputs are what its operators read and none of them makes."""
    read = dict.fromkeys(name for node in graph.nodes for name in node.inputs if name and name not in made)
    return replace(graph, inputs=tuple(name for name in read if not _stored(graph, name)))
