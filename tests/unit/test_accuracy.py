from __future__ import annotations

import math

import numpy as np
import pytest

from octavo.evaluate.accuracy import Tally, tally

# Four samples, three classes; answers 1, 1, 0, and a tie of 0 and 2.
SCORES = np.array([[1, 5, 2], [0, 3, 1], [9, 0, 8], [4, 1, 4]], np.float32)


def test_top_1_counts_answers_equal_to_the_label_and_the_first_of_equal_classes_answers() -> None:
    assert tally(SCORES, np.array([1, 1, 0, 0]), None).top1 == 4
    assert tally(SCORES, np.array([1, 1, 0, 2]), None).top1 == 3


def test_top_5_counts_labels_among_the_five_largest() -> None:
    scores = np.arange(7, dtype=np.float32)[None].repeat(7, 0)
    counts = tally(scores, np.arange(7), None)
    assert (counts.top1, counts.top5, counts.answers) == (1, 5, 7)


def test_an_answer_won_by_a_tie_is_counted_as_tied_and_not_as_agreement() -> None:
    floats = SCORES.copy()
    floats[3] = [4.0, 1.0, 4.2]
    floats[1] = [9.0, 0.0, 0.0]
    counts = tally(SCORES, np.zeros(4, np.int64), floats)
    assert (counts.agreed, counts.tied, counts.answers) == (2, 1, 4)


def test_a_tie_without_the_float_models_answer_is_a_disagreement() -> None:
    counts = tally(SCORES[3:], np.array([0]), np.array([[0.0, 9.0, 0.0]], np.float32))
    assert (counts.agreed, counts.tied) == (0, 0)


def test_a_single_output_says_yes_above_one_half() -> None:
    counts = tally(np.array([[0.2], [0.5], [0.51]], np.float32), np.array([0, 0, 1]), None)
    assert (counts.top1, counts.answers) == (3, 3)


def test_errors_are_those_of_their_definitions() -> None:
    floats = np.array([[3.0, 4.0], [0.0, 12.0]], np.float32)
    counts = tally(floats + np.array([[0.0, 1.0], [0.0, -2.0]], np.float32), None, floats)
    assert (counts.values, counts.largest, counts.noise, counts.signal) == (4, 2.0, 5.0, 169.0)
    assert counts.answers == 0


def test_tallies_of_parts_add_up_to_the_tally_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    scores, floats = rng.integers(0, 4, (2, 50, 6)).astype(np.float32)
    labels = rng.integers(0, 6, 50)
    parts = [tally(scores[i : i + 7], labels[i : i + 7], floats[i : i + 7]) for i in range(0, 50, 7)]
    assert sum(parts, Tally()) == tally(scores, labels, floats)


def test_positions_of_a_segmentation_count_one_by_one() -> None:
    counts = tally(SCORES.reshape(1, 2, 2, 3), np.array([[[1, 1], [0, 1]]]), None)
    assert (counts.top1, counts.answers) == (3, 4)


@pytest.mark.parametrize("error", [1e-3, 0.5])
def test_the_signal_to_noise_ratio_of_a_constant_error_is_known(error: float) -> None:
    floats = np.ones((10, 4), np.float64)
    counts = tally(floats + error, None, floats)
    assert 10 * math.log10(counts.signal / counts.noise) == pytest.approx(-20 * math.log10(error))
