"""MNIST from training to an emulated Cortex-M4, over a thousand test digits."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_files import NEEDS_SHARED, mnist

import octavo
from generated import NEEDS_EMULATOR
from octavo.backend import start_keras
from on_core import accuracies

pytestmark = NEEDS_SHARED


@pytest.mark.exhaustive
@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=NEEDS_EMULATOR)])
def test_accuracy_over_a_thousand_digits_on_the_core_is_the_desks(core: str, tmp_path: Path) -> None:
    start_keras()
    import keras

    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Input((28, 28, 1)),
        keras.layers.Conv2D(12, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ]
    model = keras.Sequential(layers, name="mnist")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    train_x, train_y = mnist("train", 20_000)
    model.fit(train_x, train_y, epochs=1, batch_size=64, verbose=0)
    made = octavo.quantize(model, "int8", train_x[:200])
    x, y = mnist("test", 1000)
    assert octavo.fit(made, board="nano33ble").fits
    on_board, at_desk = accuracies(made, x, y, core, tmp_path)
    assert on_board == at_desk
    assert on_board > 0.9
