"""Which operators compute a function of one number that int8 has no kernel for, so that a table of it stands in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from octavo.ir.graph import consumers, producers
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.table import spec_of
from octavo.plan.types import Table


def find_tables(graph: Graph, takes_part: Callable[[Node], bool], has_kernel: Callable[[Node], bool]) -> list[Table]:
    """The largest sets of operators that compute, element by element, a function of one tensor of reals.

        x -> SIN -> MUL by a constant -> CEIL  =>  a table of ceil(2 sin(x))

    Each holds an operator without an int8 kernel: what has kernels throughout is computed by them. What enters besides
    the tensor are constants of one number each. A value that others read is the result of a table of its own.

    Args:
        graph: The float graph.
        takes_part: Whether a node is to run on int8.
        has_kernel: Whether it can.
    """
    makers, sources = producers(graph), _sources(graph, takes_part)
    readers = consumers(graph)

    def is_read(result: str, inside: Callable[[Node], bool]) -> bool:
        """Whether others read it."""
        return result in graph.outputs or not all(map(inside, readers.get(result, ())))

    def ends(result: str) -> bool:
        return is_read(result, lambda reader: sources.get(reader.outputs[0]) == sources[result])

    def table(result: str) -> Table:
        nodes = _cone(result, sources[result], makers)
        return Table(sources[result], result, tuple(each for each in graph.nodes if each in nodes))

    found = [made for made in map(table, filter(ends, sources)) if not all(map(has_kernel, made.nodes))]
    looked_up = {node for made in found for node in made.nodes}
    # What has kernels throughout is still to be had by those that are in no table.
    results = looked_up.difference(makers[made.result] for made in found)
    within = (node.outputs[0] for node in graph.nodes if node in results)
    return [*found, *(table(result) for result in within if is_read(result, looked_up.__contains__))]


def _sources(graph: Graph, takes_part: Callable[[Node], bool]) -> dict[str, str]:
    """The tensor that each result of such operators is a function of."""
    sources: dict[str, str] = {}
    for node in graph.nodes:
        spec, result = spec_of(node.op), graph.tensors[node.outputs[0]]
        if not spec.pointwise or not takes_part(node):
            continue
        read = {name: graph.tensors[name] for name in node.inputs if name is not None}
        origins = {sources.get(name, name) for name, tensor in read.items() if not tensor.is_constant}
        numbers = all(is_one_number(tensor) for tensor in read.values() if tensor.is_constant)
        if len(origins) == 1 and numbers:
            source = graph.tensors[next(iter(origins))]
            if source.dtype.is_float and source.shape == result.shape and not source.is_variable:
                sources[result.name] = source.name
    return sources


def is_one_number(tensor: Tensor) -> bool:
    """Whether a constant is the same number everywhere."""
    data = tensor.data
    return data is not None and data.size > 0 and bool((data == data.flat[0]).all())


def _cone(result: str, source: str, makers: Mapping[str, Node]) -> set[Node]:
    """The operators between a source and a result."""
    nodes: set[Node] = set()
    pending = [result]
    while pending:
        name = pending.pop()
        if name != source and name in makers and makers[name] not in nodes:
            nodes.add(makers[name])
            pending += [each for each in makers[name].inputs if each is not None]
    return nodes
