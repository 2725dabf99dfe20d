"""What a project is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from octavo.ir.types import Graph
from octavo.write.c.model import CModel
from octavo.write.c.ports import c_type, port_type
from octavo.write.c.self_test import GoldenVector


@dataclass(frozen=True, slots=True)
class Packed:
    """A model, ready to be put into a project.

    Attributes:
        name: A C identifier.
        graph: The model.
        content: Its .tflite file.
        digest: SHA-256 of that.
        golden: The vector a self-test runs.
        written: The model as C; None where the project brings its own interpreter.
        arena_bytes: Memory that a call needs.
    """

    name: str
    graph: Graph
    content: bytes
    digest: str
    golden: GoldenVector
    written: CModel | None
    arena_bytes: int

    @property
    def sources(self) -> Mapping[str, str]:
        """The C files by name."""
        assert self.written is not None
        return self.written.files


# The files of a project by their paths in its folder.
Project = Callable[[Packed], Mapping[str, bytes]]


def encoded(texts: Mapping[str, str]) -> dict[str, bytes]:
    """Text files as bytes."""
    return {name: text.encode("ascii") for name, text in texts.items()}


def buffers(graph: Graph, name: str) -> str:
    """Static buffers: the arena, whose size the compiler checks, and outputs, `made`, which a self-test is given."""
    upper, made = name.upper(), [graph.tensors[port] for port in graph.outputs]
    lines = [f"static uint32_t arena[({upper}_ARENA_BYTES + 3) / 4];", f"{upper}_CHECK_ARENA(sizeof arena);"]
    if len(made) == 1:
        return "\n".join([*lines, f"static {c_type(made[0].dtype)} made[{made[0].size}];"])
    lines += [f"static {c_type(tensor.dtype)} made_{i}[{tensor.size}];" for i, tensor in enumerate(made)]
    pointers = ", ".join(f"made_{i}" for i in range(len(made)))
    kind = port_type(graph, graph.outputs)
    return "\n".join([*lines, f"static {kind} *const made[{len(made)}] = {{{pointers}}};"])
