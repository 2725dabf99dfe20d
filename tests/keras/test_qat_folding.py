"""What deployment folds into weights is folded in training too: the rounding of weights is the deployed one."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers
from qat_agreement import assert_deployed_as_trained

import octavo
from combinations import combined
from keras_agreement import spread_weights
from octavo import qat

Build = Callable[[], keras.Model]
IMAGE, VECTOR = (8, 8, 3), (12,)


def sequential(*stack: Callable[[], keras.layers.Layer], shape: tuple[int, ...] = IMAGE) -> Build:
    return lambda: keras.Sequential([keras.Input(shape), *(make() for make in stack)])


def conv(**options: object) -> Callable[[], keras.layers.Layer]:
    return lambda: layers.Conv2D(4, 3, **options)


NORM = layers.BatchNormalization
MODELS = {
    "before": sequential(conv(use_bias=False), NORM, layers.ReLU, conv(padding="same"), NORM),
    "depthwise": sequential(lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), NORM, layers.ReLU, NORM),
    "after": sequential(conv(activation="relu"), NORM, conv(), layers.Flatten, lambda: layers.Dense(5)),
    "after, padded": sequential(conv(activation="relu"), NORM, conv(padding="same")),
    "into depthwise": sequential(conv(activation="relu"), NORM, lambda: layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "between dense": sequential(
        lambda: layers.Dense(9, "relu"), NORM, lambda: layers.Dropout(0.1), lambda: layers.Dense(5), shape=VECTOR
    ),
    "layer norm": sequential(layers.LayerNormalization, lambda: layers.Dense(5), shape=VECTOR),
    "input": sequential(
        lambda: layers.Normalization(mean=[0.1, 0.5, -0.2], variance=[0.3, 2.0, 0.01]), conv(), NORM, layers.ReLU
    ),
}


def wide(model: keras.Model, seed: int = 0) -> keras.Model:
    """Batch normalizations whose channels differ much, as trained ones do."""
    spread_weights(model)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for name in ("gamma", "moving_variance"):
            variable = getattr(layer, name, None)
            if variable is not None:
                variable.assign(rng.uniform(0.05, 3.0, variable.shape))
    return model


@pytest.mark.parametrize(
    ("build", "scheme", "per_axis"),
    combined(MODELS, ["int8", "int8x4"], {"per axis": True, "per tensor": False}),
)
def test_a_folded_weight_is_rounded_in_training_as_deployed(build: Build, scheme: str, per_axis: bool) -> None:
    model = wide(build())
    x = np.random.default_rng(1).uniform(-1, 1, (16, *model.input_shape[1:])).astype(np.float32)
    trained = qat.quantize_model(model, scheme, data=x, per_axis=per_axis)
    assert_deployed_as_trained(trained, octavo.quantize(trained), [x])


@pytest.mark.parametrize("weights", ["current", "learned"])
def test_a_model_that_trained_and_was_saved_rounds_its_folded_weights_as_deployed(
    weights: qat.WeightObserver, tmp_path: pytest.TempPathFactory
) -> None:
    model = wide(MODELS["after"]())
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-1, 1, (32, *IMAGE)).astype(np.float32), rng.normal(size=(32, 5))
    config = qat.TrainingConfig(weights=weights)
    trained = qat.quantize_model(model, "int8x4", config, data=x, per_axis=False)
    trained.compile("adam", "mse")
    trained.fit(x, y, batch_size=8, epochs=1, verbose=0)
    trained.save(tmp_path / "trained.keras")
    loaded = keras.models.load_model(tmp_path / "trained.keras")
    quantized = octavo.quantize(loaded)
    assert quantized.model == octavo.quantize(trained).model
    assert_deployed_as_trained(loaded, quantized, [x])
