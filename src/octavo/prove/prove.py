"""A file in every runtime there is, and as C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from octavo.board.emulator import CORES
from octavo.config import unknown_name
from octavo.evaluate.verification import Verification
from octavo.evaluate.verify import verify
from octavo.export import drawn_inputs
from octavo.ir.types import Graph
from octavo.load.paths import existing, model_bytes
from octavo.load.tflite import read_tflite
from octavo.numerics.affine import dequantize
from octavo.prove.exported import as_they_stand
from octavo.prove.places import EMULATED, Place, in_c

VECTORS = 3


@dataclass(frozen=True, slots=True)
class Proof:
    """What was run, and whether it is equal.

    Attributes:
        verification: In the runtimes; None of a folder of C.
        places: As C.
    """

    verification: Verification | None
    places: tuple[Place, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing that ran computes anything else than the reference, within what its runtime may."""
        return (self.verification is None or self.verification.ok) and all(place.ok for place in self.places)

    @property
    def lines(self) -> list[str]:
        """One sentence a place."""
        runtimes = [] if self.verification is None else self.verification.notes
        return [*runtimes, *(place.summary() for place in self.places)]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "ok": self.ok,
            "runtimes": None if self.verification is None else self.verification.to_dict(),
            "places": [{**asdict(place), "ok": place.ok, "summary": place.summary()} for place in self.places],
        }


def prove(model: str | PathLike[str], cores: Sequence[str] = EMULATED, vectors: int = VECTORS, seed: int = 0) -> Proof:
    """Run a model everywhere: TensorFlow Lite Micro, LiteRT, and as C on this machine and emulated cores.

    Args:
        model: A .tflite file; or a folder that an export wrote, whose files are run as they stand: on the vector they
            carry, and where the file they were written from is in the folder or beside it, on random ones, too.
        cores: Names of `octavo.board.emulator.CORES`.
        vectors: Random inputs to run, over all of the inputs' integers.
        seed: Of them.

    Raises:
        ModelFileError: if there is no model that can be read.
        ConfigError: for an unknown core.
    """
    for core in cores:
        if core not in CORES:
            raise unknown_name("core", core, tuple(CORES))
    path = existing(Path(model))
    if path.is_dir():
        return Proof(None, as_they_stand(path, cores, vectors, seed))
    content = model_bytes(path)
    graph = read_tflite(content)
    drawn = [drawn_inputs(graph, np.random.default_rng([seed, i])) for i in range(vectors)]
    reals = [{name: _real(graph, name, array) for name, array in values.items()} for values in drawn]
    return Proof(verify(content, graph, reals, "full"), in_c(graph, drawn, cores))


def _real(graph: Graph, name: str, array: np.ndarray) -> np.ndarray:
    tensor = graph.tensors[name]
    return array if tensor.quantization is None else dequantize(array, tensor.parameters)
