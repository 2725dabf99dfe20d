"""`octavo verify`: equal everywhere, and where something is not, the layer and the place are named."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from command_line import Run, runner
from generated import NEEDS_COMPILER, NEEDS_EMULATOR, quantized
from octavo.errors import ConfigError, ModelFileError
from octavo.export import export
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions
from octavo.prove import places
from octavo.prove.places import HOST, first_difference, with_all_shown
from octavo.prove.prove import prove
from octavo.run import reference
from octavo.write.tflite import write_tflite

pytest.importorskip("tflite_micro")
RNG = np.random.default_rng(5)


def network() -> Graph:
    b = GraphBuilder("net")
    weights = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
    b.layer = "stem"
    y = b.emit(
        "CONV_2D",
        [b.input("x", (1, 6, 6, 3)), b.constant(weights, "w"), b.constant(np.zeros(4, np.float32), "b")],
        Conv2DOptions(),
    )
    b.layer = "act"
    floats = b.finish((b.emit("ABS", [b.emit("LOGISTIC", [y], suffix="l")], suffix="a"),))
    return quantized(floats, [{"x": RNG.normal(size=(1, 6, 6, 3)).astype(np.float32)}])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(write_tflite(network()))
    return path


@pytest.fixture
def octavo(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys)


@NEEDS_COMPILER
def test_a_file_is_equal_in_all_runtimes_and_layer_by_layer_in_c(octavo: Run, model: Path) -> None:
    ran = octavo("verify", model, "--cores", "none", "--json")
    assert ran.code == 0
    (place,) = ran.json["places"]
    assert (place["name"], place["layers"], place["vectors"]) == (HOST, 3, 3)
    assert [check["exact"] for check in ran.json["runtimes"]["runtimes"]][:2] == [True, True]


@pytest.mark.parametrize("core", [pytest.param(core, marks=NEEDS_EMULATOR) for core in ("cortex-m0", "cortex-m55")])
def test_emulated_cores_compute_the_same(core: str, model: Path) -> None:
    proof = prove(model, [core])
    assert proof.ok
    assert proof.places[1].summary() == f"C on an emulated {core}: equal to the reference in the outputs, 3 inputs."


@NEEDS_COMPILER
def test_the_layer_that_differs_first_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(graph: Graph, *rest: object) -> object:
        """The C of weights of which one is another."""
        tensor = next(t for t in graph.tensors.values() if t.is_constant and len(t.shape) == 4)
        data = tensor.values.copy()
        data.flat[0] ^= 64
        return right(replace(graph, tensors={**graph.tensors, tensor.name: replace(tensor, data=data)}), *rest)

    right = places.write_c
    monkeypatch.setattr(places, "write_c", wrong)
    (place,) = prove(model, ()).places
    assert place.differs.startswith("0: CONV_2D of layer 'stem' first: ")


def test_of_several_layers_that_differ_the_first_is_told() -> None:
    graph = with_all_shown(network())
    truths = [reference.run(graph, {"x": np.zeros((1, 6, 6, 3), np.int8)}, keep=graph.outputs)]
    made = np.concatenate([truths[0][name].ravel() for name in graph.outputs])[np.newaxis].copy()
    assert first_difference(graph, made, truths) == ""
    made[0, -1] ^= 1
    last = "2: ABS of layer 'act' first: 1 of 144 values, by up to 1"
    assert first_difference(graph, made, truths) == last
    made[0, 0] ^= 8
    assert first_difference(graph, made, truths).startswith(
        "0: CONV_2D of layer 'stem' first: 1 of 144 values, by up to 8"
    )


@NEEDS_COMPILER
@pytest.mark.parametrize("to", ["c", "cmake", "esp-idf"])
def test_an_exported_folder_is_run_as_it_stands(octavo: Run, to: str, model: Path, tmp_path: Path) -> None:
    export(model, tmp_path, to)
    assert octavo("verify", tmp_path, "--cores", "none").code == 0
    (source,) = tmp_path.rglob("model.c")
    text = source.read_text()
    start = text.index("golden_out_0[144]")
    source.write_text(text[:start] + text[start:].replace("{\n  ", "{\n  1 ^ ", 1))
    ran = octavo("verify", tmp_path, "--cores", "none")
    assert ran.code == 1
    assert "WRONG: the self-test" in ran.out


@pytest.mark.parametrize("core", [pytest.param("cortex-m4", marks=NEEDS_EMULATOR)])
def test_a_self_test_that_fails_on_a_core_says_how_many_values(core: str, model: Path, tmp_path: Path) -> None:
    export(model, tmp_path)
    source = tmp_path / "model.c"
    text = source.read_text()
    start = text.index("golden_out_0[144]")
    source.write_text(text[:start] + text[start:].replace("{\n  ", "{\n  1 ^ ", 1))
    (_, place) = prove(tmp_path, [core]).places
    assert place.differs == "1 values of the self-test"


@NEEDS_COMPILER
def test_a_folder_with_its_file_beside_it_runs_on_other_vectors_too(model: Path, tmp_path: Path) -> None:
    (tmp_path / "renamed.tflite").write_bytes(model.read_bytes())
    (tmp_path / "other.tflite").write_bytes(b"not this one")
    export(model, tmp_path / "c")
    (place,) = prove(tmp_path / "c", [], vectors=4).places
    assert (place.differs, place.vectors) == ("", 5)
    source = tmp_path / "c" / "model.c"
    text = source.read_text()
    carried = re.search(r"golden_in_0\[\d+\][^{]*{\s*(-?\d+)", text)
    assert carried is not None
    # Wrong on every input but those that begin as the self-test's does.
    wrong = f"  out[0] = (int8_t)(out[0] ^ (in[0] != {carried[1]}));\n  return 0;\n}}"
    source.write_text(text.replace("  return 0;\n}", wrong, 1))
    (place,) = prove(tmp_path / "c", [], vectors=4).places
    assert "first: " in place.differs
    (tmp_path / "renamed.tflite").unlink()
    (place,) = prove(tmp_path / "c", [], vectors=4).places
    assert (place.differs, place.vectors) == ("", 1)


def test_what_is_not_installed_is_named_and_left_out(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    proof = prove(model, ["cortex-m4"])
    assert proof.ok
    assert [bool(place.reason) for place in proof.places] == [True, True]
    assert "apt-get install gcc-arm-none-eabi" in proof.places[1].summary()
    assert "apt-get install gcc libc6-dev" in proof.places[0].summary()


@pytest.mark.parametrize("core", [pytest.param("cortex-m0", marks=NEEDS_EMULATOR)])
def test_a_board_without_the_room_is_told(core: str, tmp_path: Path) -> None:
    b = GraphBuilder("wide")
    graph = quantized(
        b.finish((b.emit("ABS", [b.input("x", (1, 20_000))]),)), [{"x": np.ones((1, 20_000), np.float32)}]
    )
    (tmp_path / "wide.tflite").write_bytes(write_tflite(graph))
    (_, place) = prove(tmp_path / "wide.tflite", [core], vectors=1).places
    assert "the emulated board (microbit) has 262144 and 16384" in place.reason


def test_bad_input_is_told_in_four_parts(octavo: Run, model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown core 'cortex-m5'"):
        prove(model, ["cortex-m5"])
    with pytest.raises(ModelFileError, match=r"fix: +name a \.tflite file, or a folder"):
        prove(tmp_path)
    (tmp_path / "x.tflite").write_bytes(b"not a model")
    ran = octavo("verify", tmp_path / "x.tflite")
    assert ran.code == 2
    assert "Traceback" not in ran.err
