"""From training to an emulated Cortex-M4: what the board answers on test digits is what the desk answers."""

from __future__ import annotations

from pathlib import Path

import pytest

import octavo
from generated import NEEDS_EMULATOR
from octavo.backend import start_keras
from on_core import accuracies

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
    on_board, at_desk = accuracies(made, x, y, core, tmp_path)
    assert on_board == at_desk
    assert on_board > 0.8
