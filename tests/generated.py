"""Models in C, built and run: on this machine under sanitizers, and on an emulated Cortex-M."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from octavo.board.emulator import Emulated, Image, missing_tools
from octavo.board.host import HostProgram
from octavo.config import LayerConfig, QuantizeConfig
from octavo.export import drawn_inputs, golden_vector
from octavo.ir.graph import drop_unused
from octavo.ir.types import Graph
from octavo.plan.make import make_plan
from octavo.quantization.assign import assign
from octavo.run import reference
from octavo.write.c.model import CModel, write_c

Values = Mapping[str, np.ndarray]

NAME = "network"
NEEDS_COMPILER = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
NEEDS_EMULATOR = [
    pytest.mark.emulator,
    pytest.mark.skipif(bool(missing_tools()), reason=f"no {', no '.join(missing_tools())}"),
]


def write(
    graph: Graph,
    folder: Path,
    name: str = NAME,
    ram_bytes: int | None = None,
    *,
    stream: bool = False,
    cmsis_nn: bool = False,
) -> CModel:
    """A graph in C, in a folder."""
    model = write_c(graph, name, golden_vector(graph, 0), "none", ram_bytes, stream=stream, cmsis_nn=cmsis_nn)
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in model.files.items():
        (folder / file).write_text(text)
    return model


def sizes(graph: Graph, names: Sequence[str]) -> list[int]:
    """Bytes of tensors."""
    return [graph.tensors[name].bytes for name in names]


def on_host(graph: Graph, vectors: Sequence[Values], folder: Path, *flags: str) -> np.ndarray:
    """What the model in C computes on this machine: int8 [vectors, bytes of all outputs].

    It fails where a sanitizer complains, a call returns anything but 0, or the self-test does not pass.
    """
    write(graph, folder)
    return written_on_host(graph, vectors, folder, *flags)


def written_on_host(graph: Graph, vectors: Sequence[Values], folder: Path, *flags: str) -> np.ndarray:
    """The same of the model that was written into the folder."""
    ins, outs = sizes(graph, graph.inputs), sizes(graph, graph.outputs)
    return build_and_run_on_host(folder, ins, outs, packed(graph, vectors), *flags)


def build_and_run_on_host(
    folder: Path, inputs: Sequence[int], outputs: Sequence[int], vectors: bytes, *flags: str
) -> np.ndarray:
    """What the model that was written into a folder computes.

    Args:
        folder: It holds NAME.c and NAME.h.
        inputs, outputs: Bytes of each.
        vectors: All inputs of all vectors, end to end.
        flags: More for the compiler; later ones win.
    """
    program = HostProgram(folder, NAME, inputs, outputs, ("-O0", *flags))
    made, returned = program.run(np.frombuffer(vectors, np.int8).reshape(-1, sum(inputs)))
    assert not returned.any(), "a call or the self-test failed"
    return made


def on_core(graph: Graph, vectors: Sequence[Values], folder: Path, core: str, *flags: str) -> Emulated:
    """What it computes on an emulated core."""
    write(graph, folder)
    return written_on_core(graph, vectors, folder, core, *flags)


def written_on_core(graph: Graph, vectors: Sequence[Values], folder: Path, core: str, *flags: str) -> Emulated:
    """The same of the model that was written into the folder."""
    image = Image(folder, NAME, sizes(graph, graph.inputs), sizes(graph, graph.outputs), core, flags)
    ran = image.run(np.frombuffer(packed(graph, vectors), np.int8).reshape(len(vectors), -1))
    assert not ran.returned.any()
    return ran


def packed(graph: Graph, vectors: Sequence[Values]) -> bytes:
    """All inputs of all vectors, end to end."""
    return b"".join(values[name].tobytes() for values in vectors for name in graph.inputs)


def expected(graph: Graph, vectors: Sequence[Values]) -> np.ndarray:
    """What the integer reference computes: int8 [vectors, bytes of all outputs]."""
    runs = [reference.run(graph, values) for values in vectors]
    return np.stack([np.concatenate([run[name].ravel().view(np.int8) for name in graph.outputs]) for run in runs])


def random_vectors(graph: Graph, count: int, seed: int = 1) -> list[Values]:
    """Random inputs over all of their integers."""
    rng = np.random.default_rng(seed)
    return [drawn_inputs(graph, rng) for _ in range(count)]


def first_difference(graph: Graph, original: Graph, values: Values, folder: Path) -> str:
    """Which operator is the first whose result in C is not the reference's, and how much of it; "" if none is.

    Each operator's result in turn becomes the output of a model of its own.

    Args:
        graph: Written as C.
        original: Run by the reference; the same operators.
        values: The inputs.
        folder: For what is built.
    """
    for i, node in enumerate(graph.nodes):
        parts = [drop_unused(replace(g, nodes=g.nodes[: i + 1], outputs=node.outputs)) for g in (graph, original)]
        got, want = on_host(parts[0], [values], folder / str(i)), expected(parts[1], [values])
        if different := int(np.count_nonzero(got != want)):
            gap = int(np.abs(got.astype(int) - want).max())
            return f"{i}: {node.op} of layer '{node.layer}': {different} of {got.size} values, by up to {gap}"
    return ""


def quantized(
    graph: Graph, inputs: Sequence[Values], scheme: str = "int8", layers: Sequence[LayerConfig] = ()
) -> Graph:
    """A float graph of several operators, quantized with the ranges its tensors have on these inputs."""
    plan = make_plan(graph, QuantizeConfig(scheme=scheme, layers=tuple(layers)))
    names = [name for name in plan.observed if not graph.tensors[name].is_constant]
    runs = [reference.run(graph, values, names) for values in inputs]
    ranges = {
        name: (min(float(run[name].min()) for run in runs), max(float(run[name].max()) for run in runs))
        for name in names
    }
    return assign(graph, plan, ranges)
