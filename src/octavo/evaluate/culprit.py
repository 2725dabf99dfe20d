"""Which operator of a graph ends a runtime's process: found by running heads of the graph, in a child each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from octavo.errors import OctavoError, RuntimeEndedError, RuntimeLimitError
from octavo.ir.graph import drop_dead, with_nodes
from octavo.ir.types import Graph, Node
from octavo.run.targets import Target
from octavo.write.tflite import write_tflite


def culprit(
    target: Target,
    graph: Graph,
    samples: Sequence[Mapping[str, np.ndarray]],
    fails: type[OctavoError] = RuntimeEndedError,
) -> Node | None:
    """The operator that ends the process of a runtime; None where no head of the graph does.

    Halves, time and again, what is between the longest head of the graph known to run and the shortest known not to:
    `log2(operators)` files, each of them written and run.

    Args:
        target: The runtime.
        graph: What ended its process.
        samples: Inputs by name, in the graph's own types.
        fails: What it raises there: `ModelFileError` finds the operator for which it refuses a file.
    """
    runs, ends = 0, len(graph.nodes)
    if not _fails(target, _head(graph, ends), samples, fails):
        return None
    while ends - runs > 1:
        middle = (runs + ends) // 2
        if _fails(target, _head(graph, middle), samples, fails):
            ends = middle
        else:
            runs = middle
    return graph.nodes[ends - 1]


def blamed(
    error: RuntimeEndedError, target: Target, graph: Graph, samples: Sequence[Mapping[str, np.ndarray]]
) -> tuple[RuntimeEndedError, Node | None]:
    """The error with the operator that causes it, where that can be found, and it; a limit is no operator's own."""
    node = None if isinstance(error, RuntimeLimitError) else culprit(target, graph, samples)
    if node is None:
        return error, None
    where = f"{node.op} of '{node.layer or node.outputs[0]}'"
    told = RuntimeEndedError(
        error.what,
        got=f"{error.got}; its {where} does that",
        expected=error.expected,
        fix=error.fix,
    )
    return told, node


def _head(graph: Graph, count: int) -> Graph:
    """The first operators of a graph; the results of the last are its outputs."""
    nodes = graph.nodes[:count]
    return drop_dead(with_nodes(replace(graph, outputs=nodes[-1].outputs), nodes))


def _fails(target: Target, graph: Graph, samples: Sequence[Mapping[str, np.ndarray]], fails: type[OctavoError]) -> bool:
    try:
        with target.open(write_tflite(graph)) as runtime:
            for sample in samples:
                runtime.reset()
                runtime.run({name: sample[name] for name in graph.inputs})
    except OctavoError as error:  # one of another kind is no answer
        return isinstance(error, fails)
    return False
