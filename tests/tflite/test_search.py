"""Search: types of layers under budgets, measured, resumable, and made again by the command it prints."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import octavo
from command_line import runner
from keras_networks import convolutional, images
from octavo.condition import trial
from octavo.config import LAYER_TYPES, QuantizeConfig, layer_of_type
from octavo.errors import ConfigError, DatasetError
from octavo.search.search import HELD_OUT, SEEN, Search, search
from octavo.stages import Source, prepare

DATA = images(40)
CONFIG = QuantizeConfig(effort="fast")


@pytest.fixture(scope="module")
def model() -> Any:
    return convolutional()


@pytest.fixture(scope="module")
def found(model: Any) -> Search:
    return search(model, DATA, types=("int4", "int16", "float32"), config=CONFIG)


def test_every_layer_is_measured_at_every_type_and_int8_loses_nothing_to_itself(found: Search) -> None:
    assert {(row.layer, row.type) for row in found.table} == {
        (layer, name) for layer in ("conv", "depthwise", "scores") for name in LAYER_TYPES
    }
    rows = {(row.layer, row.type): row for row in found.table}
    assert all(row.noise == 0.0 for row in found.table if row.type == "int8")
    # 3 x 3 x 3 x 8 weights, and 8 biases of four bytes.
    assert [rows["conv", name].file_bytes for name in ("int4", "int8", "float32")] == [108 + 32, 216 + 32, 864 + 32]
    assert rows["scores", "int4"].noise > rows["scores", "int8"].noise


def test_files_shrink_as_promised_and_the_front_only_trades(found: Search) -> None:
    sizes = [point.memory.file_bytes for point in found.points]
    assert sizes == sorted(sizes, reverse=True)
    front = found.front
    assert [point.sqnr_db for point in front] == sorted((point.sqnr_db for point in front), reverse=True)
    assert found.chosen in front


def test_budgets_are_kept_or_nothing_is_chosen(model: Any, found: Search) -> None:
    largest, smallest = (found.points[i].memory.file_bytes for i in (0, -1))
    flash = (largest + smallest) // 2
    chosen = search(model, DATA, flash=flash, points=2, config=CONFIG).chosen
    assert chosen is not None
    assert chosen.memory.file_bytes == len(chosen.quantized.model) <= flash
    assert "int4" in chosen.types.values()
    assert search(model, DATA, flash=smallest // 2, points=2, config=CONFIG).chosen is None
    assert search(model, DATA, ram=100, points=2, config=CONFIG).chosen is None


def test_a_search_goes_on_from_what_it_measured(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, count = tmp_path / "state.json", 0
    measure = trial.Trial.noise_of

    def interrupted(*arguments: Any) -> float:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return measure(*arguments)

    whole = search(model, DATA, config=CONFIG, points=2)
    monkeypatch.setattr(trial.Trial, "noise_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(model, DATA, config=CONFIG, points=2, state=state)
    resumed = search(model, DATA, config=CONFIG, points=2, state=state)
    measured = count
    assert (resumed.table, [p.types for p in resumed.points]) == (whole.table, [p.types for p in whole.points])
    again = search(model, DATA, config=CONFIG, points=2, state=state)
    assert (again.table, count) == (whole.table, measured)
    state.write_text("{")
    search(model, DATA, config=CONFIG, points=2, state=state)
    assert count > measured


def test_the_printed_command_makes_the_chosen_file_again(
    model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "500")
    model.save("small.keras")
    np.savez("data.npz", x=DATA)
    run = runner(capsys)
    options = ("--data", "data.npz", "--points", 3, "--effort", "fast", "--flash")
    shown = run("search", "small.keras", *options, "4KB", "--out", "mixed.tflite")
    assert shown.code == 0, shown.err
    assert "What each layer loses" in shown.out
    line = next(line for line in shown.out.splitlines() if line.startswith("To make it again: "))
    arguments = shlex.split(line.partition(": octavo ")[2])
    assert any(part.endswith("=int4") for part in arguments)
    assert run(*arguments, "--out", "again.tflite").code == 0
    assert Path("again.tflite").stat().st_size == Path("mixed.tflite").stat().st_size
    refused = run("search", "small.keras", *options, "1KB", "--json")
    assert refused.code == 1
    assert refused.json["chosen"] is None
    assert refused.json["path"] is None


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"types": ("int3",)}, r"fix: +did you mean 'int4'\?"),
        ({"config": QuantizeConfig("int16x8")}, r"fix: +search with scheme='int8'"),
    ],
)
def test_what_cannot_be_searched_is_refused(model: Any, options: dict[str, Any], fix: str) -> None:
    with pytest.raises(ConfigError, match=fix):
        search(model, DATA, **options)
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'int4'\?"):
        layer_of_type("conv", "int44")


def test_a_single_sample_is_too_few(model: Any) -> None:
    with pytest.raises(DatasetError, match=r"fix: +pass data=x_train\[:256\]"):
        search(model, DATA[:1], config=CONFIG)


def test_the_model_of_a_point_is_one_of_its_types(model: Any, found: Search) -> None:
    point = found.points[-1]
    layers = [layer_of_type(layer, name) for layer, name in point.types.items()]
    samples = Source(DATA, None, None).read_again(prepare(model)).some(len(DATA))
    seen = np.concatenate([next(iter(each.values())) for each in samples[: -len(DATA) * HELD_OUT // (SEEN + HELD_OUT)]])
    assert octavo.quantize(model, "int8", seen, layers=layers, effort="fast").model == point.quantized.model
