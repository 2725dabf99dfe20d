"""What a model in C tells of each of its operators while it runs, where it is built to."""

from __future__ import annotations

from octavo.ir.types import Node
from octavo.write.c.text import comment

_DECLARED = """
/* Built with {upper}_TRACE set to 1, the model calls this function of yours behind every operator, and behind every few
 * rows of one that runs row by row: the operator's place in the order of the calls, its name and layer, and the values
 * it has written there, to take the time or to compare them. */
#ifndef {upper}_TRACE
#define {upper}_TRACE 0
#endif
#if {upper}_TRACE
void {name}_trace(int32_t operation, const char *layer, const void *values, int32_t bytes);
#endif
"""
_DEFINED = """\
#if {upper}_TRACE
#define {upper}_TELL(operation, layer, values, bytes) {name}_trace(operation, layer, values, bytes)
#else
#define {upper}_TELL(operation, layer, values, bytes) ((void)0)
#endif

"""


def trace_declared(name: str) -> str:
    """For the header: the switch, and the function that a caller defines."""
    return _DECLARED.format(name=name, upper=name.upper())


def traced(name: str) -> str:
    """For the source, before what `told` writes."""
    return _DEFINED.format(name=name, upper=name.upper())


def told(name: str, step: int, node: Node, values: str, size: str) -> str:
    """The statement behind an operator.

    Args:
        name: The model's.
        step: The operator's place in the order of the calls.
        node: The operator.
        values: Expression of a pointer to what it has written.
        size: Expression of how many bytes that is.
    """
    return f'{name.upper()}_TELL({step}, "{node.op}, {comment(node.layer)}", {values}, {size});'
