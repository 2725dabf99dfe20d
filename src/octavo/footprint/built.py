"""A model in C as a whole program, built for a core and run on the emulated one: what it takes, measured."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from octavo.board.emulator import CORES, Image, NoRoom, missing_tools
from octavo.errors import VerificationError
from octavo.ir.types import Graph
from octavo.write.c.model import write_c
from octavo.write.c.self_test import GoldenVector

NAME = "model"
# Of a core that the emulator needs more than a few seconds for, instructions are estimated.
MOST_INSTRUCTIONS, SECONDS = 4e8, 60.0
_WEIGHTS = re.compile(r"( \w+_weights\[\d+\] OCTAVO_ALIGNED OCTAVO_WEIGHTS = )\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Built:
    """A program with start-up code, a main and the model.

    Attributes:
        core: Of `octavo.board.emulator.CORES`.
        flash, ram: Bytes; RAM without the stack.
        instructions: That one call takes on the emulated core; None where it was not run.
    """

    core: str
    flash: int
    ram: int
    instructions: int | None


def built(graph: Graph, core: str, expected_instructions: float) -> Built | None:
    """Build a graph for a core; None where Arm's compiler or the emulator is not installed, or has no such core.

    No weights are in the program, only their bytes: neither its size nor its instructions depend on them.

    Args:
        graph: With a C form.
        core: Its name.
        expected_instructions: An estimate; what takes far too long is not run.
    """
    if core not in CORES or missing_tools():
        return None
    nothing = {
        name: np.zeros(graph.tensors[name].shape, graph.tensors[name].dtype.numpy)
        for name in (*graph.inputs, *graph.outputs)
    }
    files = write_c(graph, NAME, GoldenVector(nothing, nothing), "none").files
    header, source = files[f"{NAME}.h"], _WEIGHTS.sub(r"\1{1}", files[f"{NAME}.c"])
    sizes = (tuple(graph.tensors[name].bytes for name in names) for names in (graph.inputs, graph.outputs))
    return _measured(header, source, *sizes, core, expected_instructions <= MOST_INSTRUCTIONS)


@lru_cache(maxsize=64)
def _measured(
    header: str, source: str, inputs: tuple[int, ...], outputs: tuple[int, ...], core: str, run: bool
) -> Built:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in ((f"{NAME}.h", header), (f"{NAME}.c", source)):
            (folder / file).write_text(text, encoding="ascii")
        image = Image(folder, NAME, inputs, outputs, core)
        size = image.size()
        return Built(core, size.flash, size.ram, _instructions(image, sum(inputs)) if run else None)


def _instructions(image: Image, input_bytes: int) -> int | None:
    """Of a call on a random input, as kernels that compare values take a few more where those differ."""
    vector = np.random.default_rng(0).integers(-128, 128, (1, input_bytes)).astype(np.int8)
    try:
        image.check_room()
        return int(image.run(vector, SECONDS).instructions[0])
    except (NoRoom, VerificationError, subprocess.TimeoutExpired):
        return None
