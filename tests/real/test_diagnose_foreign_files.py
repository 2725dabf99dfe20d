"""Diagnosis of files that TensorFlow's converter and LiteRT Quantizer made of public models, beside their originals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shared_files import NEEDS_SHARED, cifar, keywords, model_path

import octavo
from octavo.diagnosis.found import LOSSY

pytestmark = NEEDS_SHARED

ROOT = Path(__file__).parents[2]
CALIBRATION, JUDGED = 100, slice(300, 500)
NETWORKS = {"resnet8": cifar, "kws": keywords}
# What each tool is given, as its own process would: the model, the samples, and where the file goes.
MAKERS = {
    "converter": """
import sys, keras, numpy
from bench.peers import converter
model = keras.models.load_model(sys.argv[1], compile=False)
open(sys.argv[3], "wb").write(converter(model, "int8", numpy.load(sys.argv[2])))
""",
    "quantizer": """
import sys, numpy, octavo
from bench.peers import quantizer_int8
model = octavo.quantize(sys.argv[1], "float32", verify="off").model
open(sys.argv[3], "wb").write(quantizer_int8(model, numpy.load(sys.argv[2]), 1))
""",
}
NEEDED = {"converter": ("tensorflow", "tensorflow"), "quantizer": ("litert_quantizer", "jax")}

Make = Callable[[str, str, np.ndarray], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Make:
    folder = tmp_path_factory.mktemp("foreign")

    def make(tool: str, network: str, x: np.ndarray) -> Path:
        package, backend = NEEDED[tool]
        pytest.importorskip(package)
        file = folder / f"{network}_{tool}.tflite"
        np.save(folder / "x.npy", x)
        given = (str(model_path(f"{network}.keras")), str(folder / "x.npy"), str(file))
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT / "src", ROOT)))
        command = [sys.executable, "-c", MAKERS[tool], *given]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return file

    return make


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    "tool", [pytest.param("converter", marks=[pytest.mark.tensorflow, pytest.mark.exhaustive]), "quantizer"]
)
def test_a_file_of_another_tool_is_matched_whole_and_raises_no_alarm(made: Make, tool: str, network: str) -> None:
    x, y = NETWORKS[network]()
    file = made(tool, network, x[:CALIBRATION])
    found = octavo.diagnose(model_path(f"{network}.keras"), x[:CALIBRATION], (x[JUDGED], y[JUDGED]), file=file)
    assert found.unmatched == ()
    assert found.findings == ()
    assert found.healthy
    assert all(each.total_db is not None for each in found.layers if each.weights_db is not None)
    assert found.outcome.loss < LOSSY
