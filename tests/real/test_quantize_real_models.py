"""Public pretrained models and the tutorial's network on real data: size, accuracy and proof of the int8 file."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from shared_files import NEEDS_SHARED, cifar, excess_loss, keywords, mnist, model_path

import octavo
from octavo.condition import GPTQ, BiasCorrection
from octavo.config import SCHEMES
from octavo.pipeline import quantize_prepared
from octavo.result import QuantizedModel
from octavo.stages import Prepared, Source, prepare

pytestmark = NEEDS_SHARED

CALIBRATION = 200
# The accuracy an int8 file may lose, in points, and how far chance may carry a subset beyond it (one in 700).
POINTS, DEVIATIONS = 0.3, 3.0


def assert_whole(result: QuantizedModel, largest_bytes: int) -> None:
    """The file is small, all integer, and TensorFlow Lite Micro computes exactly what the reference does."""
    assert len(result.model) <= largest_bytes
    assert result.islands == ()
    assert not [tensor.name for tensor in result.graph.tensors.values() if tensor.dtype.is_float]
    assert result.verification is not None
    assert result.verification.ok
    assert result.verification.runtimes[0].exact, result.verification.notes[0]


def assert_as_accurate(original: Any, result: QuantizedModel, x: np.ndarray, y: np.ndarray, least: float) -> None:
    """The float model answers as published, and the quantized one as well within chance."""
    expected, found = (np.asarray(model.predict(x)) for model in (original, result))
    assert np.mean(expected.argmax(axis=1) == y) >= least
    assert excess_loss(expected, found, y, POINTS) <= DEVIATIONS


@pytest.fixture(scope="module")
def resnet8() -> QuantizedModel:
    return octavo.quantize(model_path("resnet8.keras"), "int8", cifar()[0][:CALIBRATION])


def test_resnet8_is_small_exact_and_as_accurate_as_in_float(resnet8: QuantizedModel) -> None:
    x, y = cifar()
    assert_whole(resnet8, 92_000)
    original = octavo.quantize(model_path("resnet8.keras"), "float32", verify="off")
    # 92.98 % on all 4,000 images; 700 of them have a standard deviation of one point.
    assert_as_accurate(original, resnet8, x[3300:], y[3300:], least=0.90)


def test_the_keras_2_file_of_resnet8_gives_the_same_bytes(resnet8: QuantizedModel) -> None:
    old = octavo.quantize(model_path("resnet8_keras2.h5"), "int8", cifar()[0][:CALIBRATION], verify="off")
    assert old.model == resnet8.model


def test_pixels_as_integers_give_the_same_bytes(resnet8: QuantizedModel) -> None:
    pixels = cifar()[0][:CALIBRATION].astype(np.uint8)
    options: dict[str, Any] = {"integer_divisor": 1, "verify": "off"}
    assert octavo.quantize(model_path("resnet8.keras"), "int8", pixels, **options).model == resnet8.model


@pytest.mark.parametrize(("scheme", "points"), [("int8", 0.0), ("int8x4", 15.0)])
def test_corrected_biases_bring_resnet8_back_to_the_float_answers(scheme: str, points: float) -> None:
    x, _ = cifar()
    path, data, seen = model_path("resnet8.keras"), x[:CALIBRATION], x[3300:]
    float_answers = np.asarray(octavo.quantize(path, "float32", verify="off").predict(seen)).argmax(axis=1)
    plain = octavo.quantize(path, scheme, data, verify="off", effort="fast")
    corrected = octavo.quantize(path, scheme, data, methods=[BiasCorrection()])
    assert corrected.verification is not None
    assert corrected.verification.ok
    agreement = [np.mean(np.asarray(q.predict(seen)).argmax(axis=1) == float_answers) for q in (plain, corrected)]
    # Of the few samples that either answers otherwise, each may go to either by chance.
    chance = 2 * math.sqrt(sum(1 - share for share in agreement) / len(seen))
    assert agreement[1] >= agreement[0] + points / 100 - chance


def test_resnet8_of_four_bits_loses_a_point_and_a_half_without_labels() -> None:
    x, y = cifar()
    path, methods = model_path("resnet8.keras"), [GPTQ(), BiasCorrection()]
    small = octavo.quantize(path, "int8x4", x[:CALIBRATION], methods=methods)
    assert_whole(small, 58_000)
    original = octavo.quantize(path, "float32", verify="off")
    expected, found = (np.asarray(model.predict(x[3300:])) for model in (original, small))
    assert excess_loss(expected, found, y[3300:], 1.5) <= DEVIATIONS


def test_keyword_spotting_is_small_exact_and_as_accurate_as_in_float() -> None:
    x, y = keywords()
    result = octavo.quantize(model_path("kws.keras"), "int8", x[:CALIBRATION])
    assert_whole(result, model_path("kws_official_int8.tflite").stat().st_size)
    original = octavo.quantize(model_path("kws.keras"), "float32", verify="off")
    # 91.3 % on all 1,000 samples; 800 of them have a standard deviation of one point.
    assert_as_accurate(original, result, x[CALIBRATION:], y[CALIBRATION:], least=0.88)


@pytest.fixture(scope="module")
def tutorial() -> Prepared:
    """The tutorial's network, trained on some of the digits."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(12, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(*mnist("train", 15_000), batch_size=64, epochs=2, verbose=0)
    return prepare(model)


def test_every_scheme_reads_digits_as_well_as_float(tutorial: Prepared) -> None:
    (data, _), (x, y) = mnist("train", CALIBRATION), mnist("test", 2000)
    results = {name: quantize_prepared(tutorial, octavo.QuantizeConfig(name), Source(data)) for name in SCHEMES}
    for name, result in results.items():
        assert result.verification is not None
        assert result.verification.ok, name
        if name != "int8x4":
            assert_as_accurate(results["float32"], result, x, y, least=0.9)
    assert_whole(results["int8"], 24_240)
    sizes = {name: len(result.model) for name, result in results.items()}
    assert sizes["int8x4"] < sizes["int8"] < sizes["float16"] < sizes["float32"]
