"""Time and memory from a loaded Keras model to the bytes of an int8 file, and of calibration alone.

What is held against the converter is `effort="fast"`, which like it sets ranges and rounds; what the default level
takes stands beside.

Tools run in turn, several times; a ratio is the median of the ratios of neighbours in time, so that a machine
whose speed drifts does not decide.
"""

from __future__ import annotations

import gc
import os
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench import peers
from bench.process import in_process
from bench.real_data import cifar_jpeg, images_224, mobilenet_224, place

MODELS = ("resnet8", "mobilenet_224")
SAMPLES = 500
CORES = len(os.sched_getaffinity(0))


def measure(model: str, repeats: int) -> dict[str, Any]:
    """All figures of one model; ratios above 1 mean the first is faster or smaller."""
    runs = [
        (
            in_process("speed", "octavo_whole", model),
            in_process("speed", "converter_whole", model, backend="tensorflow"),
        )
        for _ in range(repeats)
    ]
    calibration = in_process("speed", "calibrations", model, repeats)
    return {
        "samples": SAMPLES,
        "octavo_s": min(ours["seconds"] for ours, _ in runs),
        "converter_s": min(theirs["seconds"] for _, theirs in runs),
        "octavo_default_s": min(in_process("speed", "octavo_whole", model, "default")["seconds"] for _ in runs),
        "times_faster_than_converter": statistics.median(b["seconds"] / a["seconds"] for a, b in runs),
        "times_faster_from_the_second_call_on": statistics.median(b["seconds"] / a["again"] for a, b in runs),
        "octavo_added_mb": statistics.median(ours["added_mb"] for ours, _ in runs),
        "converter_added_mb": statistics.median(theirs["added_mb"] for _, theirs in runs),
        "memory_share_of_converter": statistics.median(a["added_mb"] / b["added_mb"] for a, b in runs),
        **calibration,
        "proof_s": in_process("speed", "octavo_proof", model),
    }


def levels(model: str, scheme: str, samples: int, repeats: int) -> dict[str, float]:
    """Seconds of `fast`, and how many times as long the next levels of effort take, in turn in one process."""
    import octavo.pipeline

    network, data = load(model)

    def seconds(effort: str) -> float:
        return seconds_of(lambda: octavo.quantize(network, scheme, data[:samples], effort=effort))

    seconds("fast")
    times = [{effort: seconds(effort) for effort in ("fast", "default", "good")} for _ in range(repeats)]
    ratios = {
        f"{effort}_over_fast": statistics.median(each[effort] / each["fast"] for each in times)
        for effort in ("default", "good")
    }
    return {"samples": samples, "fast_s": min(each["fast"] for each in times), **ratios}


def load(model: str) -> tuple[Any, np.ndarray]:
    """A Keras model in memory, and its samples."""
    import keras

    if model == "resnet8":
        return keras.models.load_model(place("models/resnet8.keras"), compile=False), cifar_jpeg("train", SAMPLES)[0]
    return mobilenet_224(), images_224(SAMPLES)


def octavo_whole(model: str, effort: str = "fast") -> dict[str, float]:
    """Octavo's int8 file at a level of effort, without the proof; and another from the same process.

    The first call starts the processes that run native code, the second has them.
    """
    import octavo.pipeline  # imported before the clock starts, as TensorFlow is for the converter

    network, samples = load(model)

    def task() -> object:
        return octavo.quantize(network, "int8", samples, effort=effort, verify="off")

    return {**_timed(task), "again": seconds_of(task)}


def converter_whole(model: str) -> dict[str, float]:
    """TensorFlow's int8 file."""
    network, samples = load(model)
    import tensorflow as tf  # noqa: F401

    return _timed(lambda: peers.converter(network, "int8", samples))


def octavo_proof(model: str) -> float:
    """Seconds that verification by a few samples takes."""
    import octavo

    network, samples = load(model)
    return octavo.quantize(network, "int8", samples[:20]).seconds["verify"]


def calibrations(model: str, repeats: int) -> dict[str, float]:
    """Octavo's calibration, LiteRT Quantizer's fastest one, and plain inference of the same samples, in turn."""
    from octavo.config import QuantizeConfig
    from octavo.plan.make import make_plan
    from octavo.run.litert import LiteRT
    from octavo.stages import Source, gather, prepare
    from octavo.write.tflite import write_tflite

    network, samples = load(model)
    prepared, config = prepare(network), QuantizeConfig("int8")
    plan, content = make_plan(prepared.graph, config), write_tflite(prepared.graph)
    name = prepared.graph.inputs[0]

    def plain() -> None:
        runtime = LiteRT(content, threads=CORES)
        for sample in samples:
            runtime.run({name: sample[np.newaxis]})

    tasks: dict[str, Callable[[], object]] = {
        "plain": plain,
        "octavo": lambda: gather(prepared, plan, config, Source(samples)),
        "quantizer": lambda: peers.quantizer_calibration(content, samples, CORES),
    }
    for task in tasks.values():
        task()
    times = {name: [] for name in tasks}
    for _ in range(2 * repeats + 1):
        for name_, task in tasks.items():
            times[name_].append(seconds_of(task))
    return {
        **{f"calibration_{name_}_s": min(values) for name_, values in times.items()},
        "calibration_over_plain": _ratio(times["octavo"], times["plain"]),
        "calibration_over_quantizer": _ratio(times["octavo"], times["quantizer"]),
    }


def _ratio(a: list[float], b: list[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def seconds_of(task: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def _timed(task: Callable[[], object]) -> dict[str, float]:
    """Seconds of the first run, and by how many MB it raised the process's resident memory at its peak."""
    gc.collect()
    before = _restart_peak_mb()
    seconds = seconds_of(task)
    return {"seconds": seconds, "added_mb": max(_peak_mb() - before, 1.0)}


def _restart_peak_mb() -> float:
    """Let the peak begin anew at the present use, which is returned: loading data may have taken more for a while."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024
