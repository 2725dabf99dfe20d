"""Fine-tuning from files ends in an error where it diverges; what it writes is tested through `octavo train`."""

from __future__ import annotations

import numpy as np
import pytest

from keras_networks import convolutional, images
from octavo.errors import NonFiniteError
from octavo.qat.fine_tune import FineTuning, fine_tune


def test_a_loss_that_becomes_nan_asks_for_a_smaller_learning_rate() -> None:
    settings = FineTuning(epochs=1, batch=3, learning_rate=1e30, validation=0.25)
    with pytest.raises(NonFiniteError, match=r"fix: +use a smaller learning rate, for example --learning-rate 1e\+29"):
        fine_tune(convolutional(), images(12), np.arange(12) % 3, settings)
