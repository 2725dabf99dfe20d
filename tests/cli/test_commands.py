"""quantize, compare, inspect, ops, doctor: what they print and write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import octavo.comparison.comparison
from command_line import Run
from octavo.config import SCHEMES, QuantizeConfig
from octavo.errors import VerificationError
from octavo.evaluate.predict import predict
from octavo.ops.table import KERAS_FORMS, OPS
from octavo.stages import Prepared, Source


def test_help_lists_every_command(run: Run) -> None:
    shown = run("--help")
    assert shown.code == 0
    assert all(name in shown.out for name in ("demo", "quantize", "compare", "inspect", "ops", "doctor"))


def test_version_is_the_packages(run: Run) -> None:
    assert run("--version").out == f"octavo {octavo.__version__}\n"


def test_help_names_every_scheme_a_command_takes(run: Run) -> None:
    assert "float32, float16, dynamic, int8, int16x8 or int8x4; int8 if not given" in run("quantize", "--help").out
    assert all(name in run("compare", "--help").out for name in SCHEMES)
    assert "int8, int16x8 or int8x4; int8 if not given" in run("train", "--help").out


def test_quantize_writes_a_file_that_runs_and_says_how_it_was_proven(run: Run, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.tflite"
    result = run("quantize", small, "--data", small.with_name("samples.npz"), "--out", out, "--json")
    assert result.code == 0
    assert result.json["path"] == str(out)
    assert result.json["file_bytes"] == out.stat().st_size
    assert result.json["verification"]["ok"]
    assert result.json["islands"] == []
    (outputs,) = predict(out.read_bytes(), np.zeros((2, 6, 6, 2), np.float32)).values()
    assert outputs.shape == (2, 3)


def test_quantize_tells_of_layers_left_in_float(run: Run, small: Path, tmp_path: Path) -> None:
    data = ("--data", small.with_name("samples.npz"), "--out", tmp_path / "x.tflite")
    shown = run("quantize", small, *data, "--skip", "conv")
    assert shown.code == 0
    assert "stays in float" in shown.out
    assert "'conv'" in shown.out


def test_quantize_takes_its_name_from_model_and_scheme(
    run: Run, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("quantize", small, "--scheme", "dynamic").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["small_dynamic.tflite"]


def test_the_same_command_writes_the_same_bytes(run: Run, small: Path, tmp_path: Path) -> None:
    files = tmp_path / "first.tflite", tmp_path / "second.tflite"
    for out in files:
        run("quantize", small, "--data", small.with_name("samples.npz"), "--out", out)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_compare_measures_every_scheme_and_recommends_one(run: Run, small: Path) -> None:
    data = ("--data", small.with_name("samples.npz"), "--test", small.with_name("test.npz"))
    result = run("compare", small, *data, "--json")
    assert result.code == 0
    assert [row["name"] for row in result.json["rows"]] == list(SCHEMES)
    assert result.json["recommended"] in SCHEMES
    assert all(row["evaluation"]["samples"] == 12 for row in result.json["rows"])


def test_compare_says_when_nothing_fits_the_board(run: Run, small: Path) -> None:
    data = ("--data", small.with_name("samples.npz"), "--test", small.with_name("test.npz"))
    shown = run("compare", small, *data, "--schemes", "float32,int8", "--ram", "16")
    assert shown.code == 0
    assert "Nothing fits" in shown.out
    assert "Each file was run" in shown.out


def test_compare_names_what_stays_in_float_and_why(run: Run, small: Path) -> None:
    data = ("--data", small.with_name("samples.npz"), "--test", small.with_name("test.npz"))
    options = (*data, "--schemes", "dynamic,int8", "--skip", "conv")
    dynamic, int8 = run("compare", small, *options, "--json").json["rows"]
    assert dynamic["islands"] == []
    assert int8["islands"] == [{"op": "CONV_2D", "layer": "conv", "reason": "named in skip"}]
    shown = run("compare", small, *options).out
    assert ["int8", "conv", "CONV_2D", "named", "in", "skip"] in [line.split() for line in shown.splitlines()]


def test_compare_tells_of_a_scheme_that_fails_and_exits_1(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = octavo.comparison.comparison.quantize_prepared

    def fail_for_dynamic(
        prepared: Prepared, config: QuantizeConfig, source: Source, **options: object
    ) -> octavo.QuantizedModel:
        if config.scheme == "dynamic":
            raise VerificationError("it computes something else.", got="1", expected="2", fix="report it")
        return make(prepared, config, source, **options)

    monkeypatch.setattr(octavo.comparison.comparison, "quantize_prepared", fail_for_dynamic)
    options = ("--test", small.with_name("test.npz"), "--schemes", "dynamic,float16")
    result = run("compare", small, *options, "--json")
    assert result.code == 1
    assert [row["name"] for row in result.json["rows"]] == ["float16"]
    assert result.json["failures"] == [{"name": "dynamic", "what": "it computes something else."}]
    assert "it computes something else." in run("compare", small, *options).out


def test_inspect_shows_what_quantize_wrote(run: Run, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.tflite"
    run("quantize", small, "--data", small.with_name("samples.npz"), "--out", out)
    seen = run("inspect", out, "--json").json
    assert seen["file_bytes"] == out.stat().st_size
    assert seen["counts"] == {"CONV_2D": 1, "RESHAPE": 1, "FULLY_CONNECTED": 1}
    assert [line["dtype"] for line in (*seen["inputs"], *seen["outputs"])] == ["int8", "int8"]
    # kernel 4x3x3x2 int8 and bias 4 int32; weights 3x64 int8 and bias 3 int32
    assert [line["constant_bytes"] for line in seen["operators"] if line["op"] != "RESHAPE"] == [88, 204]
    shown = run("inspect", out, "--tensors")
    assert "3 operators, 3 with integer results" in shown.out
    assert "int8 per axis" in shown.out


def test_ops_lists_the_op_table_and_every_keras_form(run: Run) -> None:
    listed = run("ops", "--json").json
    assert [row["name"] for row in listed["operators"]] == list(OPS)
    direct = {name for row in listed["operators"] for name in row["keras"]}
    assert direct | set(listed["composed"]) == set(KERAS_FORMS)
    shown = run("ops").out
    assert all(name in shown for name in OPS)


def test_doctor_runs_a_model_in_every_runtime(run: Run) -> None:
    seen = run("doctor", "--json")
    assert seen.code == 0
    assert {finding["package"]["module"] for finding in seen.json["findings"]} >= {"numpy", "keras", "tflite_micro"}
    assert [line.split(":")[0] for line in seen.json["runtimes"]] == [
        "TensorFlow Lite Micro",
        "LiteRT reference",
        "LiteRT default",
    ]
    assert "Everything Octavo needs is here." in run("doctor").out


def test_doctor_says_how_to_get_the_programs_that_are_absent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    tools = run("doctor", "--json").json["tools"]
    assert {"gcc", "qemu-system-arm", "cppcheck", "clang-tidy"} <= {name for tool in tools for name in tool["commands"]}
    assert all(tool["path"] is None for tool in tools)
    assert all(tool["fix"].startswith("apt-get install ") for tool in tools)
    assert "missing: apt-get install" in run("doctor").out.replace("\n", " ")


def test_doctor_says_no_where_the_backend_asked_for_is_absent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "abacus")
    seen = run("doctor")
    assert seen.code == 1
    assert "the Keras backend 'abacus' is not installed" in seen.out


def test_compare_tests_on_a_folder_of_images_by_class(run: Run, tmp_path: Path) -> None:
    import keras

    image_module = pytest.importorskip("PIL.Image")
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2, name="scores")]
    model = keras.Sequential(layers)
    # The mean pixel in 0..1 above a half is the second class.
    model.layers[-1].set_weights([np.array([[-1.0, 1.0]] * 3, np.float32), np.array([1.5, -1.5], np.float32)])
    model.save(tmp_path / "m.keras")
    for number, name in enumerate(("dark", "bright")):
        (tmp_path / "images" / f"{number}_{name}").mkdir(parents=True)
        for index in range(4):
            pixels = (180 * number + 10 * index,) * 3
            image_module.new("RGB", (4, 4), pixels).save(tmp_path / "images" / f"{number}_{name}" / f"{index}.png")
    given = ("compare", tmp_path / "m.keras", "--data", tmp_path / "images", "--test", tmp_path / "images")
    shown = run(*given, "--schemes", "float32,int8", "--integer-divisor", "255", "--json").json
    assert [row["evaluation"]["outputs"][0]["top1"] for row in shown["rows"]] == [1.0, 1.0]
    assert "--integer-divisor 255" in run(*given).err
