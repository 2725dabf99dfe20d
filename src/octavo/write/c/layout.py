"""Where each tensor of a model lies: in the caller's buffers, in the arena, or among the constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from octavo.board.plan_memory import Buffer, MemoryPlan, lower_bound, plan_memory
from octavo.ir.types import Graph, Node
from octavo.ops.spec import Overlap
from octavo.ops.table import spec_of
from octavo.write.c.call import Call
from octavo.write.c.row_order import RowOrder, row_bytes
from octavo.write.c.table import data_operands


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of tensors.

    Attributes:
        places: C expression of each activation's address by tensor name.
        scratch: Likewise of each operator's scratch by its index, where it has one.
        late_outputs: (C expression, output index) of outputs that are copied at the end: they share memory with another
            output or with an input.
        plan: Of the arena.
    """

    places: Mapping[str, str]
    scratch: Mapping[int, str]
    late_outputs: tuple[tuple[str, int], ...]
    plan: MemoryPlan


def lay_out(
    graph: Graph, calls: Sequence[Call], inputs: Sequence[str], outputs: Sequence[str], rows: RowOrder | None = None
) -> Layout:
    """Give every tensor its place.

    Tensors that are one memory (aliases, results in place) form a group; a group with a graph input or output lies
    where the caller has it, any other in the arena.

    Args:
        graph: The model.
        calls: Its operators in C.
        inputs, outputs: C expressions of the caller's buffers.
        rows: The part that runs row by row, all of it as one step; a streamed input is not the caller's.
    """
    groups = _groups(graph, calls, rows)
    caller, late = _callers(graph, groups, inputs, outputs, rows)
    plan = plan_memory(_buffers(graph, calls, groups, caller, rows))
    places = {name: caller.get(group) or f"(base + {plan.offsets[group]})" for name, group in groups.items()}
    scratch = {
        i: f"(base + {plan.offsets[_scratch(_step(i, rows))]})" for i, call in enumerate(calls) if call.scratch_bytes
    }
    return Layout(places, scratch, tuple((places.get(name, name), i) for name, i in late), plan)


def least_arena(graph: Graph, calls: Sequence[Call], rows: RowOrder | None = None) -> int:
    """The lower bound of the arena that `lay_out` would plan, without looking for a plan."""
    groups = _groups(graph, calls, rows)
    caller, _ = _callers(graph, groups, graph.inputs, graph.outputs, rows)
    return lower_bound(_buffers(graph, calls, groups, caller, rows))


def _callers(
    graph: Graph,
    groups: Mapping[str, str],
    inputs: Sequence[str],
    outputs: Sequence[str],
    rows: RowOrder | None,
) -> tuple[dict[str, str], list[tuple[str, int]]]:
    """The caller's buffers by group; and (name, output index) of outputs that are copied at the end."""
    streamed = None if rows is None else rows.streamed
    caller = {groups[name]: text for name, text in zip(graph.inputs, inputs, strict=True) if name != streamed}
    late: list[tuple[str, int]] = []
    for i, name in enumerate(graph.outputs):
        if groups[name] in caller or graph.tensors[name].data is not None:
            late.append((name, i))
        else:
            caller[groups[name]] = outputs[i]
    return caller, late


def _buffers(
    graph: Graph, calls: Sequence[Call], groups: Mapping[str, str], caller: Mapping[str, str], rows: RowOrder | None
) -> list[Buffer]:
    """What the arena holds: groups that are not the caller's, and each step's scratch."""
    spans = _spans(graph, groups, rows)
    buffers = [
        Buffer(group, _bytes_of(graph, group, rows), first, last)
        for group, (first, last) in spans.items()
        if group not in caller
    ]
    scratch: dict[int, int] = {}
    for i, call in enumerate(calls):
        scratch[_step(i, rows)] = max(scratch.get(_step(i, rows), 0), call.scratch_bytes)
    return buffers + [Buffer(_scratch(step), size, step, step) for step, size in scratch.items() if size]


def _scratch(step: int) -> str:
    return f"scratch of {step}"


def _step(i: int, rows: RowOrder | None) -> int:
    """When an operator runs, in steps of the memory plan."""
    return rows.first if rows is not None and rows.covers(i) else i


def _bytes_of(graph: Graph, name: str, rows: RowOrder | None) -> int:
    tensor = graph.tensors[name]
    held = None if rows is None else rows.held.get(name)
    return tensor.bytes if held is None else row_bytes(tensor) * held


def _groups(graph: Graph, calls: Sequence[Call], rows: RowOrder | None) -> dict[str, str]:
    """The tensor that names each activation's memory, the first in it."""
    groups = {name: name for name in graph.inputs}
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs if name is not None}
    last_use.update(dict.fromkeys(graph.outputs, len(graph.nodes)))
    for i, (node, call) in enumerate(zip(graph.nodes, calls, strict=True)):
        first = data_operands(graph, node)[0].name
        if rows is not None and rows.covers(i):
            taken = []
        elif spec_of(node.op).reshapes:
            taken = [first] if first in groups else []
        else:
            may_take = [name for name in _in_place(graph, node, call) if name in groups]
            taken = [name for name in may_take if _free_after(name, i, groups, last_use, graph)]
        groups.update({name: name for name in node.outputs})
        if taken:
            groups[node.outputs[0]] = groups[taken[0]]
    if rows is not None:
        groups.update({name: groups[result] for name, result in rows.lies_in.items()})
    return groups


def _in_place(graph: Graph, node: Node, call: Call) -> list[str]:
    """Operands of the result's size over which it may be written: by the operator's row, or by what its kernel adds.

    The kernels keep what a row says of ELEMENTWISE, and depthwise.c, which says so, of ROWS. FORWARD they do not use:
    move.c copies blocks that must lie apart.
    """
    claim = spec_of(node.op).in_place
    positions = claim.inputs if claim is not None and claim.overlap is Overlap.ELEMENTWISE else ()
    names = [name for name in (node.inputs[i] for i in positions) if name is not None]
    if call.reads_first:
        names.append(data_operands(graph, node)[0].name)
    result = graph.tensors[node.outputs[0]]
    alike = [name for name in names if graph.tensors[name].size == result.size]
    return [name for name in alike if graph.tensors[name].dtype.bits == result.dtype.bits]


def _free_after(name: str, step: int, groups: Mapping[str, str], last_use: Mapping[str, int], graph: Graph) -> bool:
    """Whether nothing reads the memory of a tensor after a step, and it is neither an input nor an output."""
    members = [other for other, group in groups.items() if group == groups[name]]
    outside = {*graph.inputs, *graph.outputs}
    return all(last_use.get(other, -1) <= step and other not in outside for other in members)


def _spans(graph: Graph, groups: Mapping[str, str], rows: RowOrder | None) -> dict[str, tuple[int, int]]:
    """First and last step of each group's life."""
    spans: dict[str, tuple[int, int]] = {}
    for i, node in enumerate(graph.nodes):
        step = _step(i, rows)
        for name in (*node.inputs, *node.outputs):
            if name is not None and name in groups:
                group = groups[name]
                spans[group] = (spans.get(group, (step, step))[0], step)
    return spans
