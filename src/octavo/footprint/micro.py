"""A model in TensorFlow Lite Micro with CMSIS-NN: the interpreter's own arena, counted for 32 bits, and its code."""

from __future__ import annotations

from collections.abc import Mapping

from octavo.board.boards import Board
from octavo.board.costs import MicroCosts, micro_costs
from octavo.board.scratch import ALIGNMENT, cmsis_scratch, reference_scratch
from octavo.board.work import work
from octavo.dtypes import DType
from octavo.errors import MissingDependencyError, ModelFileError, RuntimeEndedError
from octavo.footprint.live import live_bytes
from octavo.footprint.parts import Way
from octavo.ir.types import Graph
from octavo.ops.operands import working_type
from octavo.ops.table import spec_of
from octavo.run.micro import Allocations, Micro
from octavo.run.targets import MICRO

NAME = "TFLM with CMSIS-NN"
NOTE = (
    "TensorFlow Lite Micro; code and instructions of {versions}, within 25%; the arena is what the interpreter takes "
    "here, with the structures of a 32-bit core and CMSIS-NN's scratch; time is an estimate, within {error:.0%}"
)


def in_micro(model: bytes, graph: Graph, board: Board) -> Way:
    """What a file takes in TensorFlow Lite Micro; the reason where it does not run there, or is not installed."""
    if reason := MICRO.refuses(graph):
        return Way(NAME, reason, operators=_operators(graph))
    try:
        with MICRO.open(model) as runtime:
            found = runtime.ask(Micro.measure_allocations)
    except MissingDependencyError as error:
        return Way(NAME, f"{error.what} {error.fix}")
    except (ModelFileError, RuntimeEndedError) as error:
        return Way(NAME, f"{error.what} {error.got}", operators=_operators(graph))
    costs = micro_costs()
    return Way(
        NAME,
        flash={
            "the .tflite file": len(model),
            "code of kernels": costs.code_bytes(node.op for node in graph.nodes),
            "interpreter, start-up and main": costs.program_bytes,
        },
        ram={"arena": arena_bytes(found, graph, costs), "stack": costs.stack_bytes},
        instructions=_instructions(graph, costs),
        cycles=board.processor.cycles,
        mhz=board.mhz,
        error=board.processor.error,
        operators=_operators(graph),
        notes=(NOTE.format(versions=costs.versions, error=board.processor.error),),
    )


def _instructions(graph: Graph, costs: MicroCosts) -> tuple[float, ...]:
    """Of each operator; none where some do not work on int8, of which there are no figures."""
    if any(graph.tensors[name].dtype is not DType.INT8 for node in graph.nodes for name in node.outputs):
        return ()
    return tuple(costs.instructions_of(node.op, work(graph, node)) for node in graph.nodes)


def arena_bytes(found: Allocations, graph: Graph, costs: MicroCosts) -> int:
    """The arena that a 32-bit core needs with CMSIS-NN, from what the interpreter recorded on this machine.

    Activations are the same. What holds pointers takes less by so many bytes each, and optimized kernels ask for
    other scratch than the reference kernels here.
    """
    saved = costs.saved_bytes["interpreter"] + costs.saved_bytes["operator"] * len(graph.nodes)
    saved += sum(costs.saved_bytes.get(kind, 0) * count for kind, (_, count) in found.recorded.items())
    live = live_bytes(graph, alignment=ALIGNMENT, aliases=False)
    needed = [
        max((bytes_now + scratch(graph, node) for bytes_now, node in zip(live, graph.nodes, strict=True)), default=0)
        for scratch in (reference_scratch, cmsis_scratch)
    ]
    return found.total - round(saved) + needed[1] - needed[0]


def _operators(graph: Graph) -> Mapping[str, str]:
    """What becomes of each operator, by the op table."""
    told = {}
    for node in graph.nodes:
        reason = MICRO.obstacle(graph, node, spec_of(node.op), working_type(graph, node))
        told[node.op] = f"refused: {reason}" if reason else "supported"
    return told
