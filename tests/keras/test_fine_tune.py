"""Fine-tuning from files ends in an error where it diverges; what it writes is tested through `octavo train`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_networks import convolutional, images
from octavo.errors import NonFiniteError
from octavo.qat.fine_tune import FineTuning, below_its_start, fine_tune, held_out


def test_a_loss_that_becomes_nan_asks_for_a_smaller_learning_rate() -> None:
    settings = FineTuning(epochs=1, batch=3, learning_rate=1e30, validation=0.25)
    with pytest.raises(NonFiniteError, match=r"fix: +use a smaller learning rate, for example --learning-rate 1e\+29"):
        fine_tune(convolutional(), images(12), np.arange(12) % 3, settings)


def test_a_sample_without_a_float_result_is_named_for_a_loss_that_becomes_nan() -> None:
    settings = FineTuning(epochs=1, batch=3, validation=0.25, calibration=2)
    x = images(12)
    last = int(np.flatnonzero(~held_out(len(x), settings))[-1])
    x[last] = np.nan
    with pytest.raises(NonFiniteError, match=rf"(?s)float model itself makes NaN.*fix: +leave sample {last} out"):
        fine_tune(convolutional(), x, np.arange(12) % 3, settings)


def test_training_that_ends_below_its_start_is_told() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    x = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    settings = FineTuning(epochs=1, batch=6, learning_rate=1.0, validation=0.25)
    right = np.argmax(model.predict(x, verbose=0), axis=1)
    taught = np.where(held_out(len(x), settings), right, (right + 1) % 3)
    harmed = fine_tune(model, x, taught, settings).model
    (told,) = [note.text for note in harmed.notes if note.stage == "train"]
    assert told.startswith("training ended below its starting point: the loss on the samples held out was")
    assert below_its_start("model", 0.5, 0.5) == ()
