"""Every public layer of Keras, in several configurations: read as Keras computes it, or refused in four parts."""

from __future__ import annotations

from itertools import islice

import keras
import numpy as np
import pytest
from every_layer import classes, models

from keras_agreement import assert_computes_the_same, random_inputs, results, spread_weights
from octavo.errors import OctavoError
from octavo.load.keras_graph import load_keras

# Of these Keras takes longest to build a configuration.
LONG = ("AugMix", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "MelSpectrogram", "RandAugment")
# Configurations of a class that every run looks at; all of them where asked for.
FIRST = 2
# Layers that Keras computes otherwise on one backend, with the reason.
DIFFERS = {
    (
        "torch",
        "ContrastLimitedAdaptiveHistogramEqualization",
    ): "the same layer of Keras on TensorFlow gives other values",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.exhaustive] if name in LONG else []) for name in classes()]
)
def test_a_layer_of_keras_is_read_as_it_computes_or_refused(name: str, request: pytest.FixtureRequest) -> None:
    if (keras.backend.backend(), name) in DIFFERS:
        request.applymarker(pytest.mark.xfail(reason=DIFFERS[keras.backend.backend(), name], strict=True))
    for _, model in islice(models(name), None if request.config.getoption("--exhaustive") else FIRST):
        try:
            graph = load_keras(model).graph
        except OctavoError:
            continue
        spread_weights(model)
        inputs = [np.abs(array) + np.float32(0.1) for array in random_inputs(model)]
        try:
            expected = results(model, inputs)
        except (ValueError, TypeError, IndexError):
            # Keras builds some layers on inputs that they then do not take.
            continue
        if all(keras.backend.is_float_dtype(value.dtype.name) and np.isfinite(value).all() for value in expected):
            graph = load_keras(model).graph
            assert_computes_the_same(model, graph, inputs)
