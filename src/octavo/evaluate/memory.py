"""How much of a microcontroller a model takes: flash for the file, RAM for the arena."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from octavo.errors import MissingDependencyError, ModelFileError, RuntimeEndedError
from octavo.ir.types import Graph, Tensor
from octavo.run.micro import Micro
from octavo.run.targets import MICRO


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes a model takes.

    Attributes:
        file_bytes: Size of the file.
        arena_bytes: TensorFlow Lite Micro's arena on this machine, where a pointer takes 8 bytes; None if unknown.
        arena_reason: Why it is unknown, else "".
    """

    file_bytes: int
    arena_bytes: int | None
    arena_reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """The fields, for JSON."""
        return asdict(self)


def memory(model: bytes) -> Memory:
    """Measure a model; TensorFlow Lite Micro itself reports the arena."""
    try:
        with MICRO.open(model) as runtime:
            return Memory(len(model), runtime.ask(Micro.measure_arena))
    except MissingDependencyError as error:
        return Memory(len(model), None, f"{error.what} {error.fix}")
    except (ModelFileError, RuntimeEndedError) as error:
        return Memory(len(model), None, f"{error.what} {error.got}")


def live_bytes(graph: Graph) -> tuple[int, ...]:
    """For each node, the bytes of the activations and states that are needed while it runs.

    An input of the model is needed from its beginning, an output to its end, a state always; no result is counted as
    taking the memory of an input. Constants lie in the file.
    """
    last = len(graph.nodes) - 1
    spans = dict.fromkeys(graph.inputs, (0, 0))
    for step, node in enumerate(graph.nodes):
        for name in (*node.inputs, *node.outputs):
            if name is not None and not graph.tensors[name].is_constant:
                first, _ = spans.get(name, (0 if graph.tensors[name].is_variable else step, step))
                spans[name] = first, last if graph.tensors[name].is_variable else step
    spans.update((name, (spans[name][0], last)) for name in graph.outputs if name in spans)
    sizes = {name: stored_bytes(graph.tensors[name]) for name in spans}
    return tuple(
        sum(sizes[name] for name, (first, end) in spans.items() if first <= step <= end)
        for step in range(len(graph.nodes))
    )


def stored_bytes(tensor: Tensor) -> int:
    """Bytes that a tensor's elements take, of four bits two in one."""
    return -(-tensor.size * tensor.dtype.bits // 8)
