"""Whole models in C: what compilers say of them, several inputs and outputs, and where they first differ."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from generated import (
    NAME,
    NEEDS_COMPILER,
    NEEDS_EMULATOR,
    expected,
    first_difference,
    on_host,
    quantized,
    random_vectors,
    sizes,
    write,
    written_on_host,
)
from octavo.board.emulator import Image
from octavo.board.host import WARNINGS
from octavo.errors import VerificationError
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions, DepthwiseConv2DOptions
from octavo.ops.elementwise_kernels import AddOptions
from octavo.ops.shape import ReshapeOptions


def network() -> Graph:
    """Two inputs, a residual, a shared result, two outputs, one of which is read on."""
    rng = np.random.default_rng(3)

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    b = GraphBuilder("network")
    x, other = b.input("x", (1, 7, 6, 3)), b.input("other", (1, 7, 6, 8))
    conv = b.emit("CONV_2D", [x, b.constant(weights(8, 3, 3, 3), "w0"), b.constant(weights(8), "b0")], Conv2DOptions())
    both = b.emit("ADD", [conv, other], AddOptions(), suffix="both")
    kernel = b.constant(weights(1, 3, 3, 8), "w1")
    operands = [both, kernel, b.constant(weights(8), "b1")]
    deep = b.emit("DEPTHWISE_CONV_2D", operands, DepthwiseConv2DOptions(), suffix="deep")
    total = b.emit("ADD", [deep, both], AddOptions(), suffix="total")
    shape = b.constant(np.array((-1, 336), np.int32), "shape")
    flat = b.emit("RESHAPE", [total, shape], ReshapeOptions(), suffix="flat")
    return b.finish((deep, flat))


@pytest.fixture(scope="module")
def graph() -> Graph:
    floats = network()
    rng = np.random.default_rng(4)
    inputs = [
        {name: rng.normal(size=floats.tensors[name].shape).astype(np.float32) for name in floats.inputs}
        for _ in range(3)
    ]
    return quantized(floats, inputs)


@NEEDS_COMPILER
def test_several_inputs_and_outputs_and_memory_taken_over(graph: Graph, tmp_path: Path) -> None:
    vectors = random_vectors(graph, 30)
    np.testing.assert_array_equal(on_host(graph, vectors, tmp_path), expected(graph, vectors))


@NEEDS_COMPILER
@pytest.mark.parametrize(("compiler", "standard"), [("gcc", "c99"), ("gcc", "c11"), ("g++", "c++11"), ("clang", "c99")])
def test_compilers_have_nothing_to_say(graph: Graph, compiler: str, standard: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    write(graph, tmp_path)
    language = "c++" if "++" in compiler else "c"
    files = [str(tmp_path / f"{NAME}.c"), "-o", str(tmp_path / "x.o")]
    command = [compiler, f"-std={standard}", "-x", language, *WARNINGS, "-O2", "-c", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_kernels_that_are_called_are_written(graph: Graph, tmp_path: Path) -> None:
    source = write(graph, tmp_path).files[f"{NAME}.c"]
    assert "octavo_depthwise_rows" in source
    assert "octavo_softmax" not in source
    assert "malloc" not in source
    assert not {"float", "double"} & set(source.replace("(", " ").split())


def test_the_same_graph_gives_the_same_files(graph: Graph, tmp_path: Path) -> None:
    assert write(graph, tmp_path) == write(graph, tmp_path)


@NEEDS_COMPILER
def test_the_first_operator_that_differs_is_named(graph: Graph, tmp_path: Path) -> None:
    values = random_vectors(graph, 1)[0]
    assert first_difference(graph, graph, values, tmp_path / "same") == ""
    bias = graph.tensors[str(graph.nodes[2].inputs[2])]
    assert bias.data is not None
    spoiled = with_tensors(graph, [replace(bias, data=bias.data + 4000)])
    told = first_difference(spoiled, graph, values, tmp_path / "spoiled")
    assert told.startswith("2: DEPTHWISE_CONV_2D of layer")


@NEEDS_COMPILER
def test_layer_names_cannot_end_a_comment(graph: Graph, tmp_path: Path) -> None:
    nodes = tuple(replace(node, layer="*/ #error \n\\ */") for node in graph.nodes)
    vectors = random_vectors(graph, 1)
    np.testing.assert_array_equal(on_host(replace(graph, nodes=nodes), vectors, tmp_path), expected(graph, vectors))


@NEEDS_COMPILER
@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("#error spoiled", "refuses the model"),
        ("#include <stdlib.h>\n__attribute__((constructor)) static void leave(void) { exit(3); }", "exit code 3"),
    ],
)
def test_files_that_were_changed_say_what_went_wrong(graph: Graph, tmp_path: Path, added: str, told: str) -> None:
    write(graph, tmp_path)
    spoil(tmp_path, added)
    with pytest.raises(VerificationError, match=rf"(?s){told}.*fix: +export the model again"):
        written_on_host(graph, random_vectors(graph, 1), tmp_path)


@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=NEEDS_EMULATOR)])
def test_what_arms_compiler_refuses_is_told(graph: Graph, tmp_path: Path, core: str) -> None:
    write(graph, tmp_path)
    spoil(tmp_path, "#error spoiled")
    with pytest.raises(VerificationError, match=r"(?s)Arm's compiler refuses.*#error spoiled"):
        Image(tmp_path, NAME, sizes(graph, graph.inputs), sizes(graph, graph.outputs), core)


def spoil(folder: Path, text: str) -> None:
    """Add a line to the model that was written into a folder."""
    with (folder / f"{NAME}.c").open("a") as source:
        source.write(f"{text}\n")
