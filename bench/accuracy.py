"""Accuracy and size of every scheme, TensorFlow's converter and LiteRT Quantizer on the same images in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench import peers
from bench.process import in_process
from bench.real_data import RESULTS, cifar_jpeg, cifar_lossless, keywords, mnist, place
from bench.speed import CORES
from octavo.config import EFFORTS
from octavo.data.labelled import read_test_set, read_training_set

SCHEMES = ("float32", "float16", "dynamic", "int8", "int16x8")
# Octavo's own levels of effort, beside the rows above, which are "fast" as the other tools are.
LEVELS = tuple((scheme, effort) for scheme in ("int8", "int8x4") for effort in EFFORTS if effort != "fast")
# Networks that are not in the shared folder.
TRAINED = ("mnist", "mobilenet_v1", "mobilenet_v2")
CALIBRATION = 500
SIMULATED = 200


class Own(NamedTuple):
    """Any classifier: a .keras file, and an .npz file of x_train, y_train, x_test and y_test as it takes them."""

    network: Path
    data: Path

    def __str__(self) -> str:
        """Its name in tables and results."""
        return self.network.stem


class File(NamedTuple):
    """A written file, and the seconds it took to make it, calibration included and the model loaded."""

    content: bytes
    seconds: float


def proof(model: str | Own) -> dict[str, Any]:
    """Is the integer simulator equal to TensorFlow Lite Micro on many samples, and is nothing left in float?"""
    return in_process("accuracy", "simulate", model)


def measure(model: str | Own, draws: int) -> dict[str, dict[str, Any]]:
    """By tool and scheme: bytes, seconds, and in LiteRT on its default kernels what the file is worth on each test set.

    That is top-1 accuracy, the share of answers that are those of the float file, and the SQNR of the outputs.

    Which samples calibrate moves the accuracy of any tool's int8 file by more than tools differ; so there are several
    draws of them, the same ones for each tool, and accuracies are means.
    """
    runs = [one_draw(model, draw, SCHEMES if draw == 0 else ("int8",)) for draw in range(draws)]
    rows: dict[str, dict[str, Any]] = {}
    for name, first in runs[0].items():
        column = {key: [run[name][key] for run in runs if key in run.get(name, ())] for key in first}
        rows[name] = {"bytes": max(column.pop("bytes")), "arena": max(column.pop("arena"), key=lambda x: x or 0)}
        for test, values in column.items():
            rows[name] |= {test: statistics.mean(values), f"{test}, each": " ".join(f"{value:.4f}" for value in values)}
    return rows


def one_draw(model: str | Own, draw: int, schemes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Rows by one draw of calibration samples."""
    files = in_process("accuracy", "octavo_files", model, draw, schemes)
    theirs = in_process("accuracy", "converter_files", model, draw, schemes, backend="tensorflow")
    float_file = in_process("accuracy", "converter_files", model, draw, ("float32",), backend="tensorflow")
    files |= theirs | {"quantizer int8": in_process("accuracy", "quantizer_file", model, draw, *float_file.values())}
    return in_process("accuracy", "score", model, files)


def task(model: str | Own, draw: int = 0) -> tuple[Any, np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """A trained Keras model, its calibration samples, its test sets."""
    import keras

    order = np.random.default_rng(draw)
    if isinstance(model, Own):
        samples = read_training_set(model.data)[0]
        chosen = samples[order.permutation(len(samples))[:CALIBRATION]]
        return keras.models.load_model(model.network, compile=False), chosen, {"test": read_test_set(model.data)}
    network = keras.models.load_model(
        kept(model) if model in TRAINED else place(f"models/{model}.keras"), compile=False
    )
    if model == "mnist":
        data = mnist()
        return network, data[0][order.permutation(len(data[0]))[:CALIBRATION]], {"test": data[2:]}
    if model == "kws":
        x, y = keywords()
        return network, x[order.permutation(len(x))[:CALIBRATION]], {"kws01": (x, y)}
    tests = {"jpeg test": cifar_jpeg("test"), "lossless 4000": cifar_lossless()}
    return network, cifar_jpeg("train", CALIBRATION, seed=draw)[0], tests


def kept(model: str) -> Path:
    """Where a network lies that `bench training` trains: once, so that all tools get the same."""
    from bench.networks import WORKS

    path = RESULTS / f"{model}.keras"
    if not path.exists():
        RESULTS.mkdir(exist_ok=True)
        work = WORKS[model]
        work.start(0, work.data()).save(path)
    return path


def octavo_files(model: str | Own, draw: int, schemes: tuple[str, ...]) -> dict[str, File]:
    """Octavo's file of each scheme, and of each level of effort; the highest, which takes minutes, for one draw."""
    import octavo

    network, samples, _ = task(model, draw)
    rows = {f"octavo {scheme}": (scheme, "fast") for scheme in (*schemes, "int8x4")}
    levels = [each for each in LEVELS if draw == 0 or each[1] != "best"]
    rows |= {f"octavo {scheme}, {effort}": (scheme, effort) for scheme, effort in levels}
    return {
        name: timed(lambda scheme=scheme, effort=effort: octavo.quantize(network, scheme, samples, effort=effort).model)
        for name, (scheme, effort) in rows.items()
    }


def converter_files(model: str | Own, draw: int, schemes: tuple[str, ...]) -> dict[str, File]:
    """The converter's file of each scheme."""
    network, samples, _ = task(model, draw)
    return {
        f"converter {scheme}": timed(lambda scheme=scheme: peers.converter(network, scheme, samples))
        for scheme in schemes
    }


def quantizer_file(model: str | Own, draw: int, float_file: File) -> File:
    """LiteRT Quantizer's int8 file, of the converter's float file."""
    _, samples, _ = task(model, draw)
    return timed(lambda: peers.quantizer_int8(float_file.content, samples, CORES))


def timed(make: Callable[[], bytes]) -> File:
    """A file and how long it took."""
    start = time.perf_counter()
    content = make()
    return File(content, time.perf_counter() - start)


def score(model: str | Own, files: dict[str, File]) -> dict[str, dict[str, Any]]:
    """Bytes, arena, seconds and worth of each file; against the float file, where that is among them."""
    from octavo.evaluate.accuracy import compare_outputs
    from octavo.evaluate.memory import memory
    from octavo.evaluate.predict import predict

    _, _, tests = task(model)
    original = files.get("octavo float32")
    wanted = {test: predict(original.content, x) for test, (x, _) in tests.items()} if original is not None else {}
    rows: dict[str, dict[str, Any]] = {}
    for name, file in files.items():
        used = memory(file.content)
        rows[name] = {"bytes": used.file_bytes, "arena": used.arena_bytes, "seconds": file.seconds}
        for test, (x, y) in tests.items():
            outputs = next(iter(predict(file.content, x).values()))
            rows[name][test] = float((outputs.argmax(axis=1) == y).mean())
            if test in wanted:
                original_outputs = next(iter(wanted[test].values()))
                (compared,) = compare_outputs({"": outputs}, {"": original_outputs})
                rows[name][f"{test} as float"] = float(
                    (outputs.argmax(axis=1) == original_outputs.argmax(axis=1)).mean()
                )
                rows[name][f"{test} SQNR dB"] = compared.sqnr_db if compared.sqnr_db is not None else float("inf")
    return rows


def simulate(model: str | Own) -> dict[str, Any]:
    """Octavo's int8 file on many samples: is the integer simulator equal to TensorFlow Lite Micro?"""
    import octavo
    from octavo.dtypes import DType

    network, _, tests = task(model)
    x, _ = next(iter(tests.values()))
    quantized = octavo.quantize(network, "int8", x[:SIMULATED], verify="full")
    assert quantized.verification is not None
    micro = next(check for check in quantized.verification.runtimes if "Micro" in check.runtime)
    names = [name for node in quantized.graph.nodes for name in node.outputs]
    floats = [name for name in names if quantized.graph.tensors[name].dtype is DType.FLOAT32]
    return {
        "inputs": micro.inputs,
        "values": micro.elements,
        "differing": micro.differing,
        "float_tensors": len(floats),
        "islands": len(quantized.islands),
        "proof": micro.summary(),
    }
