"""What `octavo fit` says of a model, against what the built program takes and what the emulated core counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import octavo
from command_line import Run, runner, save_small_model
from generated import NEEDS_EMULATOR, packed, quantized, random_vectors, sizes, write
from octavo.board.boards import board_named, board_of
from octavo.board.emulator import Image
from octavo.board.plan_memory import Buffer, plan_memory
from octavo.footprint.generated import WITHIN, generated
from octavo.footprint.measure import footprint
from octavo.footprint.micro import in_micro
from octavo.ir.types import Graph
from octavo.load.tflite import read_tflite
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions, DepthwiseConv2DOptions
from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.elementwise_kernels import AddOptions
from octavo.ops.pool import Pool2DOptions
from octavo.ops.softmax import SoftmaxOptions
from octavo.ops.window import Padding
from octavo.report.arena import arena_lines, arena_picture
from octavo.write.tflite import write_tflite
from single_op import INTEGER_CASES, float_graph, integer_graph, samples

POOL = Pool2DOptions(filter_width=4, filter_height=4, stride_w=4, stride_h=4)
BOARDS = {"cortex-m4": "nano33ble", "cortex-m3": "bluepill"}


def network(side: int, channels: int, blocks: int, seed: int, scheme: str = "int8") -> Graph:
    """A small image classifier of separable convolutions with a shortcut."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> str:
        return b.constant(rng.normal(size=shape).astype(np.float32), f"w{len(shape)}_{rng.integers(1 << 30)}")

    b = GraphBuilder("net")
    y = b.emit("CONV_2D", [b.input("x", (1, side, side, 3)), normal(channels, 3, 3, 3), normal(channels)],
               Conv2DOptions(Padding.SAME, 2, 2), suffix="stem")  # fmt: skip
    for i in range(blocks):
        b.layer = f"block{i}"
        z = b.emit("DEPTHWISE_CONV_2D", [y, normal(1, 3, 3, channels), normal(channels)],
                   DepthwiseConv2DOptions(Padding.SAME, depth_multiplier=1), suffix="d")  # fmt: skip
        z = b.emit("CONV_2D", [z, normal(channels, 1, 1, channels), normal(channels)], Conv2DOptions(), suffix="p")
        y = b.emit("ADD", [y, z], AddOptions(), suffix="s") if i == 0 else z
    b.layer = "head"
    y = b.emit("AVERAGE_POOL_2D", [y], POOL, suffix="a")
    inner = int(np.prod(b.shape(y)))
    y = b.emit("FULLY_CONNECTED", [y, normal(10, inner), normal(10)], FullyConnectedOptions(), suffix="f")
    floats = b.finish((b.emit("SOFTMAX", [y], SoftmaxOptions(beta=1.0), suffix="o"),))
    return quantized(floats, [{"x": rng.normal(size=(1, side, side, 3)).astype(np.float32)}], scheme)


NETWORKS = {
    "16 x 16": (16, 8, 1, 0),
    "24 x 24": (24, 24, 3, 1),
    "32 x 32": (32, 32, 2, 2),
    "16 bits": (16, 12, 1, 3, "int16x8"),
}


@pytest.fixture(scope="module")
def graphs() -> dict[str, Graph]:
    return {name: network(*shape) for name, shape in NETWORKS.items()}


@pytest.fixture
def octavo_command(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys)


@pytest.mark.parametrize("core", [pytest.param(core, marks=NEEDS_EMULATOR) for core in BOARDS])
@pytest.mark.parametrize("name", NETWORKS)
def test_flash_is_within_two_percent_of_the_built_program(
    name: str, core: str, graphs: dict[str, Graph], tmp_path: Path
) -> None:
    graph = graphs[name]
    write(graph, tmp_path)
    image = Image(tmp_path, "network", sizes(graph, graph.inputs), sizes(graph, graph.outputs), core)
    way = generated(graph, board_named(BOARDS[core])).way
    # Code is small beside the weights of real networks; these have little of them.
    assert way.flash_bytes == pytest.approx(image.size().flash, rel=0.02)
    assert way.ram["arena"] + way.ram["input and output"] == pytest.approx(image.size().ram, abs=64)


@pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS_EMULATOR) for name in NETWORKS])
def test_instructions_are_as_near_to_the_emulators_as_is_said(
    name: str, graphs: dict[str, Graph], tmp_path: Path
) -> None:
    graph = graphs[name]
    write(graph, tmp_path)
    image = Image(tmp_path, "network", sizes(graph, graph.inputs), sizes(graph, graph.outputs))
    vectors = random_vectors(graph, 1)
    ran = image.run(np.frombuffer(packed(graph, vectors), np.int8).reshape(1, -1))
    estimate = sum(generated(graph, board_named("nano33ble")).way.instructions)
    within = WITHIN[graph.tensors[graph.inputs[0]].dtype.bits]
    assert estimate == pytest.approx(ran.instructions[0], rel=float(within.rstrip("%")) / 100)


@pytest.mark.parametrize("core", [pytest.param(core, marks=NEEDS_EMULATOR) for core in BOARDS])
def test_flash_and_instructions_of_what_is_built_are_those_of_the_program(
    core: str, graphs: dict[str, Graph], tmp_path: Path
) -> None:
    graph = graphs["16 x 16"]
    write(graph, tmp_path)
    image = Image(tmp_path, "network", sizes(graph, graph.inputs), sizes(graph, graph.outputs), core)
    ran = image.run(np.frombuffer(packed(graph, random_vectors(graph, 1)), np.int8).reshape(1, -1))
    way = generated(graph, board_named(BOARDS[core]), build=True).way
    assert way.flash_bytes == image.size().flash
    assert sum(way.instructions) == pytest.approx(ran.instructions[0], rel=0.01)
    assert f"as it is built for a {core}" in way.notes[0]


def test_what_was_not_measured_is_called_a_guess(graphs: dict[str, Graph]) -> None:
    spec, example, config = INTEGER_CASES["UNIDIRECTIONAL_SEQUENCE_LSTM-0-int8"]
    floats = float_graph(spec, example)
    recurrent = integer_graph(floats, samples(floats, example), config)
    (note,) = generated(recurrent, board_named("nano33ble")).way.notes
    assert "the sizes of octavo_lstm" in note
    (note,) = generated(graphs["16 x 16"], board_named("nano33ble")).way.notes
    assert "guess" not in note


def test_a_plan_is_drawn_as_text_and_as_a_picture() -> None:
    plan = plan_memory([Buffer("a", 64, 0, 1), Buffer("b", 32, 1, 2), Buffer("c", 64, 2, 3)])
    lines = arena_lines(plan, rows=3)
    drawn = [line.split("|")[1] for line in lines[:3]]
    assert sorted({*"".join(drawn)} - {" "}) == ["A", "B", "C"]
    assert all(len(row) == 4 for row in drawn)
    assert any("64 bytes, operators 0 to 1, a" in line for line in lines)
    pytest.importorskip("matplotlib")
    assert arena_picture(plan, "arena").startswith(b"\x89PNG")


def test_what_does_not_fit_is_told_with_ways_out_that_have_figures(graphs: dict[str, Graph]) -> None:
    graph = graphs["32 x 32"]
    found = footprint(write_tflite(graph), graph, board_of(None, "1MB", "10KB"))
    assert not found.fits
    text = " ".join(mend.what for mend in found.mends)
    assert "Images of" in text
    assert f"'{found.peak.layer}'" in text if found.peak else False
    assert any("--board" in mend.what and mend.fits for mend in found.mends)
    assert [mend.fits for mend in found.mends] == sorted((mend.fits for mend in found.mends), reverse=True)
    by_rows = next(mend for mend in found.mends if "row by row" in mend.what)
    assert by_rows.fits == ("octavo export --ram" in by_rows.what)
    less_flash = footprint(write_tflite(graph), graph, board_of(None, "8KB", "1MB"))
    assert "of the weights" in " ".join(mend.what for mend in less_flash.mends)


def test_the_size_of_images_that_is_advised_does_fit() -> None:
    board = board_of(None, None, "12KB")
    found = footprint(b"", network(32, 32, 2, 2), board)
    advice = next(mend.what for mend in found.mends if mend.what.startswith("Images of"))
    side = int(advice.split()[2]) // 4 * 4
    assert generated(network(side, 32, 2, 2), board).way.fits(board)


def test_ways_that_cannot_be_gone_say_why(tmp_path: Path) -> None:
    b = GraphBuilder("float")
    graph = b.finish((b.emit("RELU", [b.input("x", (1, 4))]),))
    way = generated(graph, board_named("pico")).way
    assert not way.fits(board_named("pico"))
    assert "float32" in way.obstacle


def test_the_arena_of_micro_is_counted_for_32_bits(graphs: dict[str, Graph]) -> None:
    pytest.importorskip("tflite_micro")
    from octavo.run.micro import Micro

    graph = graphs["24 x 24"]
    content = write_tflite(graph)
    here = Micro(content).measure_arena()
    there = in_micro(content, graph, board_named("nano33ble")).ram["arena"]
    assert 0 < here - there < 2048


def test_a_file_on_the_command_line(octavo_command: Run, graphs: dict[str, Graph], tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(write_tflite(graphs["16 x 16"]))
    ran = octavo_command("fit", tmp_path / "net.tflite", "--board", "Nano 33 BLE", "--picture", tmp_path / "a.png")
    assert ran.code == 0
    assert "fits Arduino Nano 33 BLE Sense" in ran.out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    refused = octavo_command("fit", tmp_path / "net.tflite", "--ram", "2KB", "--json")
    assert refused.code == 1
    assert refused.json["rows"][0]["mends"]
    assert refused.json["rows"][0]["multiply_accumulates"] > 0
    assert json.loads(octavo_command("fit", "--boards", "--json").out)[0]["name"] == "nano33ble"
    assert "portenta-h7" in octavo_command("fit", "--boards").out


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        ((), "name a model"),
        (("x.tflite",), "name a file"),
        (("x.tflite", "--board", "nano3ble"), "did you mean 'nano33ble'?"),
        (("x.tflite", "--ram", "little"), "write it like 256KB"),
    ],
)
def test_bad_input_exits_2_with_a_fix(octavo_command: Run, arguments: tuple[str, ...], fix: str) -> None:
    ran = octavo_command("fit", *arguments, "--json")
    assert ran.code == 2
    assert "Traceback" not in ran.err
    if fix != "name a file":
        assert fix in ran.json["error"]["fix"]


def test_every_scheme_of_a_float_model_is_a_row(tmp_path: Path) -> None:
    path = save_small_model(tmp_path)
    from octavo.backend import start_keras

    start_keras()
    found = octavo.fit(str(path), ram="64KB", schemes=["float32", "dynamic", "int8", "int16x8", "int8x4"])
    assert [row.name for row in found.rows] == ["float32", "dynamic", "int8", "int16x8", "int8x4"]
    int8 = found.rows[2]
    assert int8.fits
    assert [bool(way.obstacle) for way in int8.ways] == [False, False]
    assert "float32" in found.rows[1].ways[0].obstacle
    assert "| int8 | generated C |" in str(found)
    trained = octavo.quantize(str(path), "int8", np.load(tmp_path / "samples.npz")["x"], verify="off")
    assert octavo.fit(trained, ram="64KB").rows[0].ways[0].ram == int8.ways[0].ram
    assert octavo.fit(trained.model).rows[0].name == read_tflite(trained.model).name


def test_the_best_row_for_a_board_is_one_whose_whole_program_fits(tmp_path: Path) -> None:
    path = save_small_model(tmp_path)
    from octavo.backend import start_keras

    start_keras()
    data = np.load(tmp_path / "samples.npz")["x"]
    table = octavo.compare(str(path), data, str(tmp_path / "test.npz"), schemes=["int8"], time_it=False)
    best = table.best(board="nano33ble")
    assert best.row is table.rows[0]
    assert best.reason.startswith("int8 fits Arduino Nano 33 BLE Sense as generated C (flash ")
    none = table.best(board="nano33ble", ram=512)
    assert none.row is None
    assert none.reason.startswith("Nothing fits Arduino Nano 33 BLE Sense: the closest, generated C, takes ")
    with pytest.raises(octavo.OctavoError, match="did you mean 'nano33ble'"):
        table.best(board="nano33bel")
