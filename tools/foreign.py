"""What becomes of float .tflite files that TensorFlow's converter wrote.

    tools/foreign.py make FOLDER [functions|layers|operations]   writes the files, in a process that may die
    tools/foreign.py table FOLDER                                 quantizes each, and counts reasons of refusal

Not a test: TensorFlow takes minutes to write them.
"""

from __future__ import annotations

import collections
import json
import os
import re
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests" / "keras"), str(ROOT / "tests" / "tflite"), str(ROOT / "tests")]
warnings.filterwarnings("ignore")
SAMPLES, OPEN = 8, 12
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")
Conversion = tuple[str, Callable[[], bytes]]


def functions() -> Iterator[Conversion]:
    """TensorFlow functions, plain; some with float16 weights and with dynamic range quantization."""
    import foreign_functions
    import tensorflow as tf

    def convert(use: Any, kind: str = "") -> bytes:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([use.concrete()])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if kind:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())

    for name, use in foreign_functions.uses().items():
        yield name, lambda use=use: convert(use)
        if name in ("conv2d", "mobile block", "matmul", "attention", "lstm", "separable_conv2d", "one_hot matmul"):
            yield f"{name} float16", lambda use=use: convert(use, "float16")
            yield f"{name} dynamic", lambda use=use: convert(use, "dynamic")


def layers() -> Iterator[Conversion]:
    """Keras layers in the configurations of the conformance page."""
    import every_layer

    yield from _of_keras(every_layer.classes(), every_layer.models)


def operations() -> Iterator[Conversion]:
    """keras.ops in the uses of the conformance page."""
    import every_operation

    yield from _of_keras(every_operation.functions(), every_operation.models)


def _of_keras(names: list[str], models: Callable[[str], Iterator[tuple[str, Any]]]) -> Iterator[Conversion]:
    import tensorflow as tf

    def convert(model: Any) -> bytes:
        specs = [tf.TensorSpec([1, *each.shape[1:]], each.dtype) for each in model.inputs]
        function = tf.function(lambda *xs: model(list(xs), training=False), input_signature=specs)
        # Without the model beside it, the converter makes constants of its variables.
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()]).convert())

    for name in names:
        for text, model in models(name):
            yield text, lambda model=model: convert(model)


KINDS = {"functions": functions, "layers": layers, "operations": operations}


def make(folder: Path, kind: str) -> None:
    """Write every file of a kind; a conversion that killed the process is passed over the next time."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, convert) in enumerate(KINDS[kind]()):
        target = folder / f"{kind}-{number:04d}-{NOT_IN_NAMES.sub('_', name)[:60]}.tflite"
        note = target.with_suffix(".none")
        if target.exists() or note.exists():
            continue
        note.write_text("the process died")
        try:
            content = convert()
        except Exception as error:
            note.write_text(f"{type(error).__name__}: {str(error)[:300]}")
            continue
        target.write_bytes(content)
        note.unlink()


def outcome(path: Path) -> tuple[str, str]:
    """(kind, remark) of one file: "verified", "refused", "wrong" or "crash"."""
    import octavo
    from octavo.errors import OctavoError, VerificationError

    try:
        with warnings.catch_warnings():
            made = octavo.quantize(path, "int8", data(path))
    except VerificationError as error:
        return "wrong", error.got
    except OctavoError as error:
        return "refused", f"{type(error).__name__}: {error.what} {error.got}"
    except Exception:
        return "crash", " ".join(traceback.format_exc().splitlines()[-3:])
    quality = (
        ["-" if each.sqnr_db is None else f"{each.sqnr_db:.1f} dB" for each in made.fidelity.rounding]
        if made.fidelity
        else []
    )
    islands = sorted({island.op for island in made.islands})
    return "verified", f"islands {','.join(islands) or 'none'}; {' '.join(quality)}"


def data(path: Path) -> Any:
    """Random samples of a file's inputs, by position."""
    from octavo.errors import OctavoError
    from octavo.ir.samples import sample_shape
    from octavo.load.tflite import read_content

    rng = np.random.default_rng(0)
    try:
        file = read_content(path.read_bytes())
    except OctavoError:
        return None
    made = []
    for port in (file.graph.tensors[name] for name in file.graph.inputs):
        open_shape = file.open_shapes[port.name]
        batch, sizes = open_shape[:1], tuple(OPEN if size < 0 else size for size in open_shape[1:])
        shape = (SAMPLES, *sample_shape((1 if batch == (-1,) else batch[0], *sizes) if open_shape else ()))
        if port.dtype.is_float:
            made.append(rng.normal(size=shape).astype(np.float32))
        else:
            made.append(rng.integers(0, 2 if port.dtype.value == "bool" else 4, shape).astype(port.dtype.numpy))
    return made[0] if len(made) == 1 else tuple(made)


def table(folder: Path, pattern: str) -> None:
    """Quantize every file and print what came of it; results are kept beside the files."""
    counts: collections.Counter[str] = collections.Counter()
    with (folder / "outcomes.jsonl").open("a") as log:
        for path in sorted(folder.glob(pattern)):
            kind, remark = outcome(path)
            counts[kind] += 1
            print(f"{kind:9} {path.stem:70} {' '.join(remark.split())[:220]}", flush=True)
            log.write(json.dumps({"file": path.stem, "kind": kind, "remark": remark}) + "\n")
    print(dict(counts))


def main() -> None:
    """Do as the command line says."""
    command, folder = sys.argv[1], Path(sys.argv[2])
    rest = sys.argv[3:]
    if command == "table":
        table(folder, rest[0] if rest else "*.tflite")
        return
    if command == "make-here":
        make(folder, rest[0])
        return
    for kind in rest or KINDS:
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        command_line = [sys.executable, __file__, "make-here", str(folder), kind]
        while subprocess.run(command_line, env=environment, check=False, stderr=subprocess.DEVNULL).returncode < 0:
            pass


if __name__ == "__main__":
    main()
