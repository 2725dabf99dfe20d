"""From training to an emulated Cortex-M4: what the board answers on test digits is what the desk answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import octavo
from generated import NEEDS_EMULATOR
from octavo.backend import start_keras
from octavo.board.emulator import Image
from octavo.export import export
from octavo.numerics.affine import quantize

pytest.importorskip("sklearn")
SHOWN = 100


@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=NEEDS_EMULATOR)])
def test_accuracy_measured_on_the_core_is_the_desks(core: str, tmp_path: Path) -> None:
    start_keras()
    import keras

    from octavo.demo.data import digits

    data = digits()
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Input(data.x_train.shape[1:]),
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers, name="digits")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(data.x_train, data.y_train, epochs=3, batch_size=32, verbose=0)
    made = octavo.quantize(model, "int8", data.x_train[:200])
    x, y = data.x_test[:SHOWN], data.y_test[:SHOWN]
    assert octavo.fit(made, board="nano33ble").fits

    made.save(tmp_path / "digits.tflite")
    export(tmp_path / "digits.tflite", tmp_path / "c")
    given, out = (made.graph.tensors[names[0]] for names in (made.graph.inputs, made.graph.outputs))
    image = Image(tmp_path / "c", "digits", [given.size], [out.size], core)
    ran = image.run(quantize(x, given.parameters, given.dtype).reshape(len(x), -1))
    on_board = float((ran.outputs.argmax(axis=1) == y).mean())
    at_desk = float((np.asarray(made.predict(x)).argmax(axis=1) == y).mean())
    assert on_board == at_desk
    assert on_board > 0.8
