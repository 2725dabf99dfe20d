"""The share of outputs' signal that is noise: what hides nothing, and what raises no alarm."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.diagnosis.noise import noise_share
from octavo.diagnosis.trial import Outcome

LOGITS = np.random.default_rng(1).normal(0, 5, (200, 10))


def shares(wanted: np.ndarray, off: np.ndarray | float) -> float:
    return float(noise_share({"out": wanted + off}, {"out": wanted}).mean())


@pytest.mark.parametrize("offset", [0.0, 300.0, -4000.0])
def test_an_offset_of_all_logits_hides_no_loss(offset: float) -> None:
    assert shares(LOGITS + offset, 3.0) == pytest.approx(shares(LOGITS, 3.0), rel=1e-9)


def test_one_logit_far_from_the_others_hides_no_loss() -> None:
    far = np.where(np.arange(10) == 9, -3000.0, 0.0)
    assert shares(LOGITS + far, 3.0) == pytest.approx(shares(LOGITS, 3.0), rel=1e-9)


def test_outputs_that_hardly_differ_between_samples_count_as_if_they_did() -> None:
    means = np.random.default_rng(2).normal(0, 5, 10)
    still = means + 1e-3 * LOGITS
    assert shares(still, 0.05) < 0.05
    assert shares(np.full((50, 1), 0.5), 0.001) < 0.01


def test_the_worst_samples_count_and_never_alone() -> None:
    def noise(*each: float) -> float:
        return Outcome(np.array(each), {}).noise

    assert noise(0.01, 0.01, 0.01, 1.0) > 10 * noise(0.01, 0.01, 0.01, 0.01)
    assert noise(0.01, 0.01, 0.01, 1e4) < 5 * noise(1.0, 1.0, 1.0, 1.0)
    assert noise(50.0, 50.0) > 2 * noise(1.0, 1.0)
