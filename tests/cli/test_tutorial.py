"""`octavo tutorial`: its table, its folder, and going on after an interrupt."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import octavo.tutorial.run
from command_line import Run
from octavo.cli.exit_codes import BAD_INPUT, DONE, INTERRUPTED
from octavo.errors import DatasetError, OutputError
from octavo.tutorial.images import read_images
from octavo.tutorial.kept import Kept
from octavo.tutorial.networks import NETWORKS
from octavo.tutorial.run import ROWS

SHORT = ("--networks", "resnet8", "--epochs", "1", "--further", "1")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark and bright images of 16x16, 64 to train on and 32 to test with."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 64), ("test", 32)):
        labels = np.arange(count) % 2
        noise = rng.integers(0, 100, (count, 16, 16, 3))
        arrays |= {f"x_{part}": (noise + 155 * labels.reshape(-1, 1, 1, 1)).astype(np.uint8), f"y_{part}": labels}
    path = tmp_path_factory.mktemp("images") / "images.npz"
    np.savez(path, **arrays)
    return path


def small_network(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Steps of a run are the same for every network, and this one trains in a moment."""
    layers = keras.layers
    convolution = layers.Conv2D(4, 3, strides=2, activation="relu")
    stages = [layers.Rescaling(1 / 127.5, offset=-1), convolution, layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input(shape, name="image"), *stages, layers.Dense(classes, name="logits")])


def test_an_interrupted_run_goes_on_from_the_trained_network_and_then_from_the_result(
    run: Run, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(octavo.tutorial.run, "NETWORKS", {"resnet8": small_network})
    trained: list[str] = []
    fit, compare = octavo.tutorial.run.fit, octavo.tutorial.run.compare

    def seen(*given: object, stage: str, **options: object) -> None:
        trained.append(stage)
        fit(*given, stage=stage, **options)  # type: ignore[arg-type]

    def interrupted(*given: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(octavo.tutorial.run, "fit", seen)
    monkeypatch.setattr(octavo.tutorial.run, "compare", interrupted)
    assert run("tutorial", "--data", images, "-o", out, *SHORT).code == INTERRUPTED
    assert trained == ["resnet8: train"]
    assert {path.name for path in out.iterdir()} == {"run.json", "resnet8.keras"}

    monkeypatch.setattr(octavo.tutorial.run, "compare", compare)
    ended = run("tutorial", "--data", images, "-o", out, *SHORT, "--json")
    assert ended.code == DONE
    assert trained[1:] == ["resnet8: train float alike", "resnet8: train for int8"]
    result = ended.json["networks"]["resnet8"]
    assert [row["name"] for row in result["rows"]] == list(ROWS)
    assert all(row["evaluation"]["samples"] == 32 for row in result["rows"])
    assert all((out / f"resnet8_{row.lower().replace(' ', '_')}.tflite").stat().st_size for row in ROWS)

    shown = run("tutorial", "--data", images, "-o", out, *SHORT)
    assert len(trained) == 3
    assert result["reason"].split(":")[0] in " ".join(shown.out.split())
    assert str(out) in shown.out.replace("\n", "")

    other = run("tutorial", "--data", images, "-o", out, *SHORT, "--seed", "1")
    assert other.code == BAD_INPUT
    assert "images, seed of another run" in " ".join(other.err.split())
    assert json.loads((out / "resnet8.json").read_text()) == result


def test_a_folder_of_something_else_is_left_alone(run: Run, images: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    refused = run("tutorial", "--data", images, "-o", tmp_path, *SHORT, "--force")
    assert refused.code == BAD_INPUT
    assert "choose another folder: --out my-tutorial" in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_unknown_network_and_a_file_of_other_arrays_are_told(run: Run, small: Path, tmp_path: Path) -> None:
    assert "resnet8" in run("tutorial", "--networks", "resnet9", "-o", tmp_path / "out").err
    told = run("tutorial", "--data", small.parent / "test.npz", "-o", tmp_path / "out")
    assert told.code == BAD_INPUT
    assert "no array x_train, y_train, x_test, y_test, but x, y" in " ".join(told.err.split())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_and_images_that_cannot_be_had_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutputError, match=r"(?s)could not be written.*fix: +choose another place"):
        Kept(tmp_path / "none" / "out", {}).open(force=False)
    monkeypatch.setattr("keras.src.datasets.cifar10.get_file", lambda *_, **__: str(tmp_path / "absent"))
    with pytest.raises(DatasetError, match=r"(?s)CIFAR-10 could not be.*absent.*fix: +bring images along"):
        read_images(None, 32, None, 0)


@pytest.mark.parametrize("split", [True, False])
def test_a_folder_of_images_by_class_is_read_in_its_classes(tmp_path: Path, split: bool) -> None:
    image_module = pytest.importorskip("PIL.Image")
    for part in ("train", "val") if split else (".",):
        for number, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(5):
                size = (10 + index, 12)
                image_module.new("RGB", size, (200 * number,) * 3).save(tmp_path / part / name / f"{index}.png")
    data = read_images(tmp_path, 16, None, 0)
    assert (len(data.x_train), len(data.x_test)) == ((10, 10) if split else (8, 2))
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert x.shape[1:] == (16, 16, 3)
        assert (x == 200 * y.reshape(-1, 1, 1, 1)).all()
    assert len(read_images(tmp_path, 16, 3, 0).x_train) == 3


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_gives_a_logit_a_class_for_any_size(name: str) -> None:
    assert NETWORKS[name]((24, 40, 1), 7).output_shape == (None, 7)
