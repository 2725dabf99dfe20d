"""A step is kept by the gains of single samples, held against how they differ."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.condition.trial import surely_less

BEFORE = np.full(64, 0.01)


@pytest.mark.parametrize("count", [2, 4, 10, 64])
def test_what_neither_helps_nor_harms_is_mostly_left_out(count: int) -> None:
    rng = np.random.default_rng(count)
    before = BEFORE[:count]
    kept = [surely_less(before + rng.normal(0, 1e-3, count), before) for _ in range(1000)]
    # One in six by one standard error; the mean alone would keep half.
    assert 0.12 < np.mean(kept) < 0.20


@pytest.mark.parametrize("count", [2, 10, 64])
def test_what_helps_every_sample_alike_is_kept_of_few_samples_too(count: int) -> None:
    before, gains = BEFORE[:count], np.linspace(0.001, 0.002, count)
    assert surely_less(before - gains, before)
    assert not surely_less(before + gains, before)


def test_one_sample_and_no_change_tell_nothing() -> None:
    assert not surely_less(BEFORE[:1] / 2, BEFORE[:1])
    assert not surely_less(BEFORE, BEFORE)


def test_what_no_runtime_computes_gives_way_to_what_one_does() -> None:
    nothing = np.full(3, np.inf)
    assert surely_less(BEFORE[:3], nothing)
    assert not surely_less(nothing, BEFORE[:3])
    assert not surely_less(nothing, nothing)
