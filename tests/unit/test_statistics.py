"""Statistics: extremes and counts that do not depend on how the values came."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.calibration.statistics import BINS, Accumulator, Statistics, TensorStatistics
from octavo.errors import InputError, OutputError

finite_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def statistics_of(values: np.ndarray, *, histogram: bool = True) -> TensorStatistics:
    accumulator = Accumulator(histogram=histogram)
    assert accumulator.add(np.asarray(values, np.float32))
    return accumulator.result()


def model_statistics(values: np.ndarray, *, fingerprint: str = "model", histogram: bool = True) -> Statistics:
    """Statistics of two tensors over `values`, one value a sample."""
    tensors = {"x": statistics_of(values, histogram=histogram), "y": statistics_of(-2 * values, histogram=histogram)}
    return Statistics(tensors, len(values), fingerprint)


@given(st.lists(st.lists(finite_floats, min_size=1, max_size=9), min_size=1, max_size=6), st.randoms())
@settings(deadline=None, max_examples=60)
def test_parts_merged_in_any_order_equal_the_whole(parts: list[list[float]], random: object) -> None:
    arrays = [np.array(part, np.float32) for part in parts]
    shuffled = [arrays[i] for i in np.random.default_rng(random.getrandbits(32)).permutation(len(arrays))]  # type: ignore[attr-defined]
    merged = reduce(TensorStatistics.merge, map(statistics_of, shuffled))
    assert merged == statistics_of(np.concatenate(arrays))


@given(st.lists(finite_floats, min_size=1, max_size=50))
@settings(deadline=None, max_examples=60)
def test_every_value_is_counted_in_the_bin_of_its_upper_bits(values: list[float]) -> None:
    array = np.array(values, np.float32)
    histogram = statistics_of(array).histogram
    assert histogram is not None
    expected = np.zeros(BINS, np.int64)
    for value in array:
        expected[int.from_bytes(value.tobytes()[2:], "little")] += 1
    assert np.array_equal(histogram, expected)


def test_many_values_are_counted_like_few() -> None:
    values = np.random.default_rng(3).normal(size=3 * BINS).astype(np.float32)
    pieces = [statistics_of(piece) for piece in np.split(values, 96)]
    assert reduce(TensorStatistics.merge, pieces) == statistics_of(values)


def test_extremes_and_count_are_those_of_the_values() -> None:
    statistics = statistics_of(np.array([[3.0, -1.5], [0.25, 2.0]]), histogram=False)
    assert (statistics.low, statistics.high, statistics.count, statistics.histogram) == (-1.5, 3.0, 4, None)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_and_leave_no_trace(bad: float) -> None:
    accumulator = Accumulator(histogram=True)
    assert accumulator.add(np.array([1.0, 2.0], np.float32))
    assert not accumulator.add(np.array([5.0, bad, 7.0], np.float32))
    assert accumulator.result() == statistics_of(np.array([1.0, 2.0]))


def test_the_sign_of_zero_does_not_depend_on_the_order() -> None:
    zeros = np.array([0.0, -0.0], np.float32)
    lows = {np.signbit(statistics_of(order, histogram=False).low) for order in (zeros, zeros[::-1])}
    assert lows == {False}


def test_a_saved_half_continued_equals_the_whole(tmp_path: Path) -> None:
    values = np.random.default_rng(5).normal(size=40).astype(np.float32)
    model_statistics(values[:15]).save(tmp_path / "half.npz")
    continued = Statistics.load(tmp_path / "half.npz").merge(model_statistics(values[15:]))
    assert continued == model_statistics(values)
    assert continued.samples == 40


@pytest.mark.parametrize("histogram", [True, False])
def test_saving_and_loading_changes_nothing_and_gives_the_same_bytes(tmp_path: Path, histogram: bool) -> None:
    statistics = model_statistics(np.array([1.0, -2.0], np.float32), histogram=histogram)
    first, second = statistics.save(tmp_path / "a.npz"), statistics.save(tmp_path / "b.npz")
    assert Statistics.load(first) == statistics
    assert first.read_bytes() == second.read_bytes()


def test_statistics_of_different_values_are_unequal() -> None:
    one = model_statistics(np.array([1.0, 2.0], np.float32))
    other = model_statistics(np.array([1.0, 1.5, 2.0], np.float32))
    assert one != other
    assert one["x"] != other["x"]
    assert one["x"] != statistics_of(np.array([1.0, 2.0]), histogram=False)


def test_a_saved_file_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="mkdir"):
        model_statistics(np.ones(1, np.float32)).save(tmp_path / "absent" / "statistics.npz")


@pytest.mark.parametrize(
    "other",
    [
        model_statistics(np.ones(1, np.float32), fingerprint="another"),
        model_statistics(np.ones(1, np.float32), histogram=False),
        Statistics({"x": statistics_of(np.ones(1))}, 1, "model"),
    ],
    ids=["another model", "no histograms", "other tensors"],
)
def test_statistics_that_do_not_belong_together_are_not_merged(other: Statistics) -> None:
    with pytest.raises(InputError, match=r"fix: +calibrate the same model with the same options"):
        model_statistics(np.ones(1, np.float32)).merge(other)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short", None])
def test_a_file_without_statistics_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "statistics.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"fix: +check the path, or calibrate again"):
        Statistics.load(path)


def test_an_archive_of_other_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.ones(3))
    with pytest.raises(InputError, match=r"fix: +check the path"):
        Statistics.load(tmp_path / "data.npz")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = model_statistics(np.arange(9, dtype=np.float32)).save(tmp_path / "statistics.npz")
    content = path.read_bytes()
    for size in range(0, len(content), 97):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match="does not hold calibration statistics"):
            Statistics.load(path)
