"""Data, images and statistics that are damaged or ask for too much are refused in one error."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.calibration.statistics import BINS, Statistics, TensorStatistics
from octavo.data.class_folders import images_by_class
from octavo.data.sources import elements, image_files
from octavo.errors import DatasetError, InputError, OutputError
from octavo.files import write_whole


def header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<i8", "fortran_order": False, "shape": shape})
    return stream.getvalue() + b"\0" * 64


def read(path: Path) -> list[Any]:
    return list(elements(path, ["x"], 3))


@pytest.mark.parametrize("content", [b"", header((1 << 40,)), header((-3,)), b"\x93NUMPY\x01\x00\xff\xff{(", b"x"])
def test_an_array_that_is_not_all_there_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(DatasetError, match=r"fix: +write the file again with numpy\.savez"):
        read(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises(DatasetError, match="pipe"):
        read(tmp_path / "x.npz")


# Images --------------------------------------------------------------------------------------------------------------


def image(folder: Path, mode: str, name: str, **options: Any) -> Path:
    pillow = pytest.importorskip("PIL.Image")
    pillow.new(mode, (4, 3)).save(folder / name, **options)
    return folder


def test_images_of_more_than_8_bits_are_refused(tmp_path: Path) -> None:
    for mode, name in (("I;16", "a.png"), ("F", "b.tiff"), ("I", "c.tiff")):
        folder = tmp_path / name
        folder.mkdir()
        with pytest.raises(DatasetError, match=r"(?s)would lose.*fix: +load such images yourself"):
            read(image(folder, mode, name))


def test_an_image_of_several_frames_is_refused(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    frames = [pillow.new("L", (4, 3), shade) for shade in (0, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DatasetError, match=r"(?s)2 frames.*fix: +save the frames"):
        read(tmp_path)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCTAVO_LIMIT_IMAGE_PIXELS", "11")
    with pytest.raises(DatasetError, match=r"(?s)12 pixels.*OCTAVO_LIMIT_IMAGE_PIXELS"):
        read(image(tmp_path, "RGB", "a.png"))


def test_a_size_that_pillow_warns_of_is_refused_without_a_warning_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("OCTAVO_LIMIT_IMAGE_PIXELS", "11")
    monkeypatch.setattr(pytest.importorskip("PIL.Image"), "MAX_IMAGE_PIXELS", 7)
    with pytest.raises(DatasetError, match="12 pixels"):
        read(image(tmp_path, "RGB", "a.png"))
    assert not recwarn.list


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pillow = pytest.importorskip("PIL.Image")
    image(tmp_path, "RGB", "a.png")
    monkeypatch.setattr(pillow, "MAX_IMAGE_PIXELS", 5)
    with pytest.raises(DatasetError, match=r"fix: +repair or remove 'a.png'"):
        read(tmp_path)


# Statistics ----------------------------------------------------------------------------------------------------------


def stored(path: Path, **changed: Any) -> Path:
    """Statistics of one tensor with parts of their file replaced."""
    histogram = np.zeros(BINS, np.int64)
    histogram[5] = 3
    Statistics({"t": TensorStatistics(-1.0, 2.0, 3, histogram)}, 1, "of a model").save(path)
    with np.load(path) as file:
        parts = {**file, **changed}
    np.savez(path, **parts)
    return path


@pytest.mark.parametrize(
    "changed",
    [
        {"low": np.array([np.nan])},
        {"high": np.array([-2.0])},
        {"count": np.array([4])},
        {"count": np.array([-3])},
        {"histogram_0": np.zeros((BINS, 2), np.int64)},
        {"histogram_0": np.zeros(BINS, np.float32)},
        {"histogram_0": np.full(BINS, -1)},
        {"head": np.array("[" * 100_000)},
        {"head": np.array(json.dumps({"samples": 0, "fingerprint": "", "tensors": ["t"]}))},
        {"head": np.array(json.dumps({"samples": "1", "fingerprint": "", "tensors": [1]}))},
    ],
)
def test_statistics_that_nothing_can_have_are_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"fix: +check the path, or calibrate again"):
        Statistics.load(stored(tmp_path / "s.npz", **changed))


# Places to write to --------------------------------------------------------------------------------------------------


def test_what_a_killed_run_left_a_day_ago_is_removed_and_nothing_else(tmp_path: Path) -> None:
    old, new, other = (tmp_path / f".octavo-{part}.tflite" for part in ("0" * 16, "1" * 16, "mine"))
    for path in (old, new, other):
        path.write_bytes(b"x")
    for path in (old, other):
        os.utime(path, (0, 0))
    write_whole(tmp_path / "model.tflite", b"y")
    assert {path.name for path in tmp_path.iterdir()} == {new.name, other.name, "model.tflite"}


def test_links_in_a_circle_are_no_place(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OutputError, match="fix: "):
        write_whole(tmp_path / "a", b"x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written_is_told_in_one_line(where: str) -> None:
    ended = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m octavo ops {where}"], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 1


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path) -> None:
    """Here as it lies deeper than a path may be long; those of /proc vanish while they are read."""
    opened = [os.open(tmp_path, os.O_RDONLY)]
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=opened[-1])
        opened.append(os.open("d" * 250, os.O_RDONLY, dir_fd=opened[-1]))
    for read in (lambda: image_files(tmp_path), lambda: images_by_class(tmp_path)):
        with pytest.raises(DatasetError, match=r"fix: +copy the images into a folder of their own"):
            read()
    for folder in reversed(opened[:-1]):
        os.rmdir("d" * 250, dir_fd=folder)
    for each in opened:
        os.close(each)


def test_images_by_class_are_of_two_classes_and_one_size(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    for name, sizes in (("cat", (4, 4)), ("dog", (4, 5))):
        with pytest.raises(DatasetError, match=r"(?s)by class.*fix: +move the images into folders"):
            images_by_class(tmp_path)
        (tmp_path / name).mkdir()
        pillow.new("L", sizes).save(tmp_path / name / "0.png")
    with pytest.raises(DatasetError, match=r"(?s)\(4, 4, 1\) and \(5, 4, 1\).*fix: +resize them"):
        images_by_class(tmp_path, channels=1)
    assert images_by_class(tmp_path, channels=1, size=4).x.shape == (2, 4, 4, 1)
