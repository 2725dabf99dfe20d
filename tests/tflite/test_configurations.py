"""A configuration in one object says what options say one by one, in every public function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import octavo
from octavo.config import QuantizeConfig
from octavo.errors import ConfigError
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.dense import FullyConnectedOptions
from octavo.write.tflite import write_tflite

X = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
OPTIONS: dict[str, Any] = {"skip": ("first",), "layers": (octavo.LayerConfig("second", activations="int16"),)}
CONFIG = QuantizeConfig("int8", **OPTIONS)


def network() -> Graph:
    b = GraphBuilder("two")
    x = b.input("x", (1, 6))
    for name in ("first", "second", "third"):
        b.layer = name
        weights = np.random.default_rng(len(name)).normal(size=(6, 6)).astype(np.float32)
        x = b.emit("FULLY_CONNECTED", [x, b.constant(weights, "kernel")], FullyConnectedOptions())
    return b.finish([x])


MODEL = write_tflite(network())


def test_quantize_takes_one_object_for_its_options() -> None:
    assert octavo.quantize(MODEL, data=X, config=CONFIG).model == octavo.quantize(MODEL, data=X, **OPTIONS).model


def test_calibrate_takes_it_and_quantize_goes_on_with_what_it_measured() -> None:
    measured = octavo.calibrate(MODEL, X, config=CONFIG)
    assert measured == octavo.calibrate(MODEL, X, **OPTIONS)
    assert octavo.quantize(MODEL, data=measured, config=CONFIG).model == octavo.quantize(MODEL, data=X, **OPTIONS).model


def test_compare_takes_it_for_every_scheme_that_can() -> None:
    table = octavo.compare(MODEL, X, (X, None), schemes=("float32", "dynamic", "int8"), config=CONFIG, time_it=False)
    rows = {row.name: row for row in table.rows}
    assert rows["int8"].quantized.model == octavo.quantize(MODEL, data=X, **OPTIONS).model
    (failure,) = table.failures
    assert (failure.name, type(failure.error)) == ("dynamic", ConfigError)
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'first'\?"):
        octavo.compare(MODEL, X, (X, None), skip=["frist"], time_it=False)


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"config": CONFIG, "skip": ["third"]}, r"put them into it: dataclasses\.replace\(config, skip=\.\.\.\)"),
        ({"config": CONFIG, "scheme": "int16x8"}, r"put them into it: dataclasses\.replace\(config, scheme=\.\.\.\)"),
        ({"config": {"scheme": "int8"}}, r"pass octavo\.QuantizeConfig\('int8', \.\.\.\)"),
    ],
)
def test_what_is_said_twice_or_in_another_form_is_refused(options: dict[str, Any], fix: str) -> None:
    with pytest.raises(ConfigError, match=rf"fix: +{fix}"):
        octavo.quantize(MODEL, data=X, **options)
