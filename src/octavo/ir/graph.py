"""Questions to a graph and edits of it. Every edit returns a new graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node, Tensor


def producers(graph: Graph) -> dict[str, Node]:
    """The node that makes each non-constant, non-input tensor; a variable has its value before any node runs."""
    return {name: node for node in graph.nodes for name in node.outputs if not graph.tensors[name].is_variable}


def consumers(graph: Graph) -> dict[str, tuple[Node, ...]]:
    """The nodes that read each tensor, in execution order; every tensor has an entry."""
    readers: dict[str, list[Node]] = {name: [] for name in graph.tensors}
    for node in graph.nodes:
        for name in dict.fromkeys(node.inputs):
            if name is not None:
                readers[name].append(node)
    return {name: tuple(nodes) for name, nodes in readers.items()}


def operands(graph: Graph, node: Node) -> Inputs[Tensor]:
    """The node's input tensors."""
    return Inputs(None if name is None else graph.tensors[name] for name in node.inputs)


def results(graph: Graph, node: Node) -> tuple[Tensor, ...]:
    """The node's output tensors."""
    return tuple(graph.tensors[name] for name in node.outputs)


def with_tensors(graph: Graph, tensors: Iterable[Tensor]) -> Graph:
    """The graph with these tensors added or replaced by name."""
    return replace(graph, tensors={**graph.tensors, **{tensor.name: tensor for tensor in tensors}})


def with_nodes(graph: Graph, nodes: Iterable[Node], tensors: Iterable[Tensor] = ()) -> Graph:
    """The graph with another node list, and these tensors added or replaced; unused tensors are dropped."""
    added = {tensor.name: tensor for tensor in tensors}
    return drop_unused(replace(graph, nodes=tuple(nodes), tensors={**graph.tensors, **added}))


def rename_inputs(nodes: Iterable[Node], names: Mapping[str, str]) -> tuple[Node, ...]:
    """The nodes, reading `names[t]` wherever they read t."""
    return tuple(
        replace(node, inputs=tuple(None if name is None else names.get(name, name) for name in node.inputs))
        if any(name in names for name in node.inputs)
        else node
        for node in nodes
    )


def drop_unused(graph: Graph) -> Graph:
    """The graph without tensors that nothing reads or makes; the same object if there are none."""
    used = {*graph.inputs, *graph.outputs}
    for node in graph.nodes:
        used.update(name for name in node.inputs if name is not None)
        used.update(node.outputs, node.intermediates)
    if len(used) == len(graph.tensors):
        return graph
    return replace(graph, tensors={name: tensor for name, tensor in graph.tensors.items() if name in used})


def drop_dead(graph: Graph) -> Graph:
    """The graph without nodes whose results reach no output, in no run; the same object if there are none."""
    live, kept = set(graph.outputs), list[Node]()
    read: set[str] = set()
    while True:
        for node in reversed(graph.nodes):
            if live.intersection(node.outputs):
                kept.append(node)
                live.update(name for name in node.inputs if name is not None)
        # What the next run reads of a variable is written behind the node that reads it.
        more = {name for name in live if graph.tensors[name].is_variable} - read
        if not more:
            break
        read |= more
        live, kept = {*graph.outputs, *read}, []
    return graph if len(kept) == len(graph.nodes) else with_nodes(graph, reversed(kept))


def fresh_name(taken: Iterable[str], wanted: str) -> str:
    """`wanted`, or `wanted_1`, `wanted_2`, ... whichever is first not in `taken`."""
    taken = taken if isinstance(taken, (set, dict, Mapping)) else set(taken)
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name


def distinct_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names, where a later one is an earlier one's made fresh: ("state", "state") becomes ("state", "state_1")."""
    found: dict[str, None] = {}
    for name in names:
        found[fresh_name(found, name)] = None
    return tuple(found)
