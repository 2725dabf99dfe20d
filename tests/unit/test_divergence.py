"""What a trial says of answers that are close, far apart, or all alike."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.condition.trial import UNSEEN, _divergences, _log_chances, _told, decibels, decibels_text

LOGITS = np.random.default_rng(0).normal(0, 3, (50, 10))


@pytest.mark.parametrize("by", [1e-6, 1e-3, 1.0])
def test_the_divergence_of_close_answers_does_not_cancel(by: float) -> None:
    moved = LOGITS + by * np.random.default_rng(1).normal(size=LOGITS.shape)
    wanted, found = _log_chances(LOGITS), _log_chances(moved)
    exact = np.exp(wanted.astype(np.longdouble)) * (wanted.astype(np.longdouble) - found)
    # The sum of probabilities is 1 to float64's rounding.
    assert _divergences(wanted, found).mean() == pytest.approx(float(exact.sum(axis=-1).mean()), rel=1e-6, abs=1e-15)
    assert (_divergences(wanted, found) >= 0).all()


def test_answers_that_are_out_of_the_question_make_no_number_overflow() -> None:
    wanted, found = _log_chances(np.array([[0.0, -2000.0]])), _log_chances(np.array([[-2000.0, 0.0]]))
    assert _divergences(wanted, found).item() == pytest.approx(2000.0)


def test_answers_that_are_all_alike_tell_nothing() -> None:
    alike = np.repeat(LOGITS[:1], 20, axis=0).astype(np.float32)
    assert _told(_log_chances(alike * np.float32(1 + 1e-8))) < UNSEEN
    assert _told(_log_chances(1e-12 * LOGITS)) < UNSEEN
    assert _told(_log_chances(1e-3 * LOGITS)) > UNSEEN


def test_no_noise_is_no_figure() -> None:
    assert decibels_text(decibels(0.0)) == decibels_text(decibels(1e-300)) == "above 138 dB"
    assert decibels_text(decibels(1e-3)) == "30.0 dB"
