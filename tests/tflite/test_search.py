"""Search: types of layers under budgets, measured, resumable, and made again by the command it prints."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import runner
from dying import die
from keras_networks import convolutional, images
from octavo.board.boards import board_of
from octavo.config import LAYER_TYPES, QuantizeConfig, layer_of_type
from octavo.errors import ConfigError, DatasetError, MissingDependencyError, OutputError, RuntimeEndedError
from octavo.pipeline import quantize
from octavo.run.worker import pool
from octavo.search import workbench
from octavo.search.candidate import Budgets, best
from octavo.search.crew import Crew, Job
from octavo.search.found import Search
from octavo.search.ledger import Ledger
from octavo.search.search import LEDGER, search
from octavo.search.search import workbench as bench_of
from octavo.search.tables import search_tables
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
    sizes = [point.cost.file_bytes for point in found.points]
    assert sizes == sorted(sizes, reverse=True)
    front = found.front
    assert [point.cost.noise for point in front] == sorted(point.cost.noise for point in front)
    assert found.chosen in front


def test_the_picture_is_the_same_twice_and_shows_what_was_chosen(found: Search, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = [found.picture(tmp_path / name).read_bytes() for name in ("a.svg", "b.svg", "a.png")]
    assert drawn[0] == drawn[1] != replace(found, chosen=None).picture(tmp_path / "c.svg").read_bytes()
    assert drawn[2].startswith(b"\x89PNG")
    with pytest.raises(OutputError, match=r"fix: +say --picture .*front\.png"):
        found.picture(tmp_path / "front.gif")


def test_budgets_are_kept_or_nothing_is_chosen(model: Any, found: Search) -> None:
    largest, smallest = (found.points[i].cost.file_bytes for i in (0, -1))
    flash = (largest + smallest) // 2
    chosen = search(model, DATA, flash=flash, points=2, config=CONFIG)
    assert chosen.chosen is not None
    assert chosen.quantized is not None
    assert chosen.chosen.cost.file_bytes == len(chosen.quantized.model) <= flash
    assert "int4" in dict(chosen.chosen.candidate.types).values()
    assert best(chosen.points, Budgets(flash=smallest // 2)) is None
    refused = search(model, DATA, ram=100, points=2, swaps=0, config=CONFIG)
    assert (refused.chosen, refused.quantized) == (None, None)


def test_neighbours_that_are_better_take_the_place_of_the_knapsacks_choice(model: Any, found: Search) -> None:
    flash = found.points[0].cost.file_bytes - 1
    plain, refined = (search(model, DATA, flash=flash, points=2, swaps=swaps, config=CONFIG) for swaps in (0, 4))
    assert plain.chosen is not None
    assert refined.chosen is not None
    assert len(plain.points) < len(refined.points) <= len(plain.points) + 4
    assert refined.chosen.cost.noise == min(p.cost.noise for p in refined.points if p.cost.file_bytes <= flash)
    assert refined.chosen.cost.noise <= plain.chosen.cost.noise


def test_a_board_must_hold_the_program_and_not_the_file_alone(model: Any) -> None:
    board = board_of("nano33ble")
    found = search(model, DATA, board=board, points=2, swaps=0, config=CONFIG)
    whole = found.points[0].cost
    assert whole.flash_bytes > whole.file_bytes
    tight = replace(board, flash_bytes=whole.flash_bytes - 1)
    chosen = search(model, DATA, board=tight, points=2, swaps=0, config=CONFIG).chosen
    assert chosen is not None
    assert chosen.candidate.types
    assert chosen.cost.flash_bytes < whole.flash_bytes


def test_a_search_goes_on_from_what_it_measured(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    quantize = workbench.quantize_prepared

    def interrupted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        return quantize(*arguments)

    whole = search(model, DATA, config=CONFIG, points=2)
    monkeypatch.setattr(workbench, "quantize_prepared", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(model, DATA, config=CONFIG, points=2, folder=tmp_path / "kept")
    resumed = search(model, DATA, config=CONFIG, points=2, folder=tmp_path / "kept")
    assert (resumed.table, resumed.points) == (whole.table, whole.points)
    assert count == len(whole.points) + 1
    again = search(model, DATA, config=CONFIG, points=2, folder=tmp_path / "kept")
    assert (again.table, again.points, count) == (whole.table, whole.points, len(whole.points) + 1)
    (tmp_path / "kept" / LEDGER).write_text("{")
    search(model, DATA, config=CONFIG, points=2, folder=tmp_path / "kept")
    assert count > len(whole.points) + 1


def test_several_processes_find_the_same_though_one_is_killed(model: Any, tmp_path: Path) -> None:
    alone = search(model, DATA, config=CONFIG, points=2, swaps=2)
    killed: list[int] = []

    def kill(stage: str, done: int, total: int | None) -> None:
        if not killed:
            ours = [child.process_id for child in pool()._taken if child.alive]
            killed.append(ours[0])
            os.kill(ours[0], signal.SIGKILL)

    together = search(model, DATA, config=CONFIG, points=2, swaps=2, workers=2, progress=kill)
    assert killed
    assert (together.table, together.points, together.chosen) == (alone.table, alone.points, alone.chosen)
    assert together.quantized is not None
    assert alone.quantized is not None
    assert together.quantized.model == alone.quantized.model


def test_trials_find_the_same_in_one_process_and_in_two_after_an_interruption(model: Any, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    options: dict[str, Any] = {"trials": 5, "points": 2, "swaps": 0, "flash": 5000, "config": CONFIG}
    alone = search(model, DATA, **options)
    assert any(point.candidate.options for point in alone.points)
    done = 0

    def interrupt(stage: str, of: int, total: int | None) -> None:
        nonlocal done
        done += stage == "make files"
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(model, DATA, folder=tmp_path, progress=interrupt, **options)
    together = search(model, DATA, folder=tmp_path, workers=2, **options)
    assert (together.points, together.chosen) == (alone.points, alone.chosen)
    assert together.quantized is not None
    assert alone.quantized is not None
    assert together.quantized.model == alone.quantized.model
    again = search(model, DATA, folder=tmp_path, **options)
    assert again.points == alone.points


def test_trials_without_optuna_say_how_to_get_it(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependencyError, match=r'fix: +pip install "octavo\[search\]"'):
        search(model, DATA, trials=1, points=2, swaps=0, config=CONFIG)


def test_a_job_that_ends_process_after_process_is_told(model: Any) -> None:
    bench = bench_of(prepare(model), CONFIG, Source(DATA))
    with Crew(bench, Ledger(None, ""), workers=2) as crew, pytest.raises(RuntimeEndedError):
        crew.results("die", {"die": Job(die, ())})


def test_the_printed_command_makes_the_chosen_file_again(
    model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "500")
    model.save("small.keras")
    np.savez("data.npz", x=DATA)
    run = runner(capsys)
    options = ("--data", "data.npz", "--samples", 30, "--points", 2, "--swaps", 0, "--effort", "fast", "--flash")
    shown = run(
        "search", "small.keras", *options, "4.5KB", "--skip", "sum", "--picture", "front.svg", "-o", "mixed.tflite"
    )
    assert shown.code == 0, shown.err
    assert "What each layer loses" in shown.out
    assert shown.out.count(" chosen ") == 1
    line = next(line for line in shown.out.splitlines() if line.startswith("To make it again: "))
    arguments = shlex.split(line.partition(": octavo ")[2])
    assert any(part.endswith("=int4") for part in arguments)
    assert run(*arguments, "--out", "again.tflite").code == 0
    assert Path("again.tflite").read_bytes() == Path("mixed.tflite").read_bytes()
    drawn = Path("front.svg").read_text()
    assert drawn.startswith("<?xml")
    assert "Drawn: front.svg." in shown.out
    unnamed = run("search", "small.keras", *options, "1KB", "--picture", "front.gif")
    assert (unnamed.code, "say --picture front.png" in unnamed.err) == (2, True)
    refused = run("search", "small.keras", *options, "1KB", "--json")
    assert refused.code == 1
    assert refused.json["chosen"] is None
    assert refused.json["path"] is None


def test_labels_choose_among_the_files_that_none_beats(model: Any, tmp_path: Path) -> None:
    # Labels by which the smallest file is the best one: what it answers itself.
    plain = search(model, DATA, points=2, swaps=0, config=CONFIG)
    (smallest,) = (point for point in plain.front if point.cost.file_bytes == plain.points[-1].cost.file_bytes)
    assert plain.chosen != smallest
    assert plain.scores is None
    x = images(60, seed=5)
    y = quantize(model, data=DATA, config=smallest.candidate.config(CONFIG)).predict(x)
    for metric in ("mse", "mean_squared_error"):  # Octavo's and Keras's
        found = search(model, DATA, points=2, swaps=0, config=CONFIG, test=(x, y), metric=metric, folder=tmp_path)
        assert found.chosen is not None
        assert found.chosen.candidate == smallest.candidate
        assert {point.candidate for point in found.front} == {p.candidate for p in found.points if p.score is not None}
        assert found.scores is not None
        own, of_float = found.scores
        assert own.value < of_float.value
        assert (own.metric, own.higher_is_better) == (of_float.metric, False)
    table = search_tables(found)[1]
    assert own.metric in table.header
    again = search(
        model, DATA, points=2, swaps=0, config=CONFIG, test=(x, y), metric=metric, folder=tmp_path, workers=2
    )
    assert (again.points, again.chosen) == (found.points, found.chosen)


def test_a_metric_without_labels_is_refused_before_anything_is_measured(
    model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in ({"metric": "auc"}, {"test": images(4)}):
        with pytest.raises(ConfigError, match=r"fix: +pass test=\(x_test, y_test\)"):
            search(model, DATA, config=CONFIG, **options)
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'auc'\?"):
        search(model, DATA, config=CONFIG, test=(DATA, np.zeros(len(DATA), int)), metric="aucc")
    model.save(tmp_path / "small.keras")
    np.savez(tmp_path / "data.npz", x=DATA)
    np.savez(tmp_path / "test.npz", x=DATA, y=model.predict(DATA, verbose=0).argmax(1))
    options = ("--data", tmp_path / "data.npz", "--points", 2, "--swaps", 0, "--effort", "fast")
    shown = runner(capsys)("search", tmp_path / "small.keras", *options, "--test", tmp_path / "test.npz", "--json")
    assert shown.code == 0, shown.err
    assert shown.json["scores"]["float"] == {
        "metric": "accuracy", "value": 1.0, "text": "100.00 %", "higher_is_better": True
    }  # fmt: skip


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
    with pytest.raises(DatasetError, match=r"fix: +pass data=x_train\[:500\]"):
        search(model, DATA[:1], config=CONFIG)
