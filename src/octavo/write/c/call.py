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
        in_place: Data operands whose memory the result may take over.
        alias: Whether the result is the first operand's memory, unchanged; nothing is called then.
    """

    kernel: str
    constants: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    scratch_bytes: int = 0
    in_place: tuple[int, ...] = ()
    alias: bool = False


# Given the graph, the node and a prefix for the names of its constants.
Lowering = Callable[[Graph, Node, str], Call]
