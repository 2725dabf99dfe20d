"""ARG_MAX, ARG_MIN and SELECT_V2 in C."""

from __future__ import annotations

import math

from octavo.dtypes import DType
from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node
from octavo.ops.shape import integers
from octavo.write.c.call import Call, Lowering
from octavo.write.c.constants import padded_places
from octavo.write.c.refuse import refuse
from octavo.write.c.text import braces, structure


def lower_arg(function: str) -> Lowering:
    """ARG_MAX or ARG_MIN by the kernel `function`.

    Raises (the lowering):
        UnsupportedLayerError: for places of 64 bits.
    """

    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        (x, axis), (y,) = operands(graph, node), results(graph, node)
        if y.dtype is not DType.INT32 or not axis.is_constant:
            raise refuse(
                node,
                got=f"places of type {y.dtype.value}",
                expected="int32, along a constant axis",
                fix="ask for output_type int32 when the model is converted",
            )
        place = integers(axis)[0] % len(x.shape)
        parts = math.prod(x.shape[:place]), x.shape[place], math.prod(x.shape[place + 1 :])
        definition = structure("octavo_search", f"{prefix}_op", [("outer, count, inner", ", ".join(map(str, parts)))])
        return Call(("choose",), (definition,), (f"{function}(&{prefix}_op, {{x0}}, {{y}});",))

    return lower


def lower_select(function: str) -> Lowering:
    """SELECT_V2 by the kernel `function`."""

    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        condition, a, b = operands(graph, node)
        sizes, steps = padded_places(node, [condition.shape, a.shape, b.shape])
        names = ("step of the condition", "step of a", "step of b")
        fields = [("size", braces(sizes)), *((name, braces(step)) for name, step in zip(names, steps, strict=True))]
        definition = structure("octavo_select", f"{prefix}_op", fields)
        return Call(("choose",), (definition,), (f"{function}(&{prefix}_op, {{i0}}, {{i1}}, {{i2}}, {{y}});",))

    return lower
