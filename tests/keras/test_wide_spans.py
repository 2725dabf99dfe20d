"""Layers that normalize or take logarithms of values of different magnitude lose what int8 at both ends does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import octavo
from octavo.config import LayerConfig
from octavo.dtypes import DType
from octavo.numerics.affine import asymmetric, dequantize, quantize

pytest.importorskip("tflite_micro")
layers, ops = keras.layers, keras.ops

NORMALIZATIONS: dict[str, Callable[[Any], Any]] = {
    "layer": lambda x: layers.LayerNormalization()(x),
    "group": lambda x: layers.GroupNormalization(2)(x),
    "root mean square": lambda x: layers.RMSNormalization()(x),
    "unit": lambda x: layers.UnitNormalization()(x),
    "by hand": lambda x: (x - ops.mean(x, -1, keepdims=True)) * ops.rsqrt(ops.var(x, -1, keepdims=True) + 1e-3),
}
DIVISIONS: dict[str, Callable[[Any], Any]] = {
    "by a deviation": lambda x: (x - ops.mean(x, -1, keepdims=True)) / (ops.std(x, -1, keepdims=True) + 1e-3),
    "by a norm": lambda x: x / ops.sqrt(ops.sum(x * x, -1, keepdims=True) + 1e-3),
    "by a sum": lambda x: ops.abs(x) / (ops.sum(ops.abs(x), -1, keepdims=True) + 1e-3),
    "by a count": lambda x: ops.sum(x, 1) / ops.maximum(ops.sum(ops.cast(x > 0.0, "float32"), 1), 1.0),
}
# Of what int8 in- and outputs leave of a float model.
LOST_DB = 2.0
# Of what they leave where eight operators in a row round as the two ends do.
LOST_BY_EIGHT_DB = float(10 * np.log10(8 / 2))


def rows(count: int, spread: float) -> np.ndarray:
    """Rows of 12 values, five a sample, whose deviations differ by a factor of `spread`."""
    rng = np.random.default_rng(3)
    deviations = np.exp(rng.uniform(-0.5, 0.5, (count, 5, 1)) * np.log(spread))
    return (deviations * np.clip(rng.normal(size=(count, 5, 12)), -2, 2)).astype(np.float32)


def model_of(function: Callable[[Any], Any], shape: tuple[int, ...] = (5, 12)) -> Any:
    inputs = keras.Input(shape)
    return keras.Model(inputs, function(inputs))


def as_int8(x: np.ndarray) -> np.ndarray:
    parameters = asymmetric(min(float(x.min()), 0.0), max(float(x.max()), 0.0), DType.INT8)
    return dequantize(quantize(x, parameters, DType.INT8), parameters).astype(np.float32)


def sqnr_db(wanted: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10(np.square(wanted).sum() / np.square(found - wanted).sum()))


def best_db(model: Any, x: np.ndarray) -> float:
    """Of the float model between rounded inputs and rounded outputs."""
    wanted, found = (np.asarray(model.predict(each, verbose=0)) for each in (x, as_int8(x)))
    return sqnr_db(wanted, as_int8(found))


@pytest.mark.parametrize("name", DIVISIONS)
def test_a_division_by_what_is_never_negative_is_integer(name: str) -> None:
    model, x = model_of(DIVISIONS[name]), rows(150, spread=5)
    made = octavo.quantize(model, "int8", x, verify="off")
    assert made.islands == ()
    found = sqnr_db(np.asarray(model.predict(x, verbose=0)), np.asarray(made.predict(x)))
    assert found > best_db(model, x) - LOST_BY_EIGHT_DB


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_rows_of_different_magnitude_lose_what_int8_itself_does(name: str) -> None:
    model, x = model_of(NORMALIZATIONS[name]), rows(150, spread=20)
    made = octavo.quantize(model, "int8", x)
    found = sqnr_db(np.asarray(model.predict(x, verbose=0)), np.asarray(made.predict(x)))
    assert found > best_db(model, x) - LOST_DB
    assert [note for note in made.notes if "int16" in note.text]
    assert made.islands == ()
    assert made.verification is not None
    assert made.verification.ok
    assert {made.graph.tensors[n].dtype for n in (*made.graph.inputs, *made.graph.outputs)} == {DType.INT8}
    assert made.verification.runtimes[0].exact


def test_rows_alike_and_layers_kept_in_int8_stay_int8() -> None:
    model, alike, apart = model_of(NORMALIZATIONS["layer"]), rows(60, spread=1), rows(60, spread=20)
    (name,) = {layer.name for layer in model.layers[1:]}
    kept = octavo.quantize(model, "int8", apart, layers=[LayerConfig(name, activations="int8")])
    for made in (octavo.quantize(model, "int8", alike), kept):
        assert DType.INT16 not in {tensor.dtype for tensor in made.graph.tensors.values()}


def test_a_spectrum_of_noise_keeps_its_small_values() -> None:
    def spectrum(x: Any) -> Any:
        real, imaginary = ops.stft(x, 64, 32, 64)
        return ops.log(real * real + imaginary * imaginary + 1e-2)

    x = np.random.default_rng(5).normal(size=(60, 512)).astype(np.float32)
    model = model_of(spectrum, (512,))
    made = octavo.quantize(model, "int8", x)
    found = sqnr_db(np.asarray(model.predict(x, verbose=0)), np.asarray(made.predict(x)))
    assert found > best_db(model, x) - 6
    assert made.islands == ()


@pytest.mark.parametrize("scheme", ["int8", "int8x4"])
@pytest.mark.parametrize("axis", [-1, 1])
def test_logarithms_of_shares_reach_as_far_below_as_they_do(axis: int, scheme: str) -> None:
    model, x = model_of(lambda x: ops.log_softmax(x, axis=axis)), np.random.default_rng(0).normal(0, 8, (40, 5, 12))
    made = octavo.quantize(model, scheme, x.astype(np.float32), effort="fast")
    assert made.verification is not None
    assert all(check.ok and not check.reason for check in made.verification.runtimes)
    assert not made.islands
    assert sqnr_db(model.predict(x, verbose=0), np.asarray(made.predict(x.astype(np.float32)))) > 35
    assert any("LOG_SOFTMAX" in note.text for note in made.notes)
    near = octavo.quantize(model, scheme, x.astype(np.float32) / 20, effort="fast")
    assert sum(node.op == "SUB" for node in near.graph.nodes) == 0
