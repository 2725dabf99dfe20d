"""What `octavo` exports, pinned: a change here is a change for users."""

from __future__ import annotations

import subprocess
import sys

import octavo

PUBLIC = [
    "SCHEMES",
    "Comparison",
    "Diagnosis",
    "LayerConfig",
    "OctavoError",
    "QuantizeConfig",
    "QuantizedModel",
    "Statistics",
    "__version__",
    "calibrate",
    "compare",
    "diagnose",
    "fit",
    "lowering",
    "parity",
    "quantize",
    "synthesize",
]


def test_the_public_names_are_these() -> None:
    assert sorted(octavo.__all__) == sorted(PUBLIC)


def test_every_public_name_resolves_and_is_listed() -> None:
    assert set(PUBLIC) <= set(dir(octavo))
    assert all(getattr(octavo, name) is not None for name in PUBLIC)


def test_packages_that_start_keras_are_had_by_their_name_and_listed() -> None:
    program = "import octavo; octavo.qat.quantize_model; octavo.tfmot.quantization; print(*dir(octavo.qat))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.split() == sorted(octavo.qat.__all__)
    assert {"qat", "tfmot"} <= set(dir(octavo))


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(octavo, "quantise")
