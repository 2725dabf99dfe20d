"""`octavo export`: files that compile, and bad input told in four parts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from command_line import Run, runner
from generated import NEEDS_COMPILER, quantized
from octavo.board import emulator
from octavo.errors import ConfigError, MissingDependencyError, ModelFileError, OutputError, UnsupportedLayerError
from octavo.export import export_c
from octavo.ir.types import Graph, NoOptions
from octavo.ops.build import GraphBuilder
from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.softmax import SoftmaxOptions
from octavo.write.tflite import write_tflite


def dense(scheme: str = "int8", outputs: int = 3, last: str = "SOFTMAX") -> Graph:
    """A dense layer and what comes behind it, quantized."""
    rng = np.random.default_rng(3)
    b = GraphBuilder("dense")
    x = b.input("x", (1, 4))
    weights, bias = rng.normal(size=(outputs, 4)).astype(np.float32), np.zeros(outputs, np.float32)
    y = b.emit("FULLY_CONNECTED", [x, b.constant(weights, "w"), b.constant(bias, "b")], FullyConnectedOptions())
    y = b.emit(last, [y], SoftmaxOptions() if last == "SOFTMAX" else NoOptions(), suffix="y")
    graph = b.finish((y,))
    return quantized(graph, [{"x": rng.normal(size=(1, 4)).astype(np.float32)}], scheme)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")
    return runner(capsys)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "my-model.tflite"
    path.write_bytes(write_tflite(dense()))
    return path


@NEEDS_COMPILER
def test_the_command_writes_a_model_whose_self_test_passes(run: Run, model: Path, tmp_path: Path) -> None:
    done = run("export", model, "--to", "c", "-o", tmp_path / "c", "--name", "scores", "--json")
    assert done.code == 0
    assert done.json["arena_bytes"] == done.json["arena_lower_bound_bytes"]
    main = tmp_path / "main.c"
    main.write_text(
        '#include "scores.h"\nstatic int32_t arena[SCORES_ARENA_BYTES / 4];\n'
        "int main(void) {\n  int8_t out[SCORES_OUTPUT_BYTES];\n"
        "  const int8_t zero = scores_quantize(0.0f, SCORES_INPUT_SCALE, SCORES_INPUT_ZERO_POINT);\n"
        "  const float real = scores_dequantize(zero, SCORES_INPUT_SCALE, SCORES_INPUT_ZERO_POINT);\n"
        "  if (zero != SCORES_INPUT_ZERO_POINT || real != 0.0f) return 2;\n"
        "  if (scores_invoke(out, out, 0) != -1) return 3;\n"
        "  return scores_self_test(out, arena);\n}\n"
    )
    program = tmp_path / "program"
    sources = [str(main), str(tmp_path / "c" / "scores.c")]
    subprocess.run(["gcc", "-std=c99", f"-I{tmp_path / 'c'}", *sources, "-o", str(program)], check=True)
    assert subprocess.run([program], check=False).returncode == 0


def test_the_terminal_says_what_to_do_with_it(run: Run, model: Path, tmp_path: Path) -> None:
    done = run("export", model, "-o", tmp_path / "c")
    assert done.code == 0
    assert "my_model.h" in done.out
    assert "my_model_self_test(out, arena)" in done.out


def test_a_second_export_replaces_the_first(run: Run, model: Path, tmp_path: Path) -> None:
    assert run("export", model, "-o", tmp_path / "c").code == 0
    assert run("export", model, "-o", tmp_path / "c").code == 0


def test_an_unknown_target_is_refused(run: Run, model: Path, tmp_path: Path) -> None:
    failed = run("export", model, "-o", tmp_path / "c", "--to", "rust")
    assert failed.code == 2
    assert "use one of these names" in failed.err


def test_a_folder_with_other_files_is_refused_unless_forced(model: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"fix: +name another folder, or write into this one with force=True"):
        export_c(model, tmp_path)
    assert [path.name for path in export_c(model, tmp_path, force=True).paths] == ["my_model.h", "my_model.c"]


def test_a_folder_that_cannot_be_made_is_told(model: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"fix: +name another folder"):
        export_c(model, model / "below_a_file")


@pytest.mark.parametrize("name", ["9lives", "a b", "", "int", "stdint", "x" * 64, "é"])
def test_a_name_that_c_cannot_have_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"fix: +use name='\w+'"):
        export_c(model, tmp_path / "c", name)
    assert not (tmp_path / "c").exists()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"not a model")
    with pytest.raises(ModelFileError, match="fix: "):
        export_c(tmp_path / "x.tflite", tmp_path / "c")
    with pytest.raises(ModelFileError, match=r"fix: +name a .tflite file"):
        export_c(tmp_path, tmp_path / "c")
    with pytest.raises(ModelFileError, match=r"fix: +did you mean"):
        export_c(tmp_path / "y.tflite", tmp_path / "c")


@pytest.mark.parametrize("scheme", ["dynamic", "float16", "int16x8"])
def test_a_model_with_other_inputs_than_int8_is_refused(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "x.tflite").write_bytes(write_tflite(dense(scheme)))
    with pytest.raises(ModelFileError, match=r"fix: +quantize the float model with scheme='int8'"):
        export_c(tmp_path / "x.tflite", tmp_path / "c")


def test_an_operator_without_a_kernel_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(write_tflite(dense(last="LOG_SOFTMAX")))
    with pytest.raises(UnsupportedLayerError, match=r"LOG_SOFTMAX in layer(.*\n)+.*fix: +replace the layer"):
        export_c(tmp_path / "x.tflite", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_softmax_too_wide_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(write_tflite(dense(outputs=4096)))
    with pytest.raises(UnsupportedLayerError, match=r"fix: +end the model before the softmax"):
        export_c(tmp_path / "x.tflite", tmp_path / "c")


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match=r"fix: +on Debian: apt-get install gcc-arm-none-eabi"):
        emulator.require_tools()
