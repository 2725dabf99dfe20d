"""A model in C in each place where it can run: is every layer what the reference computes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from octavo.board.emulator import Image, NoRoom
from octavo.board.host import HostProgram
from octavo.errors import MissingDependencyError, UnsupportedLayerError, VerificationError
from octavo.export import golden_vector
from octavo.ir.types import Graph
from octavo.run import reference
from octavo.write.c.model import write_c

Values = Mapping[str, np.ndarray]
NAME = "model"
HOST = "C on this machine, under sanitizers"
EMULATED = ("cortex-m0", "cortex-m4", "cortex-m33", "cortex-m55")


@dataclass(frozen=True, slots=True)
class Place:
    """What came of a model in one place.

    Attributes:
        name: The place.
        vectors: How many inputs ran; 0 where it could not.
        layers: How many operators' results were compared.
        differs: Where it differs first, and by how much; "" where it is equal.
        reason: Why it did not run, else "".
    """

    name: str
    vectors: int = 0
    layers: int = 0
    differs: str = ""
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing differs; what could not run shows nothing."""
        return not self.differs

    def summary(self) -> str:
        """One sentence."""
        if self.reason:
            return f"{self.name}: not run: {self.reason}"
        if self.differs:
            return f"{self.name}: WRONG: {self.differs}"
        scope = f"{self.layers} layers and the outputs" if self.layers else "the outputs"
        return f"{self.name}: equal to the reference in {scope}, {self.vectors} inputs."


def in_c(graph: Graph, vectors: Sequence[Values], cores: Sequence[str] = EMULATED) -> tuple[Place, ...]:
    """Write a graph as C and run it on this machine and on emulated cores.

    On this machine each layer is compared, by a program of the same operators whose outputs are all layers' results.
    On a core the outputs are; where they differ its layers follow.
    """
    places = (HOST, *(f"C on an emulated {core}" for core in cores))
    try:
        write_c(graph, NAME, golden_vector(graph, 0), "none")
    except UnsupportedLayerError as error:
        return tuple(Place(name, reason=f"{error.what} {error.fix}") for name in places)
    found = [tried(HOST, lambda: _judged(HOST, graph, vectors, _on_host, always=True))]
    for name, core in zip(places[1:], cores, strict=True):
        found.append(tried(name, lambda name=name, core=core: _judged(name, graph, vectors, _on_core(core))))  # type: ignore[misc]
    return tuple(found)


# Given a graph in C in a folder, and the bytes of all vectors: the bytes of all outputs of each.
Runner = Callable[[Graph, Path, np.ndarray], np.ndarray]


def tried(name: str, judge: Callable[[], Place]) -> Place:
    """What a judge finds, or why there is nothing to find in that place."""
    try:
        return judge()
    except MissingDependencyError as error:
        return Place(name, reason=f"{error.what} {error.got}: {error.fix}")
    except NoRoom as error:
        return Place(name, reason=str(error))
    except VerificationError as error:
        return Place(name, differs=f"{error.what} {error.got}")


def _judged(name: str, graph: Graph, vectors: Sequence[Values], run: Runner, *, always: bool = False) -> Place:
    apart = _differs(graph, vectors, run)
    if not apart and not always:
        return Place(name, len(vectors))
    shown = with_all_shown(graph)
    try:
        layer = _differs(shown, vectors, run)
    except NoRoom:  # all results at once take more than the model
        layer = ""
    layers = len(shown.outputs) if not apart and not layer else 0
    return Place(name, len(vectors), layers, layer or apart)


def with_all_shown(graph: Graph) -> Graph:
    """The graph with the results of all operators as outputs, in execution order."""
    return replace(graph, outputs=tuple(name for node in graph.nodes for name in node.outputs))


def _differs(graph: Graph, vectors: Sequence[Values], run: Runner) -> str:
    """Where a graph in C differs from the reference first; "" where it does not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in write_c(graph, NAME, golden_vector(graph, 0), "none").files.items():
            (folder / file).write_text(text, encoding="ascii")
        made = run(graph, folder, packed(graph, vectors))
    truths = [reference.run(graph, values, keep=graph.outputs) for values in vectors]
    return first_difference(graph, made, truths)


def packed(graph: Graph, vectors: Sequence[Values]) -> np.ndarray:
    """Bytes of all inputs of each vector, end to end: int8 [vectors, bytes]."""
    return np.stack(
        [np.concatenate([values[name].ravel().view(np.int8) for name in graph.inputs]) for values in vectors]
    )


def first_difference(graph: Graph, made: np.ndarray, truths: Sequence[Values]) -> str:
    """The first output, in their order, that is not what it should be; "" where all are.

    Args:
        graph: For names.
        made: int8 [vectors, bytes of all outputs].
        truths: What the reference computes, likewise.
    """
    makers = {name: (i, node) for i, node in enumerate(graph.nodes) for name in node.outputs}
    start = 0
    for name in graph.outputs:
        wanted = np.stack([truth[name].ravel() for truth in truths])
        size = graph.tensors[name].bytes
        got = np.ascontiguousarray(made[:, start : start + size]).view(wanted.dtype)
        start += size
        if not np.array_equal(got, wanted):
            gap = np.abs(got.astype(np.int64) - wanted.astype(np.int64))
            i, node = makers.get(name, (0, None))
            where = f"{i}: {node.op} of layer '{node.layer or name}'" if node else f"output '{name}'"
            return f"{where} first: {np.count_nonzero(gap)} of {gap.size} values, by up to {gap.max()}"
    return ""


def _sizes(graph: Graph) -> tuple[list[int], list[int]]:
    ins, outs = ([graph.tensors[name].bytes for name in names] for names in (graph.inputs, graph.outputs))
    return ins, outs


def _on_host(graph: Graph, folder: Path, vectors: np.ndarray) -> np.ndarray:
    return HostProgram(folder, NAME, *_sizes(graph)).run(vectors)[0]


def _on_core(core: str) -> Runner:
    def run(graph: Graph, folder: Path, vectors: np.ndarray) -> np.ndarray:
        image = Image(folder, NAME, *_sizes(graph), core)
        image.check_room()
        return image.run(vectors).outputs

    return run
