"""The quantization-aware training tutorial's listing runs on every backend, and its file predicts what it trained."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from shared_files import NEEDS_SHARED, SHARED

pytestmark = NEEDS_SHARED
LISTING = Path(__file__).resolve().parents[2] / "examples" / "quantization_aware_training.py"
# Keras's downloader stands for the file that lies beside the checkout, and a slice of it keeps this short.
PREAMBLE = """
import keras, numpy
def load_data():
    file = numpy.load({path!r})
    train, test = slice(0, {train}), slice(0, {test})
    return (file["x_train"][train], file["y_train"][train]), (file["x_test"][test], file["y_test"][test])
keras.datasets.mnist.load_data = load_data
"""
TRAINED, TESTED = 12_000, 1_000


@pytest.mark.parametrize(
    "backend", ["tensorflow", *(pytest.param(other, marks=pytest.mark.exhaustive) for other in ("jax", "torch"))]
)
def test_the_tutorials_listing_runs_with_one_import_changed(backend: str) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    preamble = PREAMBLE.format(path=str(SHARED / "data" / "mnist.npz"), train=TRAINED, test=TESTED)
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", preamble + LISTING.read_text()],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    baseline, trained, deployed = (
        float(re.search(rf"^{line} test accuracy: ([0-9.]+)$", done.stdout, re.MULTILINE)[1])
        for line in ("Baseline", "Quant", "Quant TFLite")
    )
    # An image whose two best logits lie within a step may fall either way.
    assert abs(deployed - trained) <= 2 / TESTED
    # Chance of a worse result by sampling alone: three standard deviations of a share near 0.93 on 1,000 images.
    assert trained >= baseline - 3 * (0.93 * 0.07 / TESTED) ** 0.5
