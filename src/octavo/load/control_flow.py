"""Loops and choices that constants decide: a file's WHILE and IF in the operators that they run.

Converters write recurrent layers and loops over a dimension as WHILE, whose counter is known before the model runs. In
its place come the operators of each step, which are quantized like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from octavo.errors import InputError
from octavo.ir.graph import fresh_name
from octavo.ir.types import Graph, Node, Tensor
from octavo.load.flatbuffer import FileContent, read_subgraph
from octavo.ops.stored import StoredOperator
from octavo.write.stored import called

# More operators than a loop may become, and steps that it may take; a longer one stays a loop.
MOST_OPERATORS, MOST_STEPS = 20_000, 2_000

Settle = Callable[[FileContent], Graph]


@dataclass(frozen=True, slots=True)
class Inlined:
    """What stands in the place of an operator.

    Attributes:
        nodes: In execution order.
        tensors: By name, those that are new.
        results: The tensors that stand for the operator's results, in order.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    results: tuple[str, ...]


def inlined(node: Node, options: StoredOperator, tensors: Mapping[str, Tensor], settle: Settle) -> Inlined | None:
    """The operators that a WHILE or an IF runs; None for any other operator, and where values of the model decide.

    Args:
        node: The operator.
        options: Of it.
        tensors: All of the graph so far.
        settle: Makes a graph of fixed shapes of a subgraph whose inputs have some.
    """
    if node.op not in ("WHILE", "IF"):
        return None
    inside, parts = _Inside(node, tensors, settle), called(options.content)
    try:
        read = {name: read_subgraph(options.content, index) for name, index in parts.items()}
        if node.op == "WHILE":
            return inside.loop(read["condSubgraphIndex"], read["bodySubgraphIndex"])
        return inside.choice(read["thenSubgraphIndex"], read["elseSubgraphIndex"])
    except InputError:  # an operator inside has no fixed shape by itself; LiteRT may run the whole
        return None


class _Inside:
    """What an operator runs, as it is put in its place."""

    def __init__(self, node: Node, tensors: Mapping[str, Tensor], settle: Settle) -> None:
        self._node, self._settle = node, settle
        self._known = dict(tensors)
        self._new: dict[str, Tensor] = {}
        self._nodes: list[Node] = []
        # Constants that every step reads, by subgraph and name there.
        self._shared: dict[tuple[int, str], str] = {}

    def loop(self, condition: FileContent, body: FileContent) -> Inlined | None:
        """All steps of a loop."""
        carried = tuple(map(str, self._node.inputs))
        for _ in range(MOST_STEPS):
            goes_on = self._decided(condition, carried)
            if goes_on is None or len(self._nodes) > MOST_OPERATORS:
                return None
            if not goes_on:
                return Inlined(tuple(self._nodes), self._new, carried)
            carried = self._call(body, carried)
        return None

    def choice(self, then: FileContent, otherwise: FileContent) -> Inlined | None:
        """The branch that is taken."""
        condition, *inputs = map(str, self._node.inputs)
        chosen = self._known[condition].data
        if chosen is None:
            return None
        results = self._call(then if chosen.all() else otherwise, tuple(inputs))
        return Inlined(tuple(self._nodes), self._new, results)

    def _decided(self, condition: FileContent, carried: tuple[str, ...]) -> bool | None:
        """What the condition of a loop is; None where values of the model decide."""
        graph = self._settled(condition, carried)
        found = graph.tensors[graph.outputs[0]].data
        return None if found is None else bool(found.all())

    def _call(self, part: FileContent, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Add the operators of a subgraph on these tensors; what stands for its outputs."""
        graph = self._settled(part, inputs)
        names = dict(zip(part.graph.inputs, inputs, strict=True))
        for name, tensor in graph.tensors.items():
            if name not in names:
                names[name] = self._add(part, tensor)
        for node in graph.nodes:
            renamed = tuple(None if name is None else names[name] for name in node.inputs)
            outputs = tuple(names[name] for name in node.outputs)
            self._nodes.append(replace(node, inputs=renamed, outputs=outputs, layer=self._node.layer))
        return tuple(names[name] for name in graph.outputs)

    def _add(self, part: FileContent, tensor: Tensor) -> str:
        """Add a tensor of a subgraph under a name of its own."""
        place = (part.subgraph, tensor.name)
        if place in self._shared:
            return self._shared[place]
        name = fresh_name(self._known, f"{self._node.layer}/{tensor.name}")
        self._known[name] = self._new[name] = replace(tensor, name=name, layer=self._node.layer)
        stored = part.graph.tensors.get(tensor.name)
        if stored is not None and stored.is_constant:
            self._shared[place] = name
        return name

    def _settled(self, part: FileContent, inputs: tuple[str, ...]) -> Graph:
        """A subgraph whose inputs are as these tensors are."""
        given = zip(part.graph.inputs, (self._known[name] for name in inputs), strict=True)
        tensors = dict(part.graph.tensors)
        tensors |= {name: replace(tensor, name=name, layer=name) for name, tensor in given}
        shapes = {name: shape if tensors[name].is_constant else (-1,) for name, shape in part.open_shapes.items()}
        return self._settle(replace(part, graph=replace(part.graph, tensors=tensors), open_shapes=shapes))
