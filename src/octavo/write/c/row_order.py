"""Operators row by row: in which order rows are computed, and how many of each image are held at a time.

An image between two operators need not exist as a whole. A row is computed when a row behind it needs it, depth first,
and is dropped when no row will need it any more; so nothing is computed twice. Source: rolling line buffers, as in
"MCUNetV2" (Lin et al., 2021) and "Fused-Layer CNN Accelerators" (Alwani et al., 2016), without their recomputation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from octavo.ir.types import Graph, Tensor
from octavo.ops.spec import Overlap
from octavo.ops.table import spec_of
from octavo.write.c.call import Call, Rows
from octavo.write.c.table import data_operands

READ = -1
"""In place of an operator: a row of the streamed input."""


@dataclass(frozen=True, slots=True)
class RowOrder:
    """A part of a model that runs row by row.

    Attributes:
        first, last: Indices of its operators, the last one excluded.
        held: Rows that the buffer of an image takes, by name, where that is not the whole image.
        lies_in: Images of which one row is held, and where: over it an elementwise operator writes that of its result.
        order: (operator, rows) pairs; the operator's next rows are computed.
        streamed: Input whose rows are read when they are needed, None if all inputs lie in memory.
        copied_bytes: What sliding buffers move in all.
    """

    first: int
    last: int
    held: Mapping[str, int]
    lies_in: Mapping[str, str]
    order: tuple[tuple[int, int], ...]
    streamed: str | None
    copied_bytes: int

    def covers(self, step: int) -> bool:
        """Whether an operator is part of it."""
        return self.first <= step < self.last


def row_bytes(tensor: Tensor) -> int:
    """Bytes of a row of an image."""
    return tensor.bytes // tensor.shape[1]


def can_run_by_rows(graph: Graph, calls: Sequence[Call], step: int) -> bool:
    """Whether an operator's kernel takes a range of rows, of one image."""
    node = graph.nodes[step]
    shapes = [tensor.shape for tensor in data_operands(graph, node) if tensor.data is None]
    shapes.append(graph.tensors[node.outputs[0]].shape)
    return calls[step].rows is not None and all(len(shape) == 4 and shape[0] == 1 for shape in shapes)


def row_order(graph: Graph, calls: Sequence[Call], first: int, last: int, stream: bool) -> RowOrder | None:
    """The order of the operators `first` .. `last - 1`, all of which can run by rows; None if it cannot be streamed."""
    part = range(first, last)
    made = {graph.nodes[i].outputs[0]: i for i in part}
    outside = {*graph.outputs, *(name for i, node in enumerate(graph.nodes) if i not in part for name in node.inputs)}
    streamed = graph.inputs[0] if stream else None
    if streamed is not None and (len(graph.inputs) > 1 or streamed in outside):
        return None
    partial = [name for name in (*made, *([streamed] if streamed else [])) if name not in outside]
    run = _Run(graph, calls, made, partial, streamed)
    for name in made:
        if name in outside:
            run.produce(name, graph.tensors[name].shape[1])
    held = run.held()
    lies_in = _rows_in_results(graph, part, held)
    buffers = {name: rows for name, rows in held.items() if name not in lies_in}
    return RowOrder(first, last, buffers, lies_in, tuple(run.order), streamed, run.copied_bytes())


def _rows_in_results(graph: Graph, part: range, held: Mapping[str, int]) -> dict[str, str]:
    """Rows that are written where the one elementwise operator that reads them will write its result's."""
    uses = Counter(name for node in graph.nodes for name in node.inputs)
    made = {graph.nodes[i].outputs[0] for i in part}
    lies_in: dict[str, str] = {}
    for i in reversed(part):
        node = graph.nodes[i]
        claim = spec_of(node.op).in_place
        inputs = claim.inputs if claim is not None and claim.overlap is Overlap.ELEMENTWISE else ()
        (result,) = node.outputs
        for name in (node.inputs[k] for k in inputs):
            if name in made and held.get(name) == 1 == uses[name] and _alike(graph, name, result):
                lies_in[name] = lies_in.get(result, result)
                break
    return lies_in


def _alike(graph: Graph, a: str, b: str) -> bool:
    first, second = graph.tensors[a], graph.tensors[b]
    return (first.shape, first.dtype.bits) == (second.shape, second.dtype.bits)


class _Run:
    """A simulation that computes rows when they are needed, and remembers how far buffers had to reach."""

    def __init__(
        self, graph: Graph, calls: Sequence[Call], made: Mapping[str, int], partial: Sequence[str], streamed: str | None
    ) -> None:
        self._graph, self._calls, self._made, self._streamed = graph, calls, made, streamed
        self._done = dict.fromkeys([*made, *([streamed] if streamed else [])], 0)
        self._held = dict.fromkeys(partial, 0)
        self._readers = {
            name: [(i, out) for out, i in made.items() if name in graph.nodes[i].inputs] for name in self._done
        }
        self.order: list[tuple[int, int]] = []

    def produce(self, name: str, end: int) -> None:
        """Compute the rows of an image in front of `end` that are not computed yet, and all they need."""
        while self._done[name] < end:
            if name != self._streamed:
                step = self._made[name]
                rows = self._rows(step)
                for operand in data_operands(self._graph, self._graph.nodes[step]):
                    if operand.name in self._done:
                        behind = self._done[name] * rows.stride - rows.pad + rows.reach
                        self.produce(operand.name, min(max(behind, 0), operand.shape[1]))
            self._done[name] += 1
            if name in self._held:
                self._held[name] = max(self._held[name], self._done[name] - self._first_needed(name))
            event = self._made.get(name, READ)
            if self.order and self.order[-1][0] == event and self.order[-1][1] < 255:
                self.order[-1] = (event, self.order[-1][1] + 1)
            else:
                self.order.append((event, 1))

    def held(self) -> dict[str, int]:
        """Rows to hold of each image that is not held as a whole."""
        return {name: rows for name, rows in self._held.items() if rows < self._graph.tensors[name].shape[1]}

    def copied_bytes(self) -> int:
        """Bytes that buffers move when a row comes in, all rows together."""
        images = {name: self._graph.tensors[name] for name in self.held()}
        return sum(
            (images[name].shape[1] - rows) * (rows - 1) * row_bytes(images[name]) for name, rows in self.held().items()
        )

    def _rows(self, step: int) -> Rows:
        rows = self._calls[step].rows
        assert rows is not None
        return rows

    def _first_needed(self, name: str) -> int:
        """The first row of an image that a row still to be computed needs."""
        needed = [
            max(self._done[out] * self._rows(step).stride - self._rows(step).pad, 0)
            for step, out in self._readers[name]
            if self._done[out] < self._graph.tensors[out].shape[1]
        ]
        return min([*needed, self._done[name] - 1])
