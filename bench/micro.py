"""The int8 networks of MLPerf Tiny as C on emulated cores: instructions, flash and RAM of the whole program.

Instructions are counted by the emulator, about 40 at a time; they are no cycles. The columns of TensorFlow Lite Micro
are for the official files and a Cortex-M4, built with the same compiler: figures taken once, quoted and not measured
here. Vendors publish cycles, which are never fewer than instructions.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bench.real_data import place
from bench.tiny import BUILT, quantized
from octavo.board.emulator import COMPILER, EMULATOR, Emulated, Image, Size
from octavo.errors import ConfigError
from octavo.export import Exported, export
from octavo.ir.types import Graph
from octavo.load.tflite import read_tflite
from octavo.run.reference import run


@dataclass(frozen=True)
class Cited:
    """Figures of others on a Cortex-M4.

    Attributes:
        reference, cmsis_nn: Million instructions of TensorFlow Lite Micro with its own kernels, and with CMSIS-NN.
        flash, arena: Bytes it takes with CMSIS-NN.
        vendor: Million cycles, the best published (MLPerf Tiny, closed division).
        row_budget: RAM in bytes, input and output included, that the row-by-row export is given.
        streams: Whether it asks for its input's rows.
    """

    reference: float
    cmsis_nn: float
    flash: int
    arena: int
    vendor: float
    row_budget: int | None = None
    streams: bool = False


CITED: Mapping[str, Cited] = MappingProxyType(
    {
        "ad": Cited(1.96, 0.594, 378_372, 2_260, 0.486),
        "kws": Cited(43.1, 7.92, 155_332, 22_772, 5.18),
        "resnet8": Cited(107.4, 29.9, 199_892, 54_340, 19.8, row_budget=21_104),
        "vww": Cited(100.6, 25.0, 434_684, 100_660, 10.7, row_budget=32 << 10, streams=True),
        "sww": Cited(8.38, 2.32, 175_916, 15_252, 2.15),
    }
)
VECTORS = 3
HELIUM = ("cortex-m55",)


@dataclass(frozen=True)
class Measured:
    """A model on a core."""

    exported: Exported
    ran: Emulated
    size: Size
    equal: bool

    @property
    def millions(self) -> float:
        """Instructions an inference, in millions."""
        return float(self.ran.instructions.mean()) / 1e6


def content_of(network: str) -> bytes:
    """The official file, or one of the same shape."""
    return quantized(network) if network in BUILT else place(f"models/{network}_official_int8.tflite").read_bytes()


def on_core(content: bytes, graph: Graph, core: str, flags: Sequence[str] = (), **limits: Any) -> Measured:
    """Export a file, run it on random vectors and compare with the reference."""
    (given,), (made,) = graph.inputs, graph.outputs
    rng = np.random.default_rng(0)
    vectors = rng.integers(-128, 128, (VECTORS, *graph.tensors[given].shape)).astype(np.int8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        exported = export(path, Path(folder) / "c", name="network", **limits)
        sizes = [graph.tensors[given].size], [graph.tensors[made].size]
        image = Image(Path(folder) / "c", "network", *sizes, core, flags)
        ran, size = image.run(vectors.reshape(VECTORS, -1)), image.size()
    expected = np.stack([run(graph, {given: vector})[made].ravel() for vector in vectors])
    return Measured(exported, ran, size, bool((ran.outputs == expected).all()))


def measure(network: str, core: str) -> dict[str, Any]:
    """Figures of one network on one core."""
    content, cited = content_of(network), CITED[network]
    graph = read_tflite(content)
    default = on_core(content, graph, core)
    portable = on_core(content, graph, core, ("-DOCTAVO_PORTABLE",))
    fast = on_core(content, graph, core, optimize="speed")
    scalar = on_core(content, graph, core, ("-DOCTAVO_NO_HELIUM",)) if core in HELIUM else default
    row = {
        "million instructions": default.millions,
        "optimized for speed": fast.millions,
        "without the vector extension": scalar.millions,
        "portable C": portable.millions,
        "TFLM reference kernels": cited.reference,
        "TFLM with CMSIS-NN": cited.cmsis_nn,
        "best vendor, million cycles": cited.vendor,
        "equal to the reference": all(each.equal for each in (default, portable, fast, scalar)),
        "flash": default.size.flash,
        "flash, optimized for speed": fast.size.flash,
        "flash of TFLM with CMSIS-NN": cited.flash,
        "arena": default.exported.arena_bytes,
        "its lower bound": default.exported.lower_bound_bytes,
        "arena of TFLM": cited.arena,
    }
    if cited.row_budget is None:
        return row
    try:
        by_rows = on_core(content, graph, core, ram=cited.row_budget, stream=cited.streams)
    except ConfigError as error:
        return row | {"row by row": error.expected}
    return row | {
        "row by row, million instructions": by_rows.millions,
        "row by row, equal": by_rows.equal,
        "row by row, arena": by_rows.exported.arena_bytes,
        "row by row, budget": cited.row_budget,
    }


def measure_all(cores: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Every network on every core."""
    return {f"{network}, {core}": measure(network, core) for network in CITED for core in cores}


def tools() -> dict[str, str]:
    """Versions of what the figures depend on."""
    said = [
        subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
        for tool in (COMPILER, EMULATOR)
    ]
    return dict(zip(("compiler", "emulator"), said, strict=True))
