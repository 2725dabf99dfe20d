"""octavo.compare: every scheme on the same samples, and which one to use on a board."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import octavo.comparison.comparison
import octavo.qat
from keras_networks import convolutional, draw_weights, images, settled
from octavo.board.boards import parse_bytes
from octavo.comparison.comparison import Comparison
from octavo.comparison.recommendation import DECIBELS, Wishes
from octavo.comparison.rows import Row
from octavo.config import SCHEMES, QuantizeConfig
from octavo.errors import ConfigError, DatasetError, MissingDependencyError, VerificationError
from octavo.evaluate.accuracy import Marks
from octavo.evaluate.latency import Latency
from octavo.evaluate.metrics import METRICS
from octavo.report.tables import PROOF_TITLE
from octavo.stages import Prepared, Source

DATA, TEST = images(24), images(40, seed=2)


def network() -> Any:
    """A network as if `DATA` was what it was trained on, and whose answers are the labels."""
    return settled(convolutional(), DATA)


LABELS = np.asarray(network().predict(TEST, verbose=0)).argmax(1)
# No microcontroller runs these: hybrid kernels and half-precision weights.
NOT_MICRO = {"float16", "dynamic"}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return octavo.compare(network(), DATA, (TEST, LABELS), time_it=False)


def with_measures(row: Row, *, top1: float | None, arena_bytes: int | None, file_bytes: int) -> Row:
    """The row with other results: of a thousand samples the first are right."""
    evaluation = row.evaluation
    right = (np.arange(1000) < round(1000 * (top1 or 0.0))).astype(np.float64)
    marks = None if top1 is None else Marks(METRICS["accuracy"], right)
    outputs = (replace(evaluation.outputs[0], top1=top1, value=top1, marks=marks),)
    memory = replace(evaluation.memory, arena_bytes=arena_bytes, file_bytes=file_bytes)
    return replace(row, evaluation=replace(evaluation, outputs=outputs, memory=memory))


def chosen(*rows: Row, flash: str | int = "1MB", ram: str | int = "256KB") -> str | None:
    row = Comparison(rows).best(flash, ram).row
    return None if row is None else row.name


def test_every_scheme_is_a_row_measured_on_the_same_samples(comparison: Comparison) -> None:
    assert [row.name for row in comparison.rows] == list(SCHEMES)
    assert [row.technique for row in comparison.rows] == ["float", *["PTQ"] * (len(SCHEMES) - 1)]
    assert {row.evaluation.samples for row in comparison.rows} == {len(TEST)}
    assert all(row.evaluation.top1 is not None for row in comparison.rows)
    assert {row.name for row in comparison.rows if row.evaluation.memory.arena_bytes is None} == NOT_MICRO


def test_each_row_is_what_quantize_makes(comparison: Comparison) -> None:
    for row in comparison.rows:
        alone = octavo.quantize(network(), row.name, DATA, verify="off")
        assert row.quantized.model == alone.model


def test_schemes_are_measured_against_float_though_it_is_not_asked_for(comparison: Comparison) -> None:
    some = octavo.compare(network(), DATA, (TEST, LABELS), schemes=("int8", "dynamic"), time_it=False)
    assert [row.name for row in some.rows] == ["int8", "dynamic"]
    expected = {row.name: row.evaluation.outputs for row in comparison.rows}
    assert all(row.evaluation.outputs == expected[row.name] for row in some.rows)


def test_a_way_to_train_adds_rows_that_are_measured_alike(comparison: Comparison) -> None:
    def train(model: keras.Model) -> None:
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(DATA, np.arange(len(DATA)) % 10, verbose=0)

    table = octavo.compare(network(), DATA, (TEST, LABELS), schemes=["int8"], train=train, time_it=False)
    names = ["int8", "float32 trained on", "int8 trained on", "int8 QAT"]
    assert [row.name for row in table.rows] == names
    assert table.rows[0].quantized.model == comparison.rows[3].quantized.model
    trained = table.rows[3].quantized
    assert trained.verification is not None
    assert trained.verification.ok
    assert trained.model != table.rows[0].quantized.model
    assert {row.evaluation.samples for row in table.rows} == {len(TEST)}


def test_a_comparison_turns_into_json(comparison: Comparison) -> None:
    values = json.loads(json.dumps(comparison.to_dict()))
    assert [row["name"] for row in values["rows"]] == list(SCHEMES)
    assert values["recommended"] in set(SCHEMES) - NOT_MICRO


def test_the_most_accurate_is_chosen_and_half_a_point_counts_as_nothing(comparison: Comparison) -> None:
    first, _, _, second, third, _ = comparison.rows
    best = with_measures(first, top1=0.900, arena_bytes=90_000, file_bytes=100_000)
    equal = with_measures(second, top1=0.895, arena_bytes=50_000, file_bytes=60_000)
    worse = with_measures(third, top1=0.894, arena_bytes=10_000, file_bytes=10_000)
    assert chosen(best, equal, worse) == equal.name


def test_among_equals_the_arena_decides_then_the_file(comparison: Comparison) -> None:
    rows = comparison.rows[3:]
    same = [with_measures(row, top1=0.9, arena_bytes=50_000, file_bytes=60_000) for row in rows]
    smaller_file = with_measures(rows[1], top1=0.9, arena_bytes=50_000, file_bytes=50_000)
    smaller_arena = with_measures(rows[2], top1=0.9, arena_bytes=40_000, file_bytes=90_000)
    assert chosen(same[0], smaller_file, same[2]) == smaller_file.name
    assert chosen(same[0], smaller_file, smaller_arena) == smaller_arena.name


def test_only_what_fits_the_board_is_chosen(comparison: Comparison) -> None:
    large, small = comparison.rows[4], comparison.rows[3]
    large = with_measures(large, top1=0.95, arena_bytes=90_000, file_bytes=400_000)
    small = with_measures(small, top1=0.70, arena_bytes=30_000, file_bytes=100_000)
    assert chosen(large, small) == large.name
    assert chosen(large, small, ram=89_999) == small.name
    assert chosen(large, small, flash="390KB") == small.name
    nothing = Comparison((large, small)).best(flash="50KB", ram="20KB")
    assert nothing.row is None
    assert nothing.reason == (
        "Nothing fits 50 KB flash and 20 KB RAM: the smallest file takes 98 KB, the smallest arena 29 KB."
    )


def test_what_micro_does_not_run_is_never_chosen(comparison: Comparison) -> None:
    perfect = with_measures(comparison.rows[2], top1=1.0, arena_bytes=None, file_bytes=1)
    assert chosen(perfect, comparison.rows[3]) == comparison.rows[3].name


def test_the_reason_names_what_it_costs(comparison: Comparison) -> None:
    first = with_measures(comparison.rows[0], top1=0.91, arena_bytes=120 * 1024, file_bytes=400 * 1024)
    second = with_measures(comparison.rows[3], top1=0.907, arena_bytes=40 * 1024, file_bytes=100 * 1024)
    assert Comparison((first, second)).best().reason == (
        "int8 runs on TensorFlow Lite Micro within 256 KB RAM and 1024 KB flash (arena 40.0 KB, file 100.0 KB), "
        "4.0x smaller than float, at -0.30 points of accuracy."
    )


def test_the_reason_says_nothing_of_size_where_nothing_is_smaller(comparison: Comparison) -> None:
    first = with_measures(comparison.rows[0], top1=0.5, arena_bytes=120 * 1024, file_bytes=104 * 1024)
    second = with_measures(comparison.rows[3], top1=0.9, arena_bytes=40 * 1024, file_bytes=100 * 1024)
    assert Comparison((first, second)).best().reason == (
        "int8 runs on TensorFlow Lite Micro within 256 KB RAM and 1024 KB flash (arena 40.0 KB, file 100.0 KB), "
        "at +40.00 points of accuracy."
    )


def test_every_float_island_is_named_with_its_reason_under_its_scheme() -> None:
    inputs = keras.layers.Input((8, 8, 3))
    model = draw_weights(keras.Model(inputs, keras.layers.PReLU(name="prelu")(inputs)))
    table = octavo.compare(model, DATA, (TEST, None), schemes=["int8", "int16x8"], time_it=False)
    (island,) = table.rows[1].quantized.islands
    assert f"| int16x8 | prelu | PRELU | {island.reason} |" in str(table)
    assert [len(row["islands"]) for row in table.to_dict()["rows"]] == [0, 1]


def test_where_nothing_stays_in_float_and_nothing_fails_no_table_tells_of_it(comparison: Comparison) -> None:
    assert [table.title for table in comparison.tables] == ["What each scheme costs", PROOF_TITLE]


def failing(monkeypatch: pytest.MonkeyPatch, *schemes: str) -> None:
    """Let the files of these schemes fail."""
    make = octavo.comparison.comparison.quantize_prepared

    def make_or_fail(
        prepared: Prepared, config: QuantizeConfig, source: Source, **options: Any
    ) -> octavo.QuantizedModel:
        if config.scheme in schemes:
            raise VerificationError(f"{config.scheme} is wrong.", got="1", expected="2", fix="report it")
        return make(prepared, config, source)

    monkeypatch.setattr(octavo.comparison.comparison, "quantize_prepared", make_or_fail)


def test_a_scheme_that_fails_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "int8")
    table = octavo.compare(network(), DATA, (TEST, LABELS), schemes=["int8", "dynamic"], time_it=False)
    assert [row.name for row in table.rows] == ["dynamic"]
    assert table.to_dict()["failures"] == [{"name": "int8", "what": "int8 is wrong."}]
    assert "| int8 | int8 is wrong. |" in str(table)


@pytest.mark.parametrize("schemes", [("int8", "dynamic"), ("float32", "dynamic")])
def test_where_every_scheme_fails_or_float_does_the_first_error_is_raised(
    monkeypatch: pytest.MonkeyPatch, schemes: tuple[str, ...]
) -> None:
    failing(monkeypatch, *schemes)
    with pytest.raises(VerificationError, match=f"{schemes[0]} is wrong"):
        octavo.compare(network(), DATA, (TEST, LABELS), schemes=schemes, time_it=False)


def test_a_quantized_model_shows_itself_in_one_short_line(comparison: Comparison) -> None:
    quantized = comparison.rows[3].quantized
    expected = f"QuantizedModel(int8, {len(quantized.model):,} bytes, verified, 0 float islands)"
    assert repr(quantized) == expected
    assert repr(replace(quantized, verification=None)) == expected.replace("verified", "not verified")


def test_without_labels_the_error_decides_and_float_is_the_last_resort() -> None:
    table = octavo.compare(convolutional(), DATA, (TEST, None), time_it=False)
    assert all(row.evaluation.top1 is None for row in table.rows)
    errors = {row.name: row.evaluation.outputs[0].sqnr_db for row in table.rows}
    assert errors["float32"] is None
    best = table.best().row
    assert best is not None
    fitting = {name: errors[name] or 0.0 for name in ("int8", "int16x8", "int8x4")}
    assert fitting[best.name] >= max(fitting.values()) - DECIBELS
    closest = table.best(matters=["accuracy", "flash"]).row
    assert closest is not None
    assert closest.name == max(fitting, key=lambda name: fitting[name])
    alone = octavo.compare(network(), None, (TEST, None), schemes=["float32", "dynamic"], time_it=False)
    assert alone.best().row is alone.rows[0]


def test_a_comparison_needs_a_test_set() -> None:
    with pytest.raises(ConfigError, match=r"fix: +pass test=\(x_test, y_test\)"):
        octavo.compare(network(), DATA)


def test_an_unknown_scheme_is_refused_before_the_model_is_looked_at() -> None:
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'int8'\?"):
        octavo.compare("absent.keras", None, (TEST, LABELS), schemes=["float32", "int9"])


def test_data_that_can_be_read_only_once_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"fix: +pass the function itself"):
        octavo.compare(network(), iter([DATA]), (TEST, LABELS), schemes=["int8"])


def test_integer_schemes_without_data_are_refused_before_the_model_is_looked_at() -> None:
    with pytest.raises(DatasetError, match=r"fix: +pass data=x_train\[:500\].*: float32, float16, dynamic"):
        octavo.compare("absent.keras", None, (TEST, LABELS), schemes=["float32", "int8"])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1000, 1000),
        ("1000", 1000),
        ("7B", 7),
        ("256KB", 262_144),
        (" 1.5 mb ", 1_572_864),
        ("1GB", 1 << 30),
        ("256K", 262_144),
        ("1M", 1 << 20),
        ("2 KiB", 2048),
    ],
)
def test_sizes_are_bytes_or_have_a_unit(size: str | int, expected: int) -> None:
    assert parse_bytes(size) == expected


@pytest.mark.parametrize("size", ["", "KB", "1TB", "-1", "1,5MB", "KiB", "1e3"])
def test_a_size_that_cannot_be_read_is_refused(size: str) -> None:
    with pytest.raises(ConfigError, match=r"fix: +write it like 256KB or 1MB"):
        parse_bytes(size)


def answering(row: Row, technique: str, right: np.ndarray, **sizes: int) -> Row:
    """The row by another technique, right on these samples."""
    changed = with_measures(row, top1=0.0, **{"arena_bytes": 40_000, "file_bytes": 50_000, **sizes})
    marks = Marks(METRICS["accuracy"], right.astype(np.float64))
    outputs = (replace(changed.evaluation.outputs[0], top1=marks.value, value=marks.value, marks=marks),)
    return replace(changed, technique=technique, evaluation=replace(changed.evaluation, outputs=outputs))


def right(wrong: int, of: int = 500) -> np.ndarray:
    """All right but the first few."""
    return np.arange(of) >= wrong


@pytest.mark.parametrize(
    ("after", "further", "trained", "name"),
    [
        (60, 60, 20, "int8 QAT"),  # what training alone does not bring
        (60, 22, 20, "int8 trained on"),  # what further training of the float model brings as well
        (23, 23, 20, "int8"),  # what may be chance
        (20, 20, 60, "int8"),
    ],
)
def test_training_for_quantization_must_bring_more_than_chance_and_than_further_training(
    comparison: Comparison, after: int, further: int, trained: int, name: str
) -> None:
    int8 = comparison.rows[3]
    rows = (
        answering(int8, "PTQ", right(after)),
        answering(int8, "trained on", right(further)),
        answering(int8, "QAT", right(trained)),
    )
    best = Comparison(rows).best()
    assert best.row is not None
    assert best.row.name == name
    assert (best.gain is not None) == (name != "int8")
    assert best.gain is None or best.gain.proven
    assert ("Post-training quantization is enough" in best.reason) == (name == "int8")


def test_a_larger_scheme_must_be_better_than_int8_beyond_chance(comparison: Comparison) -> None:
    int8, int16x8 = comparison.rows[3:5]
    usual = answering(int8, "PTQ", right(23))
    rows = [usual, answering(int16x8, "PTQ", right(20), arena_bytes=80_000)]
    assert Comparison(tuple(rows)).best().row is rows[0]
    rows[1] = answering(int16x8, "PTQ", right(5), arena_bytes=80_000)
    best = Comparison(tuple(rows)).best()
    assert best.row is rows[1]
    assert "18 times slower than int8" in best.reason


@pytest.mark.parametrize(
    ("as_int8", "name"), [(20, "int8 trained on"), (23, "int8 trained on"), (40, "int16x8 trained on")]
)
def test_of_what_earns_its_training_a_larger_scheme_must_be_better_than_int8(
    comparison: Comparison, as_int8: int, name: str
) -> None:
    int8, int16x8 = comparison.rows[3:5]
    rows = (
        answering(int8, "PTQ", right(60)),
        answering(int16x8, "PTQ", right(60), arena_bytes=80_000),
        answering(int16x8, "trained on", right(20), arena_bytes=80_000),
        answering(int8, "trained on", right(as_int8)),
    )
    best = Comparison(rows).best()
    assert best.row is not None
    assert best.row.name == name


def test_what_the_user_says_matters_decides_among_equals(comparison: Comparison) -> None:
    int8, int16x8 = comparison.rows[3:5]
    small_file = answering(int16x8, "PTQ", right(20), arena_bytes=80_000, file_bytes=10_000)
    small_arena = answering(int8, "PTQ", right(20), arena_bytes=40_000, file_bytes=50_000)
    table = Comparison((small_file, small_arena))
    assert table.best().row is small_arena
    assert table.best(matters="flash").row is small_file
    assert Comparison(table.rows, wishes=Wishes(matters="flash")).best().row is small_file


def test_latency_decides_where_it_matters_and_must_have_been_measured(comparison: Comparison) -> None:
    rows = [answering(row, "PTQ", right(20)) for row in comparison.rows[3:5]]
    with pytest.raises(ConfigError, match=r"fix: +compare with time_it=True"):
        Comparison(tuple(rows)).best(matters="latency")
    timed = tuple(
        replace(row, evaluation=replace(row.evaluation, latency=Latency(milliseconds)))
        for row, milliseconds in zip(rows, (5.0, 2.0), strict=True)
    )
    assert Comparison(timed).best(matters=["latency", "ram"]).row is timed[1]


def test_where_litert_runs_it_what_micro_does_not_run_may_be_chosen(comparison: Comparison) -> None:
    dynamic = answering(comparison.rows[2], "PTQ", right(10), file_bytes=1000)
    dynamic = with_measures(dynamic, top1=0.98, arena_bytes=None, file_bytes=1000)
    int8 = answering(comparison.rows[3], "PTQ", right(20))
    assert chosen(dynamic, int8) == "int8"
    best = Comparison((dynamic, int8)).best(ram=None)
    assert best.row is dynamic
    assert best.reason.startswith("dynamic runs in LiteRT within 1024 KB flash")


def test_a_table_prints_by_the_budgets_it_was_given(comparison: Comparison) -> None:
    table = Comparison(comparison.rows, wishes=Wishes(flash="1K", ram="1K"))
    assert str(table).endswith(table.best().reason)
    assert "Nothing fits 1 KB flash and 1 KB RAM" in str(table)
    assert table.to_dict()["recommended"] is None


def test_something_else_that_matters_is_refused(comparison: Comparison) -> None:
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'latency'\?"):
        comparison.best(matters="latenci")


def test_without_labels_the_reason_says_what_it_went_by() -> None:
    table = octavo.compare(network(), DATA, (TEST, None), schemes=["int8", "int16x8"], time_it=False)
    assert "Without labels this goes by how close the outputs are" in table.best().reason


def test_trained_models_and_ready_files_stand_in_a_table(comparison: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "theirs.tflite"
    path.write_bytes(comparison.rows[3].quantized.model)
    aware = octavo.qat.quantize_model(network(), data=DATA)
    also = {"mine": aware, "theirs": path, "bytes": path.read_bytes(), "made": comparison.rows[4].quantized}
    table = octavo.compare(network(), DATA, (TEST, LABELS), schemes=["int8"], also=also, time_it=False)
    assert [(row.name, row.technique) for row in table.rows[1:]] == [
        ("mine", "QAT"), ("theirs", "ready"), ("bytes", "ready"), ("made", "ready"),
    ]  # fmt: skip
    assert table.rows[2].evaluation.outputs == table.rows[0].evaluation.outputs
    assert [row.quantized.scheme.name for row in table.rows[1:]] == ["int8", "int8", "int8", "int16x8"]
    of_trained = octavo.compare(aware, DATA, (TEST, LABELS), schemes=["int8"], time_it=False)
    assert [row.name for row in of_trained.rows] == ["int8", "int8 QAT"]
    assert of_trained.rows[1].evaluation.outputs[0].marks is not None


def test_what_cannot_stand_in_a_table_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"fix: +quantize it first"):
        octavo.compare(network(), DATA, (TEST, LABELS), schemes=["int8"], also={"x": 3}, time_it=False)


def test_test_sets_and_metrics_are_as_an_evaluation_takes_them() -> None:
    model = network()
    targets = np.random.default_rng(0).normal(size=(40, model.output_shape[-1]))
    batches = [(TEST[i : i + 8], targets[i : i + 8]) for i in range(0, 40, 8)]
    table = octavo.compare(model, DATA, batches, schemes=["float32", "int8"], time_it=False)
    assert table.tables[0].header[1] == "MAE"
    assert "because labels are real numbers" in table.tables[0].note
    assert table.rows[0].evaluation.value == pytest.approx(
        np.abs(model.predict(TEST, verbose=0) - targets).mean(), rel=1e-5
    )
    named = octavo.compare(model, DATA, (TEST, targets), metric="rmse", schemes=["int8"], time_it=False)
    assert named.tables[0].header[1] == "RMSE"
    assert " RMSE." in table.best().reason.replace("MAE", "RMSE")


def test_a_comparison_is_a_page_for_notebooks_and_names_what_a_data_frame_needs(comparison: Comparison) -> None:
    page = comparison._repr_html_()
    assert page.count("<table>") == len(comparison.tables)
    assert "&#x27;s answer" in page
    if importlib.util.find_spec("pandas") is None:
        with pytest.raises(MissingDependencyError, match=r"fix: +pip install pandas, or use to_dict\(\)"):
            comparison.to_pandas()


def test_a_comparison_is_a_data_frame(comparison: Comparison) -> None:
    pytest.importorskip("pandas", reason="pandas, which is no dependency of Octavo, is not installed")
    frame = comparison.to_pandas()
    assert list(frame["scheme"]) == list(SCHEMES)
    assert frame["file_bytes"][0] == comparison.rows[0].evaluation.memory.file_bytes
