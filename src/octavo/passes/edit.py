"""A graph under edit: questions and replacements in constant time, so that a pass is one sweep over the nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import fresh_name, rename_inputs, with_nodes
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node, Tensor


class GraphEdit:
    """Collects replacements of nodes.

    Args:
        graph: The graph to start from; it stays as it is.

    Attributes:
        tensors: All tensors so far by name.
    """

    def __init__(self, graph: Graph) -> None:
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self._graph = graph
        self._nodes: list[Node | None] = list(graph.nodes)
        self._place: dict[str, int] = {}
        self._readers: dict[str, set[int]] = {}
        self._changed = False
        for place, node in enumerate(graph.nodes):
            self._link(place, node)

    def nodes(self, *, backwards: bool = False) -> Iterator[Node]:
        """The nodes in execution order or against it; a node replaced ahead of the sweep is seen in its new form."""
        places = range(len(self._nodes))
        for place in reversed(places) if backwards else places:
            node = self._nodes[place]
            if node is not None:
                yield node

    def producer(self, name: str | None) -> Node | None:
        """The node that makes a tensor; None for constants and graph inputs."""
        place = None if name is None else self._place.get(name)
        return None if place is None else self._nodes[place]

    def readers(self, name: str) -> tuple[Node, ...]:
        """The nodes that read a tensor, in execution order."""
        found = (self._nodes[place] for place in sorted(self._readers.get(name, ())))
        return tuple(node for node in found if node is not None)

    def only_reader(self, name: str) -> Node | None:
        """The one node that reads a tensor, if it has no other reader and is no graph output."""
        readers = self.readers(name)
        return readers[0] if len(readers) == 1 and name not in self._graph.outputs else None

    def is_output(self, name: str) -> bool:
        """Whether a tensor is an output of the graph."""
        return name in self._graph.outputs

    def constant(self, name: str | None) -> np.ndarray | None:
        """The values of a constant, None for any other tensor."""
        return None if name is None else self.tensors[name].data

    def operands(self, node: Node) -> Inputs[Tensor]:
        """The node's input tensors."""
        return Inputs(None if name is None else self.tensors[name] for name in node.inputs)

    def add_constant(self, wanted: str, values: np.ndarray, layer: str) -> str:
        """Add a float32 constant under the wanted name, or a fresh one like it, and return its name."""
        name = fresh_name(self.tensors, wanted)
        self.tensors[name] = Tensor(name, values.shape, DType.FLOAT32, np.asarray(values, np.float32), layer=layer)
        return name

    def change_constant(self, name: str, values: np.ndarray) -> str:
        """Give a constant other values for its reader at hand; a name that others read too is left to them."""
        tensor = self.tensors[name]
        if len(self.readers(name)) > 1 or self.is_output(name):
            return self.add_constant(name, values, tensor.layer)
        self.tensors[name] = replace(tensor, shape=values.shape, data=np.asarray(values, np.float32))
        return name

    def replace(self, old: tuple[Node, ...], new: tuple[Node, ...]) -> None:
        """Put the new nodes, at most as many, in the places of the last old ones."""
        places = sorted(self._place[node.outputs[0]] for node in old)
        for place in places:
            self._unlink(place)
        for place, node in zip(places[len(old) - len(new) :], new, strict=True):
            self._link(place, node)
        self._changed = True

    def bypass(self, node: Node, source: str) -> bool:
        """Drop a node whose only result equals tensor `source`; False where the graph needs both names."""
        result = node.outputs[0]
        if not self.is_output(result):
            self.replace((node,), ())
            self._redirect(result, source)
            return True
        maker = self.producer(source)
        if maker is None or self.is_output(source):
            return False
        self.replace((node,), ())
        self._redirect(source, result)
        renamed = tuple(result if name == source else name for name in maker.outputs)
        self.replace((maker,), (replace(maker, outputs=renamed),))
        return True

    def finish(self) -> Graph:
        """The edited graph; the same object if nothing was replaced."""
        if not self._changed:
            return self._graph
        return with_nodes(self._graph, (node for node in self._nodes if node is not None), self.tensors.values())

    def _redirect(self, old: str, new: str) -> None:
        """Let every reader of one tensor read another."""
        for reader in self.readers(old):
            self.replace((reader,), rename_inputs((reader,), {old: new}))

    def _link(self, place: int, node: Node) -> None:
        self._nodes[place] = node
        self._place.update(dict.fromkeys(node.outputs, place))
        for name in filter(None, node.inputs):
            self._readers.setdefault(name, set()).add(place)

    def _unlink(self, place: int) -> None:
        node, self._nodes[place] = self._nodes[place], None
        assert node is not None
        for name in node.outputs:
            del self._place[name]
        for name in filter(None, node.inputs):
            self._readers[name].discard(place)
