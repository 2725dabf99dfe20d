"""What a training step costs with fake quantization, against the same model in float: CPU time, in turn, in one run."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from bench.process import in_process

BATCH = 128
STEPS = 12


def measure(network: str, repeats: int, backend: str) -> dict[str, float]:
    """CPU seconds a step of both, and the median ratio of neighbours in time."""
    return in_process("step_cost", "in_turn", network, repeats, backend=backend)


def in_turn(network: str, repeats: int) -> dict[str, float]:
    """Time float and quantization-aware steps in turn."""
    from octavo import qat

    start, x, y, from_logits = model_and_batch(network)
    aware = qat.quantize_model(start, data=x)
    models = {"float": start, "aware": aware}
    for model in models.values():
        compile_for(model, from_logits)
        steps(model, x, y, 2)
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(repeats):
        for name, model in models.items():
            times[name].append(steps(model, x, y, STEPS))
    pairs = zip(times["aware"], times["float"], strict=True)
    return {
        "float_step_s": min(times["float"]) / STEPS,
        "aware_step_s": min(times["aware"]) / STEPS,
        "ratio": statistics.median(a / b for a, b in pairs),
        "ratio_of_minima": min(times["aware"]) / min(times["float"]),
    }


def model_and_batch(network: str) -> tuple[Any, np.ndarray, np.ndarray, bool]:
    """A fresh network and a batch of noise of its input's shape."""
    from bench.networks import WORKS

    rng = np.random.default_rng(0)
    shape = (28, 28, 1) if network == "mnist" else (32, 32, 3)
    x = rng.uniform(0, 1 if network == "mnist" else 255, (BATCH, *shape)).astype(np.float32)
    y = rng.integers(0, 10, BATCH)
    work = WORKS[network]
    return work.start(0, (x, y, x, y)), x, y, work.from_logits


def compile_for(model: Any, from_logits: bool) -> None:
    """As `bench.training` trains."""
    import keras

    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits))


def steps(model: Any, x: np.ndarray, y: np.ndarray, count: int) -> float:
    """CPU seconds of `count` steps on one batch through `fit`."""
    start = time.process_time()
    model.fit(np.concatenate([x] * count), np.concatenate([y] * count), batch_size=BATCH, verbose=0, shuffle=False)
    return time.process_time() - start
