"""A model as generated C: what its constants, code, arena and stack take, and the instructions of its kernels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from octavo.board.boards import Board
from octavo.board.costs import KernelCosts, kernel_costs
from octavo.board.plan_memory import MemoryPlan
from octavo.board.work import work
from octavo.errors import UnsupportedLayerError
from octavo.footprint.parts import Way
from octavo.ir.types import Graph
from octavo.ops.table import spec_of
from octavo.write.c.call import Call
from octavo.write.c.model import data_constants, lowered
from octavo.write.c.sizes import constant_bytes

NAME = "generated C"
# Of the function that calls the kernels: a call with its three or four arguments, and what stands around all of them.
CALL_BYTES, INVOKE_BYTES = 24, 60
INVOKE_STACK_BYTES = 64
NOTE = (
    "code within 2% and instructions within 25% of what an emulated {core} takes, by figures measured on it; "
    "time is an estimate, within {error:.0%}"
)


@dataclass(frozen=True, slots=True)
class Generated:
    """Generated C, and the plan of its arena."""

    way: Way
    plan: MemoryPlan | None = None


def generated(graph: Graph, board: Board) -> Generated:
    """What a graph takes as generated C; the reason where it has no C form."""
    try:
        calls, layout, _ = lowered(graph, "model")
    except UnsupportedLayerError as error:
        return Generated(Way(NAME, f"{error.what} {error.fix}"))
    costs = kernel_costs(board.processor)
    kernels = [_functions(call) for call in calls]
    used = [each for each in kernels if each]
    ports = sum(graph.tensors[name].bytes for name in (*graph.inputs, *graph.outputs))
    way = Way(
        NAME,
        flash={
            **_constants(graph, calls),
            "code of kernels": costs.code_bytes(used) + CALL_BYTES * len(used) + INVOKE_BYTES,
            "start-up and main": costs.program_bytes,
        },
        ram={
            "arena": layout.plan.arena_bytes,
            "input and output": ports,
            "stack": costs.stack_bytes(used) + INVOKE_STACK_BYTES,
        },
        instructions=_instructions(graph, calls, costs),
        cycles=board.processor.cycles,
        mhz=board.mhz,
        error=board.processor.error,
        operators={node.op: "supported" for node in graph.nodes},
        notes=(NOTE.format(core=costs.core, error=board.processor.error),),
    )
    return Generated(way, layout.plan)


def _constants(graph: Graph, calls: Sequence[Call]) -> Mapping[str, int]:
    """Bytes of weights, and of all other constants."""
    texts = dict.fromkeys(text for call in calls for text in call.constants)
    sizes = {name: size for text in texts for name, size in constant_bytes(text).items()}
    weights = sum(size for name, size in sizes.items() if name.endswith("_weights"))
    data = sum(tensor.bytes for tensor in data_constants(graph, calls))
    return {"weights": weights, "parameters": sum(sizes.values()) - weights + data}


def _functions(call: Call) -> str:
    """The kernels an operator calls, as costs are looked up; "" if it calls none."""
    found = {name for text in call.statements for name in re.findall(r"\b(octavo_\w+)\(", text)}
    return "+".join(sorted(found))


def _instructions(graph: Graph, calls: Sequence[Call], costs: KernelCosts) -> tuple[float, ...]:
    """Of each operator; those that only give values another shape take none."""
    return tuple(
        0.0 if spec_of(node.op).reshapes or not call.statements else costs.instructions_of(node.op, work(graph, node))
        for node, call in zip(graph.nodes, calls, strict=True)
    )
