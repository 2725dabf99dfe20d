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
from octavo.footprint.built import Built, built
from octavo.footprint.parts import Way
from octavo.ir.types import Graph
from octavo.ops.operands import working_type
from octavo.ops.table import spec_of
from octavo.write.c.call import Call
from octavo.write.c.model import data_constants, lowered
from octavo.write.c.order import ordered
from octavo.write.c.sizes import constant_bytes

NAME = "generated C"
# Of the function that calls the kernels: a call with its three or four arguments, and what stands around all of them.
CALL_BYTES, INVOKE_BYTES = 24, 60
INVOKE_STACK_BYTES = 64
ESTIMATED = (
    "code within 2% and instructions within {within} of what an emulated {core} takes, by figures measured on it"
)
# The largest error over the single operators that were measured, by the bits of activations.
WITHIN = {8: "15%", 16: "27%"}
GUESSED = "the sizes of {kernels} are guesses, as nobody measured them"
BUILT = "flash of the program as it is built for a {core}"
RAN = "instructions as the emulated {core} counts them"
TIME = "time is an estimate, within {error:.0%}"


@dataclass(frozen=True, slots=True)
class Generated:
    """Generated C, and the plan of its arena."""

    way: Way
    plan: MemoryPlan | None = None


def generated(graph: Graph, board: Board, *, build: bool = False) -> Generated:
    """What a graph takes as generated C; the reason where it has no C form.

    Args:
        graph: Of a file.
        board: The board.
        build: Build it for the board's core, where that can be done here, and run it on an emulated one, rather than
            estimate.
    """
    try:
        graph = ordered(graph)
        calls, layout, _ = lowered(graph, "model")
    except UnsupportedLayerError as error:
        return Generated(Way(NAME, f"{error.what} {error.fix}"))
    costs = kernel_costs(board.processor)
    kernels = [_functions(call) for call in calls]
    used = [each for each in kernels if each]
    estimate = _instructions(graph, calls, costs)
    program = built(graph, board.processor.arm, sum(estimate)) if build else None
    constants = _constants(graph, calls)
    code = costs.code_bytes(used) + CALL_BYTES * len(used) + INVOKE_BYTES
    if program is not None:
        code = program.flash - sum(constants.values()) - costs.program_bytes
    ports = sum(graph.tensors[name].bytes for name in (*graph.inputs, *graph.outputs))
    way = Way(
        NAME,
        flash={
            **constants,
            "code of kernels": code,
            "start-up and main": costs.program_bytes,
        },
        ram={
            "arena": layout.plan.arena_bytes,
            "input and output": ports,
            "stack": costs.stack_bytes(used) + INVOKE_STACK_BYTES,
        },
        instructions=_scaled(estimate, program),
        cycles=board.processor.cycles,
        mhz=board.mhz,
        error=board.processor.error,
        operators={node.op: "supported" for node in graph.nodes},
        notes=(_note(graph, costs, used, program, board.processor.error),),
    )
    return Generated(way, layout.plan)


def arena_plan(graph: Graph) -> MemoryPlan | None:
    """The plan of the arena that generated C has, as `generated` takes it; None for a graph without a C form."""
    try:
        return lowered(ordered(graph), "model")[1].plan
    except UnsupportedLayerError:
        return None


def _scaled(estimate: tuple[float, ...], program: Built | None) -> tuple[float, ...]:
    """Instructions of operators, which together are what the emulator counted."""
    total = sum(estimate)
    if program is None or program.instructions is None or not total:
        return estimate
    return tuple(each * program.instructions / total for each in estimate)


def _note(graph: Graph, costs: KernelCosts, used: Sequence[str], program: Built | None, error: float) -> str:
    """What the figures rest on."""
    parts = [TIME.format(error=error)]
    if program is None or program.instructions is None:
        bits = max((working_type(graph, node).bits for node in graph.nodes), default=8)
        parts.insert(0, ESTIMATED.format(core=costs.core, within=WITHIN.get(bits, WITHIN[8])))
    else:
        parts.insert(0, RAN.format(core=program.core))
    if program is not None:
        parts.insert(0, BUILT.format(core=program.core))
    elif unknown := costs.unknown(used):
        parts.insert(1, GUESSED.format(kernels=", ".join(unknown)))
    return "; ".join(parts)


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
        0.0
        if spec_of(node.op).reshapes or not call.statements
        else costs.instructions_of(node.op, working_type(graph, node).bits, work(graph, node))
        for node, call in zip(graph.nodes, calls, strict=True)
    )
