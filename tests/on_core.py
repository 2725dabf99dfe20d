"""Accuracy on an emulated core, beside that on the desk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from octavo.board.emulator import Image
from octavo.export import export
from octavo.numerics.affine import quantize
from octavo.result import QuantizedModel


def accuracies(made: QuantizedModel, x: np.ndarray, y: np.ndarray, core: str, folder: Path) -> tuple[float, float]:
    """Shares of right answers of a classifier: of its C on the core, and of its file in LiteRT."""
    made.save(folder / "model.tflite")
    export(folder / "model.tflite", folder / "c")
    given, out = (made.graph.tensors[names[0]] for names in (made.graph.inputs, made.graph.outputs))
    image = Image(folder / "c", "model", [given.size], [out.size], core)
    ran = image.run(quantize(x, given.parameters, given.dtype).reshape(len(x), -1))
    answers = ran.outputs, np.asarray(made.predict(x))
    on_core, at_desk = (float((each.argmax(axis=1) == y).mean()) for each in answers)
    return on_core, at_desk
