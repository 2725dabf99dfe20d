"""Projects around a model in C: whole, the same bytes each time, and built as far as their tools are here."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmsis_nn_library import CHECKOUT
from generated import NEEDS_COMPILER, quantized
from octavo.config import QuantizeConfig
from octavo.errors import ConfigError, OutputError
from octavo.export import TARGETS, Exported, export
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions
from octavo.ops.softmax import SoftmaxOptions
from octavo.ops.table import OPS
from octavo.plan.make import make_plan
from octavo.quantization.assign import assign
from octavo.write.project.tflm import resolver_methods
from octavo.write.tflite import write_tflite

ARDUINO_H = """\
#include <cstdio>
#include <cstdlib>
inline unsigned long millis() { return 0; }
inline unsigned long micros() { return 0; }
inline void delay(int) { std::exit(0); }
struct Port {
  explicit operator bool() const { return true; }
  void begin(int) {}
  void print(const char *text) { std::fputs(text, stdout); }
  void print(int value) { std::printf("%d", value); }
  void println(unsigned long value) { std::printf("%lu\\n", value); }
} Serial;
#include "sketch.ino"
int main() { setup(); for (;;) loop(); }
"""


def floats() -> Graph:
    rng = np.random.default_rng(5)
    b = GraphBuilder("net")
    y = b.emit("CONV_2D", [b.input("x", (1, 6, 6, 3)), b.constant(rng.normal(size=(4, 3, 3, 3)), "w"), None],
               Conv2DOptions())  # fmt: skip
    return b.finish((b.emit("SOFTMAX", [y], SoftmaxOptions(beta=1.0)), b.emit("ABS", [y], suffix="abs")))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph = quantized(floats(), [{"x": np.random.default_rng(1).normal(size=(1, 6, 6, 3)).astype(np.float32)}])
    path = tmp_path_factory.mktemp("model") / "two heads.tflite"
    path.write_bytes(write_tflite(graph))
    return path


def texts(written: Exported, folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in written.paths}


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("to", TARGETS)
def test_a_project_is_the_same_bytes_each_time_and_written_over_an_earlier_one(
    to: str, model: Path, tmp_path: Path
) -> None:
    if to == "tflm":
        pytest.importorskip("tflite_micro")
    first = texts(export(model, tmp_path, to), tmp_path)
    assert texts(export(model, tmp_path, to), tmp_path) == first
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"got: +letter\.txt(.*\n)+.*force=True"):
        export(model, tmp_path, to)


@NEEDS_COMPILER
@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_the_arduino_library_has_its_parts_and_its_sketch_runs(model: Path, tmp_path: Path) -> None:
    (path,) = export(model, tmp_path, "arduino").paths
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as library:
        library.extractall(tmp_path)
    root = tmp_path / "two_heads"
    properties = dict(line.split("=", 1) for line in (root / "library.properties").read_text().splitlines())
    assert properties["name"] == "two_heads"
    assert properties["includes"] == "two_heads.h"
    assert {
        "version",
        "author",
        "maintainer",
        "sentence",
        "paragraph",
        "category",
        "url",
        "architectures",
    } <= properties.keys()
    shutil.copy(root / "examples" / "two_heads_self_test" / "two_heads_self_test.ino", tmp_path / "sketch.ino")
    (tmp_path / "board.cc").write_text(ARDUINO_H)
    run("gcc", "-std=c99", "-Wall", "-Werror", "-c", root / "src" / "two_heads.c", "-o", "model.o", cwd=tmp_path)
    run("g++", "-Wall", "-Werror", f"-I{root / 'src'}", "-I.", "board.cc", "model.o", "-o", "board", cwd=tmp_path)
    assert run(tmp_path / "board", cwd=tmp_path).startswith("exact, 0 values differ")


@NEEDS_COMPILER
def test_the_self_test_of_a_cmake_project_passes(model: Path, tmp_path: Path) -> None:
    export(model, tmp_path, "cmake")
    if shutil.which("cmake"):
        run("cmake", "-S", ".", "-B", "build", cwd=tmp_path)
        run("cmake", "--build", "build", cwd=tmp_path)
        run("ctest", "--test-dir", "build", cwd=tmp_path)
    else:
        run("gcc", "-std=c99", "-Wall", "-Werror", "self_test.c", "two_heads.c", "-o", "program", cwd=tmp_path)
        assert run(tmp_path / "program", cwd=tmp_path) == "two_heads: 0 values differ from the reference\n"


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake")
@NEEDS_COMPILER
def test_a_cmake_project_takes_cmsis_nn_where_it_was_asked_for(model: Path, tmp_path: Path) -> None:
    assert b"CMSIS_NN" not in texts(export(model, tmp_path, "cmake"), tmp_path)["CMakeLists.txt"]
    export(model, tmp_path, "cmake", cmsis_nn=True)
    nowhere = ["cmake", "-S", tmp_path, "-B", tmp_path / "other", f"-DCMSIS_NN={tmp_path / 'nowhere'}"]
    refused = subprocess.run(nowhere, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "there is no Include/arm_nnfunctions.h" in refused.stderr
    if CHECKOUT:
        run("cmake", "-S", ".", "-B", "build", f"-DCMSIS_NN={CHECKOUT}", cwd=tmp_path)
        run("cmake", "--build", "build", cwd=tmp_path)
        run("ctest", "--test-dir", "build", cwd=tmp_path)


@pytest.mark.parametrize("more", [{"ram": "32KB"}, {"stream": True}], ids=["ram", "stream"])
def test_cmsis_nn_is_not_asked_for_rows(more: dict[str, Any], model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not rows of them(.*\n)+.*fix: +leave cmsis_nn out"):
        export(model, tmp_path, cmsis_nn=True, **more)


@NEEDS_COMPILER
def test_the_program_of_an_esp_idf_component_runs(model: Path, tmp_path: Path) -> None:
    export(model, tmp_path, "esp-idf")
    (tmp_path / "esp_timer.h").write_text(
        "#include <stdint.h>\nstatic int64_t esp_timer_get_time(void) { return 0; }\n"
    )
    (tmp_path / "start.c").write_text("void app_main(void);\nint main(void) { app_main(); return 0; }\n")
    root = tmp_path / "two_heads"
    sources = (tmp_path / "start.c", root / "two_heads.c", root / "examples" / "self_test" / "main" / "main.c")
    run("gcc", "-Wall", "-Werror", "-I.", f"-I{root / 'include'}", *sources, "-o", "program", cwd=tmp_path)
    assert run(tmp_path / "program", cwd=tmp_path).startswith("two_heads: 0 values differ from the reference")
    assert 'SRCS "two_heads.c"' in (root / "CMakeLists.txt").read_text()


def test_tflm_sources_hold_the_file_its_operators_and_the_arena(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro")
    written = export(model, tmp_path, "tflm")
    head, data = ((tmp_path / f"two_heads_model.{end}").read_text() for end in ("h", "cc"))
    assert re.findall(r"resolver\.(\w+)\(", head) == ["AddConv2D", "AddSoftmax", "AddAbs"]
    assert "MicroMutableOpResolver<3>" in head
    values = re.findall(r"\b\d+\b", data.split("{", 1)[1])
    assert bytes(map(int, values)) == model.read_bytes()
    (arena,) = re.findall(r"arena_bytes = (\d+)", head)
    assert 0 <= int(arena) - written.arena_bytes < 16


def test_every_target_takes_int16_activations(tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro")
    plan = make_plan(floats(), QuantizeConfig(scheme="int16x8"))
    graph = assign(floats(), plan, {name: (-1.0, 1.0) for name in plan.observed})
    (tmp_path / "wide.tflite").write_bytes(write_tflite(graph))
    main = next(
        p for p in export(tmp_path / "wide.tflite", tmp_path / "tflm", "tflm").paths if p.name == "wide_main.cc"
    )
    assert "static const int16_t golden_in_0[108]" in main.read_text()
    written = export(tmp_path / "wide.tflite", tmp_path / "c", "cmake")
    program = next(path for path in written.paths if path.name == "self_test.c").read_text()
    assert "static int16_t made_0[" in program


def test_names_in_micros_resolver_are_camel_case_but_for_some() -> None:
    b = GraphBuilder("names")
    graph = b.finish((b.emit("RELU6", [b.input("x", (1, 2))]),))
    assert resolver_methods(graph) == ["AddRelu6"]
    assert {name for name, spec in OPS.items() if spec.micro_name} == {
        "BATCH_MATMUL",
        "PADV2",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
    }


def test_an_unknown_target_is_told_with_the_closest(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected: c, arduino, cmake, esp-idf, tflm\n.*did you mean 'arduino'"):
        export(model, tmp_path, "ardiuno")
    assert json.dumps([str(path) for path in tmp_path.iterdir()]) == "[]"
