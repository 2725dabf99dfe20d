"""`octavo train`: what it writes, and that training which comes to nothing leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from command_line import Ran, Run
from octavo.cli.exit_codes import BAD_INPUT
from octavo.evaluate.predict import predict

# The test set's 12 samples: 9 to train on, in three steps, and 3 to validate with.
SHORT = ("--epochs", 1, "--batch", 3, "--validation", 0.25)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder to write to."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def train(run: Run, model: Path, out: Path, *options: object, data: Path | None = None) -> Ran:
    """A short training into a folder, over what lies there; later options count."""
    data = data or model.with_name("test.npz")
    files = ("--out", out / "trained.tflite", "--checkpoint", out / "trained.keras")
    return run("train", model, "--data", data, "--force", *SHORT, *files, *options)


def fix_of(failed: Ran) -> str:
    """The fix of the one error that a command ended with."""
    assert failed.code == BAD_INPUT
    assert failed.out == ""
    assert "Traceback" not in failed.err
    assert [failed.err.count(part) for part in ("got:", "expected:", "fix:")] == [1, 1, 1]
    return " ".join(failed.err.partition("fix:")[2].split())


def test_train_writes_a_proven_file_and_a_checkpoint_to_go_on_from(run: Run, small: Path, out: Path) -> None:
    first = train(run, small, out, "--json")
    assert first.code == 0
    assert first.json["verification"]["ok"]
    assert len(first.json["history"]["val_loss"]) == 1
    assert {path.name for path in out.iterdir()} == {"trained.tflite", "trained.keras"}
    (outputs,) = predict((out / "trained.tflite").read_bytes(), np.zeros((2, 6, 6, 2), np.float32)).values()
    assert outputs.shape == (2, 3)
    again = train(run, out / "trained.keras", out, data=small.with_name("test.npz"))
    assert again.code == 0
    assert "Go on from" in again.out


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        (("--loss", "hinge"), "use --loss auto"),
        (("--validation", 0), "give more samples, or a share like --validation 0.1"),
        (("--scheme", "dynamic"), "use scheme='int8'"),
        (("--skip", "con"), "did you mean 'conv'?"),
        (("--data", "absent.npz"), "write it with numpy.savez"),
    ],
)
def test_options_that_cannot_train_are_told_and_leave_no_file(
    run: Run, small: Path, out: Path, options: tuple[object, ...], fix: str
) -> None:
    assert fix in fix_of(train(run, small, out, *options))
    assert list(out.iterdir()) == []


def test_a_training_goes_on_for_what_the_file_was_trained_for_and_names_do_not_double(
    run: Run, small: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out)
    options = ("--data", small.with_name("test.npz"), *SHORT, "--no-baseline")
    assert run("train", small, "--scheme", "int8x4", *options).code == 0
    assert {path.name for path in out.iterdir()} == {"small_int8x4_qat.tflite", "small_int8x4_qat.keras"}
    again = run("train", "small_int8x4_qat.keras", *options)
    assert fix_of(again) == "say --force to replace it, or --out for another place"
    assert run("train", "small_int8x4_qat.keras", *options, "--force").code == 0
    assert len(list(out.iterdir())) == 2
    assert "leave scheme out" in fix_of(run("train", "small_int8x4_qat.keras", *options, "--scheme", "int8"))
    quantized = run("quantize", "small_int8x4_qat.keras", "--force", "--json").json
    assert (quantized["path"], quantized["scheme"]) == ("small_int8x4_qat.tflite", "int8x4")
    assert "a Keras model trained for int8x4 (QuantizationAwareModel)" in run("inspect", "small_int8x4_qat.keras").out


def test_samples_without_labels_are_told_and_leave_no_file(run: Run, small: Path, out: Path) -> None:
    failed = train(run, small, out, data=small.with_name("samples.npz"))
    assert fix_of(failed) == "write it with numpy.savez('train.npz', x=x_train, y=y_train)"
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"PK\x03\x04 and no more"], ids=["absent", "truncated"])
def test_a_model_that_cannot_be_read_is_told_and_leaves_no_file(
    run: Run, small: Path, tmp_path: Path, out: Path, content: bytes | None
) -> None:
    model = tmp_path / "model.keras"
    if content is not None:
        model.write_bytes(content)
    failed = train(run, model, out, data=small.with_name("test.npz"))
    assert ("check the path" if content is None else "save the model again") in fix_of(failed)
    assert list(out.iterdir()) == []


def test_a_loss_that_becomes_nan_is_told_and_leaves_no_file(run: Run, small: Path, out: Path) -> None:
    failed = train(run, small, out, "--learning-rate", 1e30)
    assert fix_of(failed) == "use a smaller learning rate, for example --learning-rate 1e+29"
    assert list(out.iterdir()) == []


def test_a_checkpoint_stays_where_a_later_training_diverges(run: Run, small: Path, out: Path) -> None:
    (out / "trained.keras").write_bytes(b"of an earlier training")
    train(run, small, out, "--learning-rate", 1e30)
    assert (out / "trained.keras").read_bytes() == b"of an earlier training"


def test_weights_that_the_last_step_made_nan_leave_no_file(run: Run, small: Path, out: Path) -> None:
    failed = train(run, small, out, "--learning-rate", "nan", "--batch", 9)
    assert fix_of(failed).startswith("train again with a smaller learning rate")
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(("file", "name"), [("--out", "model.tflite"), ("--checkpoint", "model.keras")])
def test_a_folder_closed_to_us_is_told(
    run: Run, small: Path, out: Path, closed_folder: Path, file: str, name: str
) -> None:
    failed = train(run, small, out, file, closed_folder / name)
    assert fix_of(failed) == "choose another folder, or change the permissions of this one"
    assert not (closed_folder / name).exists()
    assert not (out / "trained.tflite").exists()


def test_a_checkpoint_of_another_ending_is_told_before_training(run: Run, small: Path, out: Path) -> None:
    assert "name it trained.keras" in fix_of(train(run, small, out, "--checkpoint", out / "trained.txt"))
    assert list(out.iterdir()) == []


@pytest.mark.exhaustive  # as where files are quantized
def test_a_full_disk_is_told_and_leaves_no_part_of_a_file(small: Path, out: Path) -> None:
    options = " ".join(map(str, SHORT))
    octavo_command = (
        f"'{sys.executable}' -m octavo train '{small}' --data '{small.with_name('test.npz')}' {options}"
        f" --out '{out}/trained.tflite' --checkpoint '{out}/trained.keras'"
    )
    # In blocks of 1024 bytes; the checkpoint is larger.
    ended = subprocess.run(
        ["bash", "-c", f"export PYTHONDONTWRITEBYTECODE=1; ulimit -f 8; exec {octavo_command}"],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == BAD_INPUT, ended.stderr
    assert "free some space" in ended.stderr
    assert list(out.iterdir()) == []


def learnable(folder: Path, one_hot: bool) -> Path:
    """Training data whose classes are told by the brightest quarter, and labels as numbers or one-hot."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 6, 6, 2)).astype(np.float32), np.arange(60) % 3
    x[np.arange(60), y] += 3.0
    np.savez(folder / "train.npz", x=x, y=np.eye(3, dtype=np.float32)[y] if one_hot else y)
    return folder / "train.npz"


def test_one_hot_labels_train_as_class_numbers_do(run: Run, small: Path, out: Path, tmp_path: Path) -> None:
    results = []
    for one_hot in (False, True):
        data = learnable(tmp_path, one_hot)
        results.append(train(run, small, out, "--json", "--epochs", 2, "--learning-rate", 0.01, data=data).json)
    numbers, rows = (result["history"]["val_accuracy"] for result in results)
    assert numbers == rows
    np.testing.assert_allclose(results[0]["history"]["loss"], results[1]["history"]["loss"], rtol=1e-5)
    assert "sparse_categorical_crossentropy, of logits, because labels are class numbers" in results[0]["training"]
    assert "categorical_crossentropy, of logits, because labels are one-hot rows" in results[1]["training"]


def test_training_is_shown_beside_float_and_what_the_same_training_brings_it(
    run: Run, small: Path, out: Path, tmp_path: Path
) -> None:
    data = learnable(tmp_path, False)
    shown = train(run, small, out, "--json", data=data).json["beside"]
    names = [row["name"] for row in shown["rows"]]
    assert names == ["float32", "int8", "float32 trained on", "int8 trained on", "int8 QAT"]
    assert all(row["evaluation"]["samples"] == 15 for row in shown["rows"])
    alone = train(run, small, out, "--no-baseline", data=data)
    assert "Loss: sparse_categorical_crossentropy" in alone.out
    assert "On the 15 samples held out:" in alone.out
    assert "trained on" not in alone.out


def test_real_targets_train_by_their_squared_error_and_have_no_cross_entropy(
    run: Run, small: Path, out: Path, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).normal(size=(20, 6, 6, 2)).astype(np.float32)
    np.savez(tmp_path / "real.npz", x=x, y=x[:, 0, :3, 0])
    shown = train(run, small, out, data=tmp_path / "real.npz")
    assert "Loss: mean_squared_error, because labels are real; watched: the loss." in shown.out
    assert "MAE" in shown.out
    failed = train(run, small, out, "--loss", "cross_entropy", data=tmp_path / "real.npz")
    assert fix_of(failed) == "use --loss mean_squared_error, or --loss auto"
