"""The networks of examples/ run from training to file, and the file answers as the model does."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "networks"
# By how much a figure of the file may lie below the model's: the chance of three standard deviations of so many answers
# that differ in one of a hundred.
LOST = 0.02


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(FOLDER))
    keras.utils.set_random_seed(0)
    yield
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


def assert_proven(made: Any) -> None:
    assert made.islands == ()
    assert made.verification is not None
    assert made.verification.ok


@pytest.mark.parametrize(
    "name",
    [
        "anomaly_detector",
        *(
            pytest.param(name, marks=pytest.mark.exhaustive)
            for name in ("keyword_spotter", "sensor_network", "siamese", "text_classifier", "u_net")
        ),
    ],
)
def test_the_file_is_as_good_as_the_model(name: str, examples: None) -> None:
    made, before, after = importlib.import_module(name).main()
    assert_proven(made)
    assert before > 0.75
    assert after >= before - LOST


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")  # what litert-torch and its packages use of each other is about to go
def test_the_file_of_a_pytorch_network_is_as_good_as_the_network(examples: None) -> None:
    pytest.importorskip("litert_torch", reason="litert-torch, which writes float .tflite files of PyTorch, is missing")
    made, before, after = importlib.import_module("from_pytorch").main()
    assert_proven(made)
    assert before > 0.75
    assert after >= before - LOST


@pytest.mark.exhaustive
def test_boxes_and_classes_of_one_model(examples: None) -> None:
    made, (off, accuracy), (off_now, accuracy_now) = importlib.import_module("detector").main()
    assert_proven(made)
    assert accuracy_now >= accuracy - LOST
    # A step of a box is an eighth of a pixel.
    assert off_now <= off + 0.125


@pytest.mark.exhaustive
@pytest.mark.parametrize(("module", "options"), [("recurrent_digits", {"units": 16}), ("transformer_digits", {})])
def test_digits_read_in_sequence(module: str, options: dict[str, Any], examples: None) -> None:
    rng = np.random.default_rng(0)
    shapes, labels = rng.integers(0, 256, (10, 28, 28)), rng.integers(0, 10, 2400)
    noise = rng.integers(-60, 60, (2400, 28, 28))
    images = np.clip(shapes[labels] // 2 + 60 + noise, 0, 255).astype(np.uint8)
    digits = (images[:2000], labels[:2000]), (images[2000:], labels[2000:])
    found = importlib.import_module(module).main(digits, epochs=4, **options)
    for file in found["files"].values():
        assert_proven(file)
    accuracy = found["accuracy"]
    assert accuracy["float"] > 0.75
    assert min(accuracy["int8"], accuracy["int8 QAT"]) >= accuracy["float"] - LOST
