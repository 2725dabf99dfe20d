"""What cannot be used is told in one error of four parts, by Python and on the command line, and writes nothing."""

from __future__ import annotations

import errno
import pickle
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from spoiled_inputs import CASES, Case, good_data, good_model

import octavo
from command_line import Run, runner
from octavo.cli.exit_codes import BAD_INPUT
from octavo.errors import NonFiniteError, OctavoError, OutputError

cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
PARTS = ("got:", "expected:", "fix:")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `octavo` in this process, on a terminal so wide that no message is wrapped."""
    monkeypatch.setenv("COLUMNS", "1000")
    return runner(capsys)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model file and samples that can be used."""
    folder = tmp_path_factory.mktemp("good")
    return good_model(folder), good_data(folder)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where to write; its folder is empty."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "model.tflite"


def arguments(case: Case, good: tuple[Path, Path], folder: Path) -> tuple[Path, Path | None]:
    """Model and data of a case."""
    folder = folder / "spoiled"
    folder.mkdir()
    model = good[0] if case.model is None else case.model(folder)
    data = good[1] if case.data is None else case.data(folder)
    return model, None if case.no_data else data


@cases
def test_python_raises_one_error_of_four_parts(case: Case, good: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = arguments(case, good, tmp_path)
    with pytest.raises(case.error, match=rf"fix: .*({case.fix})") as error:
        octavo.quantize(model, data=data, **dict(case.options))
    parts = error.value.what, error.value.got, error.value.expected, error.value.fix
    assert all(part and part == part.strip() for part in parts)
    assert "\n" not in error.value.what


@cases
def test_the_command_line_prints_it_exits_with_2_and_writes_nothing(
    case: Case, good: tuple[Path, Path], tmp_path: Path, out: Path, run: Run
) -> None:
    model, data = arguments(case, good, tmp_path)
    options = [part for name, value in case.options for part in (f"--{name.replace('_', '-')}", value)]
    failed = run("quantize", model, "--out", out, *(() if data is None else ("--data", data)), *options)
    assert failed.code == BAD_INPUT
    assert failed.out == ""
    assert [failed.err.count(part) for part in PARTS] == [1, 1, 1]
    assert "Traceback" not in failed.err
    assert list(out.parent.iterdir()) == []


def test_a_weight_that_is_nan_is_named_with_its_layer_and_place(good: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = arguments(CASES["a weight that is NaN"], good, tmp_path)
    with pytest.raises(NonFiniteError) as error:
        octavo.quantize(model, data=data)
    assert error.value.what == "constant 'depthwise/depthwise_kernel' of layer 'depthwise' holds NaN or infinity."
    assert error.value.got == "nan at index (0, 1, 2, 3), 1 such values of 72"


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic"])
def test_a_weight_that_is_nan_is_refused_though_nothing_becomes_an_integer(tmp_path: Path, scheme: str) -> None:
    make = CASES["a weight that is NaN"].model
    assert make is not None
    with pytest.raises(NonFiniteError, match="layer 'depthwise'"):
        octavo.quantize(make(tmp_path), scheme)


def test_an_old_file_stays_where_the_new_one_cannot_be_made(good: tuple[Path, Path], out: Path, run: Run) -> None:
    out.write_bytes(b"old")
    assert run("quantize", good[0], "--out", out).code == BAD_INPUT
    assert out.read_bytes() == b"old"
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("place", ["absent/model.tflite", "file/model.tflite", "."])
def test_a_place_that_takes_no_file_is_told(good: tuple[Path, Path], out: Path, run: Run, place: str) -> None:
    (out.parent / "file").write_bytes(b"")
    failed = run("quantize", good[0], "--data", good[1], "--out", out.parent / place)
    assert failed.code == BAD_INPUT
    assert [failed.err.count(part) for part in PARTS] == [1, 1, 1]
    assert [path.name for path in out.parent.iterdir()] == ["file"]


def test_a_folder_closed_to_us_is_told(good: tuple[Path, Path], closed_folder: Path, run: Run) -> None:
    failed = run("quantize", good[0], "--data", good[1], "--out", closed_folder / "model.tflite")
    assert failed.code == BAD_INPUT
    assert "choose another folder, or change the permissions" in failed.err
    assert not (closed_folder / "model.tflite").exists()


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """The system refuses to let a file grow beyond this size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_python_leaves_no_part_of_a_file_on_a_full_disk(good: tuple[Path, Path], out: Path) -> None:
    result = octavo.quantize(good[0], "dynamic", verify="off")
    with files_of_at_most(1024), pytest.raises(OutputError, match=r"fix: +free some space") as error:
        result.save(out)
    assert isinstance(error.value.__cause__, OSError)
    assert error.value.__cause__.errno == errno.EFBIG
    assert list(out.parent.iterdir()) == []


def test_the_command_line_leaves_no_part_of_a_file_on_a_full_disk(good: tuple[Path, Path], out: Path) -> None:
    octavo_command = f"'{sys.executable}' -m octavo quantize '{good[0]}' --scheme dynamic --verify off --out '{out}'"
    # In blocks of 1024 bytes.
    ended = subprocess.run(
        ["bash", "-c", f"export PYTHONDONTWRITEBYTECODE=1; ulimit -f 1; exec {octavo_command}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == BAD_INPUT, ended.stderr
    assert "free some space" in ended.stderr
    assert list(out.parent.iterdir()) == []


def test_every_error_survives_being_sent_to_another_process(good: tuple[Path, Path]) -> None:
    with pytest.raises(OctavoError) as error:
        octavo.quantize(good[0], data=np.zeros((0, 8, 8, 3), np.float32))
    again = pickle.loads(pickle.dumps(error.value))
    assert (type(again), str(again)) == (type(error.value), str(error.value))
