"""The official int8 networks as C on emulated cores: instructions an inference, flash and RAM of the whole program.

Instructions are counted by the emulator, about 40 at a time; they are no cycles. The other columns are what TensorFlow
Lite Micro takes, built for the same core with the same compiler: figures taken once, quoted and not measured here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.real_data import place
from octavo.board.emulator import Image
from octavo.export import export
from octavo.load.tflite import read_tflite
from octavo.run.reference import run

# Millions of instructions on a Cortex-M4: TensorFlow Lite Micro with reference kernels, and with CMSIS-NN.
TFLM = {"kws": (43.1, 7.92), "resnet8": (107.4, 29.9)}
VECTORS = 3


def measure(network: str, core: str) -> dict[str, Any]:
    """Figures of one network on one core; its outputs must be the reference's."""
    path = place(f"models/{network}_official_int8.tflite")
    graph = read_tflite(path.read_bytes())
    (given,), (made,) = graph.inputs, graph.outputs
    rng = np.random.default_rng(0)
    vectors = rng.integers(-128, 128, (VECTORS, *graph.tensors[given].shape)).astype(np.int8)
    with tempfile.TemporaryDirectory() as folder:
        exported = export(path, folder, name=network)
        image = Image(Path(folder), network, [graph.tensors[given].size], [graph.tensors[made].size], core)
        ran, size = image.run(vectors.reshape(VECTORS, -1)), image.size()
    expected = np.stack([run(graph, {given: vector})[made].ravel() for vector in vectors])
    reference, cmsis = TFLM[network] if core == "cortex-m4" else ("", "")
    return {
        "million instructions": float(ran.instructions.mean()) / 1e6,
        "TFLM reference kernels": reference,
        "TFLM with CMSIS-NN": cmsis,
        "equal to the reference": bool((ran.outputs == expected).all()),
        "flash": size.flash,
        "RAM without stack": size.ram,
        "arena": exported.arena_bytes,
        "its lower bound": exported.lower_bound_bytes,
        ".tflite": path.stat().st_size,
    }


def measure_all(cores: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Every network on every core."""
    return {f"{network}, {core}": measure(network, core) for network in TFLM for core in cores}
