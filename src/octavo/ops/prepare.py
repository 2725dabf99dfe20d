"""The constants of a graph's integer kernels, computed once."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from octavo.errors import GraphError
from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node
from octavo.ops.spec import Kernel
from octavo.ops.table import spec_of

# Graphs are immutable, so that what was prepared for one holds as long as it lives.
_PREPARED: WeakKeyDictionary[Graph, dict[Node, Any]] = WeakKeyDictionary()


def prepared(graph: Graph, node: Node) -> Any:
    """What the integer kernel of a node runs with: an object of the class its row's `prepare` names.

    Raises:
        GraphError: if the operator has no integer kernel.
    """
    known = _PREPARED.setdefault(graph, {})
    if node not in known:
        kernel = integer_kernel(node)
        known[node] = kernel.prepare(node.options, operands(graph, node), results(graph, node))
    return known[node]


def integer_kernel(node: Node) -> Kernel[Any]:
    """The integer kernel of a node.

    Raises:
        GraphError: if its operator has none.
    """
    kernel = spec_of(node.op).integer
    if kernel is None:
        raise GraphError(
            f"{node.op} of layer '{node.layer}' has no integer kernel.",
            got="an input or a result that is quantized",
            expected="float tensors on both sides",
            fix="plan the graph with octavo.plan.make, which keeps such an operator in float",
        )
    return kernel
