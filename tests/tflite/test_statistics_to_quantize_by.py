"""Calibration in parts: statistics are measured, saved, merged and quantized by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import octavo
from keras_networks import branching, convolutional, images
from octavo import qat
from octavo.errors import ConfigError, DatasetError

DATA = images(24)


@pytest.fixture(scope="module")
def model() -> Any:
    return convolutional()


@pytest.mark.parametrize("estimator", ["minmax", "percentile", "mse"])
@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_statistics_of_parts_give_the_same_bytes_as_all_data_at_once(
    model: Any, scheme: str, estimator: str, tmp_path: Path
) -> None:
    first, rest = (octavo.calibrate(model, part, scheme, estimator=estimator) for part in (DATA[:7], DATA[7:]))
    first.save(tmp_path / "statistics.npz")
    both = octavo.Statistics.load(tmp_path / "statistics.npz").merge(rest)
    assert both.samples == len(DATA)
    options = {"estimator": estimator, "verify": "off", "effort": "fast"}
    assert (
        octavo.quantize(model, scheme, both, **options).model == octavo.quantize(model, scheme, DATA, **options).model
    )


def test_a_file_made_of_statistics_is_proven(model: Any) -> None:
    verification = octavo.quantize(model, data=octavo.calibrate(model, DATA)).verification
    assert verification is not None
    assert verification.ok


def test_training_starts_from_samples_alone(model: Any) -> None:
    with pytest.raises(ConfigError, match=r"fix: +pass the samples: data=x_train\[:500\]"):
        qat.quantize_model(model, data=octavo.calibrate(model, DATA))


def test_statistics_of_another_model_are_refused(model: Any) -> None:
    with pytest.raises(DatasetError, match=r"fix: +calibrate again: octavo\.calibrate"):
        octavo.quantize(branching(), data=octavo.calibrate(model, DATA))


def test_extremes_do_not_serve_percentiles(model: Any) -> None:
    with pytest.raises(DatasetError, match=r"fix: +calibrate again with the same estimator"):
        octavo.quantize(model, data=octavo.calibrate(model, DATA), estimator="percentile")


def test_a_scheme_without_activation_ranges_has_nothing_to_calibrate(model: Any) -> None:
    with pytest.raises(ConfigError, match=r"fix: +use scheme='int8'"):
        octavo.calibrate(model, DATA, "dynamic")
    with pytest.raises(DatasetError, match=r"fix: +pass data=x_train\[:500\]"):
        octavo.calibrate(model, None)
