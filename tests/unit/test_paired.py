"""Differences of two models on the same samples, and the intervals they lie in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from octavo.comparison.paired import gain
from octavo.evaluate.accuracy import Marks
from octavo.evaluate.metrics import METRICS, area_under_curve


def answers(*counts: int) -> tuple[Marks, Marks]:
    """Marks of two models by how often (both are right, only the first, only the second, none)."""
    first, second = np.repeat([1.0, 1.0, 0.0, 0.0], counts), np.repeat([1.0, 0.0, 1.0, 0.0], counts)
    return Marks(METRICS["accuracy"], first), Marks(METRICS["accuracy"], second)


@pytest.mark.parametrize("counts", [(90, 6, 0, 4), (90, 5, 0, 5), (900, 40, 20, 40), (900, 30, 20, 50), (5, 1, 9, 5)])
def test_a_gain_of_answers_is_proven_where_the_exact_test_of_mcnemar_says_so(counts: tuple[int, ...]) -> None:
    found = gain(*answers(*counts))
    p = binomtest(counts[1], counts[1] + counts[2]).pvalue
    assert (found.proven or found.refuted) == (p < 0.05)
    assert found.value == pytest.approx((counts[1] - counts[2]) / sum(counts))
    assert found.low <= found.value <= found.high


def test_models_that_answer_alike_differ_by_nothing() -> None:
    found = gain(*answers(5, 0, 0, 5))
    assert (found.low, found.value, found.high, found.proven) == (0.0, 0.0, 0.0, False)


def test_the_other_way_round_the_interval_is_mirrored() -> None:
    first, second = answers(50, 9, 3, 8)
    there, back = gain(first, second), gain(second, first)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(4), 0
    for _ in range(300):
        first, second = rng.random(200) < 0.9, rng.random(200) < 0.85
        marks = (Marks(METRICS["accuracy"], each.astype(float)) for each in (first, second))
        found = gain(*marks)
        held += found.low <= 0.05 <= found.high
    assert held >= 0.95 * 300 - 3 * np.sqrt(300 * 0.95 * 0.05)


def test_an_error_that_falls_is_a_gain_and_sentences_show_it_falling() -> None:
    rng = np.random.default_rng(0)
    worse = rng.random(500)
    found = gain(Marks(METRICS["mae"], worse - 0.1), Marks(METRICS["mae"], worse - rng.normal(0, 0.01, 500)))
    assert found.proven
    assert found.value == pytest.approx(0.1, abs=0.01)
    assert found.text.startswith("-0.101 MAE, 95 % interval -0.10")


def test_means_are_compared_in_pairs_where_samples_differ_more_than_models() -> None:
    rng = np.random.default_rng(0)
    hard = 100 * rng.random(400)
    first, second = hard + rng.normal(0, 0.1, 400), hard + 0.05 + rng.normal(0, 0.1, 400)
    found = gain(Marks(METRICS["mae"], first), Marks(METRICS["mae"], second))
    spread = np.std(second - first) / np.sqrt(400)
    assert (found.high - found.low) == pytest.approx(2 * 1.96 * spread, rel=0.1)


@pytest.mark.parametrize(("noise", "proven"), [(0.2, True), (1.0, False)])
def test_a_metric_of_all_samples_together_is_drawn_again(noise: float, proven: bool) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    scores = [(labels + rng.normal(0, spread, 300))[:, None] for spread in (noise, 1.0)]
    first, second = (Marks(METRICS["auc"], labels=labels, outputs=each) for each in scores)
    found = gain(first, second)
    assert found.proven is proven
    assert found.value == pytest.approx(area_under_curve(labels, scores[0]) - area_under_curve(labels, scores[1]))
