"""Models row by row: bit for bit the whole model's results, in less memory; an input whose rows are asked for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from command_line import runner
from generated import (
    NAME,
    NEEDS_COMPILER,
    NEEDS_EMULATOR,
    expected,
    quantized,
    random_vectors,
    write,
    written_on_core,
    written_on_host,
)
from octavo.board.host import SANITIZERS, WARNINGS
from octavo.errors import ConfigError
from octavo.export import export
from octavo.ir.types import Graph, NoOptions, Options
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions, DepthwiseConv2DOptions
from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.elementwise_kernels import AddOptions
from octavo.ops.fused import FusedActivation
from octavo.ops.pool import Pool2DOptions
from octavo.ops.shape import ReshapeOptions
from octavo.ops.window import Padding
from octavo.write.tflite import write_tflite

RELU = FusedActivation.RELU


class Layers:
    """A builder of networks with random weights."""

    def __init__(self, *shape: int) -> None:
        self.rng = np.random.default_rng(2)
        self.b = GraphBuilder("network")
        self.x = self.b.input("x", shape)
        self.count = 0

    def add(self, op: str, operands: list[str], options: Options, *weights: tuple[int, ...]) -> str:
        self.count += 1
        drawn = [self.rng.normal(size=shape).astype(np.float32) for shape in weights]
        names = [self.b.constant(array, f"w{self.count}_{i}") for i, array in enumerate(drawn)]
        return self.b.emit(op, [*operands, *names], options, suffix=f"y{self.count}")

    def conv(self, x: str, shape: tuple[int, int, int, int], options: Conv2DOptions) -> str:
        return self.add("CONV_2D", [x], options, shape, shape[:1])

    def depthwise(self, x: str, shape: tuple[int, int, int, int], options: DepthwiseConv2DOptions) -> str:
        return self.add("DEPTHWISE_CONV_2D", [x], options, shape, shape[3:])

    def finish(self, *outputs: str, scheme: str = "int8") -> Graph:
        graph = self.b.finish(outputs)
        shape = graph.tensors["x"].shape
        return quantized(graph, [{"x": self.rng.normal(size=shape).astype(np.float32)} for _ in range(3)], scheme)


def residual(scheme: str = "int8") -> Graph:
    """Residual blocks over strides, poolings, a table, and a dense layer behind."""
    n = Layers(1, 19, 13, 3)
    first = n.conv(n.x, (8, 3, 3, 3), Conv2DOptions(fused_activation_function=RELU))
    deep = n.depthwise(first, (1, 3, 3, 8), DepthwiseConv2DOptions())
    deep = n.conv(deep, (8, 1, 1, 8), Conv2DOptions())
    total = n.add("ADD", [first, deep], AddOptions(fused_activation_function=RELU))
    down = n.conv(total, (12, 3, 3, 8), Conv2DOptions(Padding.SAME, 2, 2))
    short = n.conv(total, (12, 1, 1, 8), Conv2DOptions(Padding.SAME, 2, 2))
    total = n.add("LOGISTIC", [n.add("ADD", [short, down], AddOptions())], NoOptions())
    pooled = n.add("MAX_POOL_2D", [total], Pool2DOptions(Padding.VALID, 1, 2, 2, 3))
    pooled = n.add("AVERAGE_POOL_2D", [pooled], Pool2DOptions(Padding.SAME, 1, 1, 3, 2))
    flat = n.b.emit("RESHAPE", [pooled, n.b.constant(np.array((1, -1), np.int32), "shape")], ReshapeOptions())
    return n.finish(n.add("FULLY_CONNECTED", [flat], FullyConnectedOptions(), (4, 4 * 6 * 12), (4,)), scheme=scheme)


def outputs_inside() -> Graph:
    """Two images of a chain are outputs; a window is higher than its stride, one lower, one dilated."""
    n = Layers(1, 47, 12, 4)
    first = n.depthwise(n.x, (1, 5, 3, 4), DepthwiseConv2DOptions(Padding.SAME, 1, 2))
    second = n.conv(first, (4, 2, 2, 4), Conv2DOptions(Padding.VALID, 1, 1, 1, 2))
    second = n.conv(second, (9, 1, 1, 4), Conv2DOptions())
    return n.finish(first, n.conv(second, (6, 1, 1, 9), Conv2DOptions(Padding.SAME, 1, 3)))


NETWORKS = {
    "residual": residual,
    "four bits": lambda: residual("int8x4"),
    "sixteen bits": lambda: residual("int16x8"),
    "outputs inside": outputs_inside,
}


def least_ram(graph: Graph, folder: Path, stream: bool) -> int:
    """What the writer says that the model needs when it is given a byte."""
    with pytest.raises(ConfigError, match=r"fix: +allow \d+ bytes") as caught:
        write(graph, folder, ram_bytes=1, stream=stream)
    found = re.search(r"\d+", caught.value.expected)
    assert found is not None
    return int(found[0])


@pytest.fixture(scope="module", params=NETWORKS)
def graph(request: pytest.FixtureRequest) -> Graph:
    return NETWORKS[request.param]()


def checked(graph: Graph, folder: Path, stream: bool) -> None:
    """Write the model as small as it gets; it must be smaller than as a whole."""
    whole, least = write(graph, folder), least_ram(graph, folder, stream)
    outside = sum(graph.tensors[name].bytes for name in (*(() if stream else graph.inputs), *graph.outputs))
    small = write(graph, folder, ram_bytes=least, stream=stream)
    assert small.order is not None
    assert small.arena_bytes + outside == least
    assert least < whole.arena_bytes + sum(graph.tensors[n].size for n in (*graph.inputs, *graph.outputs))


@NEEDS_COMPILER
@pytest.mark.parametrize("stream", [False, True], ids=["in memory", "streamed"])
def test_row_by_row_equals_the_reference(graph: Graph, stream: bool, tmp_path: Path) -> None:
    vectors = random_vectors(graph, 10)
    checked(graph, tmp_path, stream)
    np.testing.assert_array_equal(written_on_host(graph, vectors, tmp_path), expected(graph, vectors))


@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=NEEDS_EMULATOR)])
def test_row_by_row_on_a_core_equals_the_reference(graph: Graph, core: str, tmp_path: Path) -> None:
    vectors = random_vectors(graph, 10)
    checked(graph, tmp_path, True)
    np.testing.assert_array_equal(written_on_core(graph, vectors, tmp_path, core).outputs, expected(graph, vectors))


@NEEDS_COMPILER
@pytest.mark.parametrize("compiler", ["gcc -std=c99", "g++ -std=c++11 -x c++"])
def test_compilers_have_nothing_to_say_of_rows(compiler: str, tmp_path: Path) -> None:
    write(residual(), tmp_path, stream=True)
    files = [str(tmp_path / f"{NAME}.c"), "-o", str(tmp_path / "x.o")]
    done = subprocess.run(
        [*compiler.split(), *WARNINGS, "-O2", "-c", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


READER = """\
#include <stdio.h>
#include "network.h"
static int8_t rows[NETWORK_INPUT_BYTES];
static int32_t asked, refused;
static int give(void *context, int32_t row, int8_t *to) {
  int32_t i;
  if (context != (void *)&asked || row != asked || row == refused) return 7;
  asked++;
  for (i = 0; i < NETWORK_INPUT_ROW_BYTES; i++) to[i] = rows[row * NETWORK_INPUT_ROW_BYTES + i];
  return 0;
}
int main(void) {
  static int32_t arena[NETWORK_ARENA_BYTES / 4];
  int8_t whole[NETWORK_OUTPUT_BYTES], streamed[NETWORK_OUTPUT_BYTES];
  int32_t i;
  for (i = 0; i < NETWORK_INPUT_BYTES; i++) rows[i] = (int8_t)(i * 37 % 251 - 120);
  refused = 5;
  if (network_invoke_rows(give, &asked, streamed, arena) != -2 || asked != 5) return 1;
  asked = 0, refused = -1;
  if (network_invoke_rows(give, &asked, streamed, arena) != 0) return 2;
  if (asked != NETWORK_INPUT_BYTES / NETWORK_INPUT_ROW_BYTES) return 3;
  if (network_invoke(rows, whole, arena) != 0) return 4;
  for (i = 0; i < NETWORK_OUTPUT_BYTES; i++) if (whole[i] != streamed[i]) return 5;
  return network_self_test(whole, arena);
}
"""


@NEEDS_COMPILER
def test_rows_of_the_input_are_asked_for_once_and_in_order(tmp_path: Path) -> None:
    write(residual(), tmp_path, stream=True)
    (tmp_path / "main.c").write_text(READER)
    sources = [str(tmp_path / "main.c"), str(tmp_path / f"{NAME}.c"), "-o", str(tmp_path / "program")]
    subprocess.run(["gcc", "-std=c99", *SANITIZERS, f"-I{tmp_path}", *sources], check=True)
    assert subprocess.run([tmp_path / "program"], check=False).returncode == 0


def test_a_budget_that_the_whole_fits_changes_nothing(tmp_path: Path) -> None:
    graph = residual()
    assert write(graph, tmp_path, ram_bytes=1 << 20) == write(graph, tmp_path)


def test_an_input_that_is_no_image_cannot_be_streamed(tmp_path: Path) -> None:
    n = Layers(1, 8)
    graph = n.finish(n.add("FULLY_CONNECTED", [n.x], FullyConnectedOptions(), (4, 8), (4,)))
    with pytest.raises(ConfigError, match=r"fix: +leave the input in memory, without stream"):
        write(graph, tmp_path, stream=True)


def test_the_command_takes_a_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "small.tflite"
    path.write_bytes(write_tflite(residual()))
    run = runner(capsys)
    done = run("export", path, "-o", tmp_path / "c", "--ram", "4KB", "--stream", "--json")
    assert done.code == 0
    assert done.json["row_by_row"][0] == 0
    assert done.json["arena_bytes"] <= 4096
    failed = run("export", path, "-o", tmp_path / "c", "--ram", "100")
    assert failed.code == 2
    assert "or stream the input" in failed.err
    failed = run("export", path, "-o", tmp_path / "d", "--optimize", "everything")
    assert failed.code == 2
    assert "use one of these names" in failed.err


def test_micro_plans_its_own_memory(tmp_path: Path) -> None:
    path = tmp_path / "small.tflite"
    path.write_bytes(write_tflite(residual()))
    with pytest.raises(ConfigError, match=r"fix: +leave them out, or export C"):
        export(path, tmp_path / "c", "tflm", ram="4KB")
