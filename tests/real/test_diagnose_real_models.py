"""Diagnosis of public pretrained models on real data, and of files that others made of them."""

from __future__ import annotations

import numpy as np
import pytest
from shared_files import NEEDS_SHARED, cifar, keywords, model_path

import octavo

pytestmark = NEEDS_SHARED

CALIBRATION, JUDGED = 100, slice(300, 500)


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    x, y = cifar()
    return x[:CALIBRATION], (x[JUDGED], y[JUDGED])


def test_resnet8_raises_no_alarm(images: tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]) -> None:
    found = octavo.diagnose(model_path("resnet8.keras"), *images)
    assert found.findings == ()
    assert found.healthy
    assert found.ranked[0].effect > 0


def test_the_official_file_of_resnet8_is_matched_whole_and_raises_no_alarm(
    images: tuple[np.ndarray, tuple[np.ndarray, np.ndarray]],
) -> None:
    file = model_path("resnet8_official_int8.tflite")
    found = octavo.diagnose(model_path("resnet8.keras"), *images, file=file)
    assert found.unmatched == ()
    assert found.healthy
    assert all(each.total_db is not None and each.total_db > 15 for each in found.layers if each.layer != "input_1")


def test_one_far_picture_is_named_and_left_out(images: tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]) -> None:
    data = images[0].copy()
    data[17] = 1e5
    found = octavo.diagnose(model_path("resnet8.keras"), data, images[1])
    assert found.findings[0].cause == "outlier_samples"
    assert found.findings[0].samples == (17,)
    assert found.findings[0].mend.gain is not None
    assert found.findings[0].mend.gain.value > 0.5


def test_a_file_of_another_training_is_told_from_one_of_this() -> None:
    x, y = keywords()
    data, test = x[:CALIBRATION], (x[JUDGED], y[JUDGED])
    own = octavo.diagnose(model_path("kws.keras"), data, test)
    assert own.healthy
    other = octavo.diagnose(model_path("kws.keras"), data, test, file=model_path("kws_official_int8.tflite"))
    assert other.findings[0].cause == "other_weights"
    assert len(other.findings[0].also) >= 8
