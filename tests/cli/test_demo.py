"""`octavo demo`: the tour, its folder, its picture."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from command_line import Run
from octavo.cli.exit_codes import BAD_INPUT
from octavo.comparison.comparison import Comparison
from octavo.comparison.rows import Failure
from octavo.config import SCHEMES
from octavo.demo.data import digits, mnist_file
from octavo.demo.folder import MARKER, check_replaceable, whole_folder
from octavo.demo.networks import tutorial_network
from octavo.demo.tour import TRAINED_SCHEMES, map_last_layer
from octavo.dtypes import DType
from octavo.errors import DatasetError, MissingDependencyError, OutputError, VerificationError
from octavo.evaluate.predict import predict
from octavo.ir.types import Quantization
from octavo.numerics.affine import asymmetric
from octavo.report.mapping import in_words, map_layer
from octavo.report.plots import mapping_picture

FURTHER = [f"{scheme} trained on" for scheme in ("float32", *TRAINED_SCHEMES)]
ROWS = [*SCHEMES, *FURTHER, *(f"{scheme} QAT" for scheme in TRAINED_SCHEMES)]


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """The folder and the JSON of a short demo."""
    out = tmp_path_factory.mktemp("demo") / "octavo-demo"
    command = [sys.executable, "-m", "octavo", "demo", "--epochs", "2", "--out", str(out), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return out, json.loads(ended.stdout)


def test_the_demo_measures_every_scheme_and_every_training_on_held_out_digits(toured: tuple[Path, dict]) -> None:
    _, result = toured
    assert [row["name"] for row in result["rows"]] == ROWS
    assert all(row["evaluation"]["samples"] == result["data"]["test"] == 450 for row in result["rows"])
    # Ten classes, and two passes over the data suffice to be right far more often than by chance.
    assert all(row["evaluation"]["outputs"][0]["top1"] > 0.5 for row in result["rows"])
    assert result["recommended"] in ROWS


def test_the_demo_leaves_every_model_and_a_page_that_shows_them(toured: tuple[Path, dict]) -> None:
    out, result = toured
    assert {path.name for path in out.iterdir()} == {
        *(f"digits_{row.lower().replace(' ', '_')}.tflite" for row in ROWS),
        *("digits.keras", "samples.npz", "test.npz", "mapping.png", "overview.md", "report.html", "report.json", "c"),
    }
    page = (out / "overview.md").read_text()
    assert "(mapping.png)" in page
    assert result["mapping"]["words"] in page
    assert result["reason"] in page
    assert all(f"\n| {row} |" in page for row in ROWS)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_the_values_said_to_merge_are_the_layers_own_and_do(toured: tuple[Path, dict]) -> None:
    out, result = toured
    mapping = result["mapping"]
    values = predict((out / "digits_float32.tflite").read_bytes(), np.load(out / "samples.npz")["x"])[mapping["layer"]]
    assert all(np.isclose(values, value, rtol=1e-6, atol=0).any() for value in mapping["merged"])
    steps = [round(value / mapping["scale"]) + mapping["zero_point"] for value in mapping["merged"]]
    assert steps == [mapping["merged_integer"]] * 2
    assert mapping["merged"][0] < mapping["merged"][1]


def test_mnist_comes_from_a_file_in_keras_layout(tmp_path: Path) -> None:
    pixels, labels = np.full((3, 28, 28), 255, np.uint8), np.arange(3)
    np.savez(tmp_path / "mnist.npz", x_train=pixels, y_train=labels, x_test=pixels[:1], y_test=labels[:1])
    data = mnist_file(tmp_path / "mnist.npz")
    assert (data.x_train == 1.0).all()
    assert data.x_test.shape == (1, 28, 28)


def test_mnist_of_another_shape_is_refused(tmp_path: Path) -> None:
    pixels = np.zeros((3, 32, 32), np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=pixels, y_train=np.arange(3), x_test=pixels, y_test=np.arange(3))
    with pytest.raises(DatasetError, match=r"fix: +pass the mnist.npz that Keras downloads"):
        mnist_file(tmp_path / "mnist.npz")


def test_the_digits_need_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match=r'fix: +pip install "octavo\[demo\]", or bring MNIST along'):
        digits()


def test_mnist_that_cannot_be_downloaded_is_told_and_writes_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*address: object, **options: object) -> socket.socket:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    (tmp_path / "keras").mkdir()
    (tmp_path / "out").mkdir()
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path / "keras"))
    monkeypatch.setattr(socket, "create_connection", unreachable)
    failed = run("demo", "--dataset", "mnist", "--out", tmp_path / "out" / "demo")
    assert failed.code == BAD_INPUT
    assert "copy mnist.npz here and use --data mnist.npz" in failed.err
    assert list((tmp_path / "out").iterdir()) == []


def test_the_mnist_network_is_the_tutorials() -> None:
    # Conv2D 12 x (3*3 + 1), then 13*13*12 values into 10 logits.
    assert tutorial_network().count_params() == 12 * 10 + (13 * 13 * 12 + 1) * 10


def test_the_mapping_names_the_widest_merge_in_words_and_draws_it() -> None:
    # Scale 10 / 255: -5.0 and -4.99 fall on the lowest integer, which counts not; 1.0 and 1.015 share one.
    parameters = asymmetric(-5.0, 5.0, DType.INT8)
    mapping = map_layer("dense", np.array([-5.0, -4.99, 1.0, 1.015, 2.0, 5.0]), parameters, DType.INT8)
    assert mapping.merged == pytest.approx((1.0, 1.015))
    assert "1.000 and 1.015 both become" in in_words(mapping)
    assert mapping_picture(mapping).startswith(b"\x89PNG")


def test_values_that_merge_are_printed_no_further_apart_than_a_step() -> None:
    # A step of 0.1142; in two decimals these are -8.51 and -8.39, which are 0.12 apart.
    parameters = Quantization(np.array([0.1142]), np.array([0]))
    mapping = map_layer("dense", np.array([-8.506, -8.394, 5.0]), parameters, DType.INT8)
    assert mapping.merged == pytest.approx((-8.506, -8.394))
    assert "-8.506 and -8.394 both become" in in_words(mapping)


def test_without_a_proven_int8_file_the_demo_ends_with_its_error() -> None:
    error = VerificationError("int8 is wrong.", got="1", expected="2", fix="report it")
    with pytest.raises(VerificationError, match="int8 is wrong"):
        map_last_layer(Comparison((), (Failure("int8", error),)), digits())


def test_the_picture_needs_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = asymmetric(-5.0, 5.0, DType.INT8)
    mapping = map_layer("dense", np.array([-5.0, 1.0, 1.015, 5.0]), parameters, DType.INT8)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r'fix: +pip install "octavo\[demo\]"'):
        mapping_picture(mapping)


def test_a_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    place = tmp_path / "demo"

    def interrupted() -> None:
        with whole_folder(place) as folder:
            (folder / MARKER).write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with whole_folder(place) as folder:
        (folder / MARKER).write_text("whole")
    assert (place / MARKER).read_text() == "whole"


def test_an_earlier_demo_is_replaced_as_a_whole(tmp_path: Path) -> None:
    place = tmp_path / "demo"
    for name in ("first", "second"):
        check_replaceable(place)
        with whole_folder(place) as folder:
            (folder / MARKER).write_text(name)
            (folder / name).touch()
    assert {path.name for path in place.iterdir()} == {MARKER, "second"}
    assert list(tmp_path.iterdir()) == [place]


def test_a_folder_with_other_things_in_it_is_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    failed = run("demo", "--out", tmp_path)
    assert failed.code == 2
    assert "choose another folder: --out my-demo" in failed.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_made_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"fix: +choose another place: --out FOLDER"):
        check_replaceable(tmp_path / "absent" / "demo")
