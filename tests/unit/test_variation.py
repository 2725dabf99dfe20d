"""Samples that others are made of: as many, alike in kind, the same for the same draw."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.condition.variation import MOST_MIXED, varied


def drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("shape", [(6, 32, 32, 3), (6, 20, 24, 1), (6, 16), (6, 7, 3)])
def test_what_is_made_is_of_the_kind_of_what_was_given(shape: tuple[int, ...]) -> None:
    given = drawn(1).normal(size=shape).astype(np.float32)
    kept = given.copy()
    (made,), (again,) = (varied([given], drawn()) for _ in range(2))
    assert (made.shape, made.dtype) == (given.shape, given.dtype)
    assert np.array_equal(given, kept)
    assert np.array_equal(made, again)
    assert not np.array_equal(made, given)
    assert given.min() <= made.min() <= made.max() <= given.max()


def test_images_are_cut_and_mirrored_and_spectrograms_are_not() -> None:
    ascending = np.linspace(0, 1, 32, dtype=np.float32)
    images = np.broadcast_to(ascending[:, np.newaxis], (64, 32, 32, 3))
    (made,) = varied([images], drawn())
    slopes = np.diff(made, axis=2).mean(axis=(1, 2, 3))
    assert slopes.min() < 0 < slopes.max()
    spectrograms = np.broadcast_to(ascending[:, np.newaxis], (64, 20, 32, 1))
    (made,) = varied([spectrograms], drawn())
    assert np.allclose(made, spectrograms)


def test_all_inputs_are_mixed_alike_and_no_more_than_half() -> None:
    first = np.eye(8, dtype=np.float32)
    made = varied([first, 2 * first], drawn())
    assert np.allclose(2 * made[0], made[1])
    assert (np.diagonal(made[0]) >= 1 - MOST_MIXED).all()
    assert np.count_nonzero(made[0]) > 8


def test_integers_are_names_of_things_and_stay() -> None:
    words, numbers = np.arange(12).reshape(4, 3), drawn(1).normal(size=(4, 5)).astype(np.float32)
    made = varied([words, numbers], drawn())
    assert np.array_equal(made[0], words)
    assert np.array_equal(made[1], numbers)
