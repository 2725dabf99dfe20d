"""`octavo export`: files that compile, and bad input told in four parts."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from command_line import Run, runner
from generated import NEEDS_COMPILER, quantized
from octavo.board import emulator
from octavo.config import LayerConfig
from octavo.dtypes import DType
from octavo.errors import ConfigError, MissingDependencyError, ModelFileError, OutputError, UnsupportedLayerError
from octavo.export import export
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph, NoOptions
from octavo.ops.build import GraphBuilder
from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.elementwise_kernels import MulOptions
from octavo.ops.softmax import SoftmaxOptions
from octavo.write.tflite import write_tflite


def dense(scheme: str = "int8", outputs: int = 3, last: str = "SOFTMAX", layers: Sequence[LayerConfig] = ()) -> Graph:
    """A dense layer and what comes behind it, quantized."""
    rng = np.random.default_rng(3)
    b = GraphBuilder("dense")
    x = b.input("x", (1, 4))
    weights, bias = rng.normal(size=(outputs, 4)).astype(np.float32), np.zeros(outputs, np.float32)
    y = b.emit("FULLY_CONNECTED", [x, b.constant(weights, "w"), b.constant(bias, "b")], FullyConnectedOptions())
    y = b.emit(last, [y], SoftmaxOptions() if last == "SOFTMAX" else NoOptions(), suffix="y")
    graph = b.finish((y,))
    return quantized(graph, [{"x": rng.normal(size=(1, 4)).astype(np.float32)}], scheme, layers)


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
        export(model, tmp_path)
    assert [path.name for path in export(model, tmp_path, force=True).paths] == ["my_model.h", "my_model.c"]


def test_a_folder_that_cannot_be_made_is_told(model: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"fix: +name another folder"):
        export(model, model / "below_a_file")


@pytest.mark.parametrize("name", ["9lives", "a b", "", "int", "stdint", "x" * 64, "é"])
def test_a_name_that_c_cannot_have_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"fix: +use name='\w+'"):
        export(model, tmp_path / "c", name=name)
    assert not (tmp_path / "c").exists()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"not a model")
    with pytest.raises(ModelFileError, match="fix: "):
        export(tmp_path / "x.tflite", tmp_path / "c")
    with pytest.raises(ModelFileError, match=r"fix: +name a .tflite file"):
        export(tmp_path, tmp_path / "c")
    with pytest.raises(ModelFileError, match=r"fix: +did you mean"):
        export(tmp_path / "y.tflite", tmp_path / "c")


@pytest.mark.parametrize("scheme", ["dynamic", "float16"])
def test_a_model_with_other_inputs_than_integers_is_refused(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "x.tflite").write_bytes(write_tflite(dense(scheme)))
    with pytest.raises(ModelFileError, match=r"fix: +quantize the float model with scheme='int8'"):
        export(tmp_path / "x.tflite", tmp_path / "c")


def test_an_operator_without_a_kernel_is_named(tmp_path: Path) -> None:
    b = GraphBuilder("top")
    operands = [b.input("x", (1, 6)), b.constant(np.array(2, np.int32), "k")]
    graph = quantized(b.finish(b.emit_many("TOPK_V2", operands, outputs=2)), [{"x": np.zeros((1, 6), np.float32)}])
    (tmp_path / "x.tflite").write_bytes(write_tflite(graph))
    with pytest.raises(UnsupportedLayerError, match=r"TOPK_V2 in layer(.*\n)+.*fix: +replace the layer"):
        export(tmp_path / "x.tflite", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def refused(graph: Graph, folder: Path) -> UnsupportedLayerError:
    """The error that the model's export ends with."""
    (folder / "x.tflite").write_bytes(write_tflite(graph))
    with pytest.raises(UnsupportedLayerError) as caught:
        export(folder / "x.tflite", folder / "c")
    assert not (folder / "c").exists()
    return caught.value


def test_an_operator_on_another_type_inside_an_int8_model_is_named(tmp_path: Path) -> None:
    graph = dense()
    wide = replace(graph.tensors[graph.nodes[0].outputs[0]], dtype=DType.INT16)
    error = refused(with_tensors(graph, [wide]), tmp_path)
    assert "FULLY_CONNECTED in layer 'fully_connected' works on int16" in str(error)
    assert error.fix.startswith("quantize the float model with scheme='int8'")


def test_weights_whose_zero_point_is_not_0_are_named(tmp_path: Path) -> None:
    graph = dense()
    weights = graph.tensors[str(graph.nodes[0].inputs[1])]
    shifted = replace(weights.parameters, zero_point=weights.parameters.zero_point + 1)
    error = refused(with_tensors(graph, [replace(weights, quantization=shifted)]), tmp_path)
    assert error.fix.startswith("convert the model again with symmetric weights")


def test_weights_that_are_computed_are_named(tmp_path: Path) -> None:
    b = GraphBuilder("pair")
    operands = [b.input("x", (1, 4)), b.input("weights", (3, 4)), None]
    floats = b.finish((b.emit("FULLY_CONNECTED", operands, FullyConnectedOptions()),))
    rng = np.random.default_rng(3)
    ranges = {name: rng.normal(size=floats.tensors[name].shape).astype(np.float32) for name in floats.inputs}
    error = refused(quantized(floats, [ranges]), tmp_path)
    assert error.got.startswith("weights that are no constant")
    assert error.fix.startswith("convert the model again with symmetric weights")


def test_sums_that_leave_32_bits_are_named(tmp_path: Path) -> None:
    inner = (1 << 31) // (127 * 127) + 1
    b = GraphBuilder("long")
    x = b.input("x", (1, inner))
    y = b.emit("FULLY_CONNECTED", [x, b.constant(np.ones((1, inner), np.float32), "w"), None], FullyConnectedOptions())
    graph = quantized(b.finish((y,)), [{"x": np.linspace(-1, 1, inner, dtype=np.float32)[np.newaxis]}])
    weights, zero_point = graph.tensors["w"], graph.tensors["x"].zero_point
    # Octavo's own scales keep sums small; another converter's need not.
    full = replace(weights, data=np.full(weights.shape, 127, np.int8))
    error = refused(with_tensors(graph, [full]), tmp_path)
    assert error.got == f"sums of up to {inner * 127 * max(128 + zero_point, 127 - zero_point)}"
    assert error.fix.startswith("split the layer's inputs over several layers")


def test_dimensions_that_cannot_be_joined_are_named(tmp_path: Path) -> None:
    b = GraphBuilder("stretched")
    x, y = b.input("x", (1, 2, 1, 2, 1, 2)), b.input("y", (1, 1, 2, 1, 2, 1))
    floats = b.finish((b.emit("MUL", [x, y], MulOptions()),))
    rng = np.random.default_rng(3)
    values = {name: rng.normal(size=floats.tensors[name].shape).astype(np.float32) for name in floats.inputs}
    error = refused(quantized(floats, [values]), tmp_path)
    assert error.got == "5 dimensions that cannot be joined"
    assert error.fix == "reshape its inputs to fewer dimensions"


def test_a_wide_softmax_has_16_bits_and_one_of_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    path.write_bytes(write_tflite(dense(outputs=4096)))
    (header, _) = export(path, tmp_path / "wide").paths
    assert "x_invoke(const int8_t *in, int16_t *out, void *arena)" in header.read_text()
    path.write_bytes(write_tflite(dense(outputs=4096, layers=[LayerConfig(":SOFTMAX", activations="int8")])))
    with pytest.raises(UnsupportedLayerError, match=r"fix: +end the model before the softmax"):
        export(path, tmp_path / "c")


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match=r"fix: +on Debian: apt-get install gcc-arm-none-eabi"):
        emulator.require_tools()
