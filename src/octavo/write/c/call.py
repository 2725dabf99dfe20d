"""What one operator becomes: constants and calls of kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from octavo.ir.types import Graph, Node


@dataclass(frozen=True, slots=True)
class Call:
    """One operator in C.

    Attributes:
        kernel: File of the kernels it calls, without ending; "" if it calls none.
        constants: Definitions that the statements name.
        statements: With `{x0}`, `{x1}`, ... for the data operands, `{y}` for the result and `{scratch}`.
        scratch_bytes: Memory it needs while it runs.
        reads_first: Whether the result may take the memory of the first operand for a reason that the operator's row
            cannot know: the kernel has read all that a place still needs before it writes there.
    """

    kernel: str
    constants: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    scratch_bytes: int = 0
    reads_first: bool = False


# Given the graph, the node and a prefix for the names of its constants.
Lowering = Callable[[Graph, Node, str], Call]
