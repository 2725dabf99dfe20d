"""What one operator becomes: constants and calls of kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from octavo.ir.types import Graph, Node
from octavo.ops.window import Window


@dataclass(frozen=True, slots=True)
class Rows:
    """One operator in C for some rows of its result.

    Attributes:
        statement: As those of a `Call`, on addresses that row 0 has or would have; `{begin}` and `{end}` are the rows.
        reach: Rows of each data operand that a row of the result needs.
        stride: Rows from its first one to that of the next row.
        pad: Rows that the first row's reach lies above the operand.
    """

    statement: str
    reach: int = 1
    stride: int = 1
    pad: int = 0

    @classmethod
    def under(cls, statement: str, window: Window) -> Rows:
        """Those of an operator that moves a window."""
        return cls(statement, (window.height - 1) * window.dilation_h + 1, window.stride_h, window.pad_top)


@dataclass(frozen=True, slots=True)
class Call:
    """One operator in C.

    Attributes:
        kernels: Files of the kernels it calls, without ending, each behind those that it builds upon.
        constants: Definitions that the statements name.
        statements: With `{x0}`, ... for the data operands, `{i0}`, ... for inputs by their places, `{y0}`, ... for the
            results, `{y}` for the only one, and `{scratch}`.
        scratch_bytes: Memory it needs while it runs.
        reads_first: Whether the result may take the memory of the first operand for a reason that the operator's row
            cannot know: the kernel has read all that a place still needs before it writes there.
        rows: The same by rows, None if its kernel only knows the whole.
    """

    kernels: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    scratch_bytes: int = 0
    reads_first: bool = False
    rows: Rows | None = None


# Given the graph, the node and a prefix for the names of its constants.
Lowering = Callable[[Graph, Node, str], Call]
