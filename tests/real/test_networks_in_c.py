"""Whole networks as C, as a whole and row by row: bit for bit TensorFlow Lite Micro, on this machine and on every core.

100 vectors here and on a Cortex-M4, 10 on the others. Keyword spotting and ResNet-8 have the weights of MLPerf Tiny's
files, the others random ones. A Cortex-M0 is a board of 16 KB in the emulator; what does not fit there runs its code on
the board of a Cortex-M3, which has all of its instructions. An exhaustive run takes some minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.tiny import BUILT, calibrated, quantized
from shared_files import NEEDS_SHARED, model_path

from generated import NAME, NEEDS_COMPILER, NEEDS_EMULATOR, packed, random_vectors, sizes, write, written_on_host
from octavo.backend import start_keras
from octavo.board.emulator import CORES, Image, NoRoom
from octavo.errors import ConfigError
from octavo.ir.types import Graph
from octavo.load.tflite import read_tflite
from octavo.run.micro import Micro
from octavo.write.c.model import CModel

pytest.importorskip("tflite_micro")
pytestmark = [*NEEDS_SHARED, pytest.mark.exhaustive, NEEDS_COMPILER]
VECTORS = {"cortex-m4": 100, "cortex-m0": 10, "cortex-m33": 10, "cortex-m55": 10}
CODE_OF_M0 = replace(CORES["cortex-m3"], flags=CORES["cortex-m0"].flags)


def sensor_network() -> Any:
    """Convolutions along 128 readings of six sensors."""
    import keras

    layers = keras.layers
    x = inputs = keras.Input((128, 6))
    for filters in (16, 24, 32):
        x = layers.Conv1D(filters, 5, padding="same", activation="relu")(x)
        x = layers.MaxPooling1D(2)(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(6, activation="softmax")(x))


def autoencoder() -> Any:
    """Images of 32 x 32 to eight channels of 8 x 8 and back, by transposed convolutions."""
    import keras

    layers = keras.layers
    x = inputs = keras.Input((32, 32, 1))
    for filters in (12, 8):
        x = layers.Conv2D(filters, 3, 2, "same", activation="relu")(x)
    for filters in (8, 12):
        x = layers.Conv2DTranspose(filters, 3, 2, "same", activation="relu")(x)
    return keras.Model(inputs, layers.Conv2D(1, 3, 1, "same", activation="sigmoid")(x))


def mobile_net(side: int, width: float, version: int) -> Callable[[], Any]:
    """MobileNet with random weights."""

    def build() -> Any:
        import keras

        of = {1: keras.applications.MobileNet, 2: keras.applications.MobileNetV2}[version]
        return of((side, side, 3), alpha=width, weights=None, classes=10)

    return build


def official(name: str) -> bytes:
    return model_path(f"{name}_official_int8.tflite").read_bytes()


NETWORKS: dict[str, Callable[[], bytes]] = {
    "kws": lambda: official("kws"),
    "resnet8": lambda: official("resnet8"),
    **{name: (lambda name=name: quantized(name)) for name in BUILT},  # type: ignore[misc]
    "MobileNet 0.25, 96": lambda: calibrated(mobile_net(96, 0.25, 1)),
    "MobileNet 0.25, 128": lambda: calibrated(mobile_net(128, 0.25, 1)),
    "MobileNetV2 0.35, 96": lambda: calibrated(mobile_net(96, 0.35, 2)),
    "sensors": lambda: calibrated(sensor_network),
    "autoencoder": lambda: calibrated(autoencoder),
}
# Nothing but dense layers, or the input has but one row.
ONLY_WHOLE = ("ad", "sensors")
CASES = [(name, by_rows) for name in NETWORKS for by_rows in (False, True) if not (by_rows and name in ONLY_WHOLE)]


@cache
def network(name: str) -> tuple[bytes, Graph]:
    start_keras()
    content = NETWORKS[name]()
    return content, read_tflite(content)


@cache
def by_micro(name: str) -> np.ndarray:
    """What TensorFlow Lite Micro makes of 100 random inputs: int8 [vectors, bytes of all outputs]."""
    content, graph = network(name)
    runtime = Micro(content)
    runs = [runtime.run(values) for values in random_vectors(graph, 100)]
    return np.stack([np.concatenate([run[port].ravel().view(np.int8) for port in graph.outputs]) for run in runs])


def written(name: str, by_rows: bool, folder: Path) -> CModel:
    """The network in C; by rows in as little memory as it can."""
    _, graph = network(name)
    if not by_rows:
        return write(graph, folder)
    with pytest.raises(ConfigError) as refused:
        write(graph, folder, ram_bytes=1)
    least = int("".join(filter(str.isdigit, refused.value.expected.split(",")[0])))
    model = write(graph, folder, ram_bytes=least)
    if model.order is None:
        pytest.skip("as a whole it needs the least")
    return model


@pytest.mark.parametrize(("name", "by_rows"), CASES)
def test_a_network_on_this_machine_equals_micro(name: str, by_rows: bool, tmp_path: Path) -> None:
    _, graph = network(name)
    model = written(name, by_rows, tmp_path)
    np.testing.assert_array_equal(written_on_host(graph, random_vectors(graph, 100), tmp_path, "-O2"), by_micro(name))
    print(f"\n{name}, {'by rows' if by_rows else 'whole'}: arena {model.arena_bytes}, bound {model.lower_bound_bytes}")


@pytest.mark.parametrize("core", [pytest.param(core, marks=NEEDS_EMULATOR) for core in VECTORS])
@pytest.mark.parametrize(("name", "by_rows"), CASES)
def test_a_network_on_a_core_equals_micro(name: str, by_rows: bool, core: str, tmp_path: Path) -> None:
    _, graph = network(name)
    written(name, by_rows, tmp_path)
    ports, count = [sizes(graph, names) for names in (graph.inputs, graph.outputs)], VECTORS[core]
    image = Image(tmp_path, NAME, *ports, core)
    try:
        image.check_room()
    except NoRoom as reason:
        if core != "cortex-m0":
            pytest.skip(str(reason))
        image = Image(tmp_path, NAME, *ports, CODE_OF_M0)
    vectors = np.frombuffer(packed(graph, random_vectors(graph, count)), np.int8).reshape(count, -1)
    ran = image.run(vectors, timeout_seconds=1200)
    np.testing.assert_array_equal(ran.outputs, by_micro(name)[:count])
    millions, kind = ran.instructions.mean() / 1e6, "by rows" if by_rows else "whole"
    print(f"\n{name}, {kind}, {core}: {millions:.4g} million instructions, {image.size().flash} bytes of flash")
