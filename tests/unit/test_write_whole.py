from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from octavo.errors import OutputError
from octavo.files import write_whole


def test_a_file_appears_with_its_content_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "model.tflite", b"abc")
    assert path.read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["model.tflite"]


def test_content_and_name_are_on_the_disk_before_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, int]] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor: int) -> None:
        done.append(("sync", os.fstat(descriptor).st_ino))
        real_sync(descriptor)

    def rename(source: Path, target: Path) -> None:
        done.append(("rename", source.stat().st_ino))
        real_replace(source, target)

    monkeypatch.setattr("os.fsync", sync)
    monkeypatch.setattr("os.replace", rename)
    path = write_whole(tmp_path / "model.tflite", b"abc")
    file, folder = path.stat().st_ino, tmp_path.stat().st_ino
    assert done == [("sync", file), ("rename", file), ("sync", folder)]


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old and longer")
    write_whole(str(path), b"new")
    assert path.read_bytes() == b"new"


def test_a_new_file_has_the_permissions_any_new_file_has(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_whole(tmp_path / "whole", b"")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_symbolic_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"fix: +name a file in it, such as '.*model\.tflite'"):
        write_whole(tmp_path, b"abc")


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(OutputError, match=r"fix: +name a file on a disk"):
        write_whole(os.devnull, b"abc")
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_folder_that_does_not_exist_is_named(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=rf"fix: +create it: mkdir -p '.*{folder}'"):
        write_whole(tmp_path / folder / "model.tflite", b"abc")


def test_a_folder_closed_to_us_is_reported(closed_folder: Path) -> None:
    with pytest.raises(OutputError, match=r"fix: +choose another folder, or change the permissions"):
        write_whole(closed_folder / "model.tflite", b"abc")


def test_without_room_the_old_file_stays_and_no_part_of_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")
    limit, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OutputError, match=r"room for 2000 bytes\n +fix: +free some space"):
            write_whole(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.tflite"]


def test_another_refusal_of_the_system_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(
        OutputError, match=r"(?s)File name too long.*fix: +choose a shorter name, or a folder on another"
    ):
        write_whole(tmp_path / ("x" * 300), b"abc")
