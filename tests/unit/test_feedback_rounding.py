"""Rounding that passes errors on: what it brings, and what it never does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from octavo.numerics.feedback_rounding import nearest, product_error, refine, round_with_feedback

SEEDS = pytest.mark.parametrize("seed", range(5))


def problem(seed: int, inputs: int, outputs: int, groups: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, moments of correlated inputs, and scales."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(groups, 4 * inputs, inputs)) @ rng.normal(size=(groups, inputs, inputs))
    moments = x.transpose(0, 2, 1) @ x / x.shape[1] + 1e-3 * np.eye(inputs)
    w = rng.normal(size=(groups, inputs, outputs))
    return w, moments, np.abs(w).max(axis=1, keepdims=True) / 7


def test_inputs_without_correlation_round_to_nearest() -> None:
    w, _, scale = problem(0, 6, 4)
    moments = np.stack([np.diag([3.0, 1.0, 2.0, 5.0, 4.0, 1.0])] * 2)
    assert np.array_equal(round_with_feedback(w, moments, scale, 7), nearest(w, scale, 7))


@SEEDS
@pytest.mark.parametrize("inputs", [3, 80])
def test_products_keep_closer_than_by_rounding_to_nearest_and_closer_still_when_refined(seed: int, inputs: int) -> None:
    w, moments, scale = problem(seed, inputs, 8)
    plain = nearest(w, scale, 7)
    fed = round_with_feedback(w, moments, scale, 7)
    refined = refine(fed, w, moments, scale, 7, sweeps=10)
    errors = [product_error(q * scale - w, moments) for q in (plain, fed, refined)]
    assert errors[1].sum() < errors[0].sum()
    # Sums of `inputs` squared products in double precision.
    assert (errors[2] <= errors[1] * (1 + 1e-12)).all()
    assert all(np.array_equal(q, np.rint(q)) and np.abs(q).max() <= 7 for q in (fed, refined))


@SEEDS
def test_the_error_is_never_below_the_least_there_is(seed: int) -> None:
    w, moments, scale = problem(seed, 3, 1, groups=1)
    every = np.array(list(itertools.product(range(-2, 3), repeat=3)), np.float64)[:, np.newaxis, :, np.newaxis]
    wide = scale * 3.5
    least = min(float(product_error(q * wide - w, moments).sum()) for q in every)
    found = refine(round_with_feedback(w, moments, wide, 2), w, moments, wide, 2, sweeps=10)
    error = float(product_error(found * wide - w, moments).sum())
    assert least <= error * (1 + 1e-12)
    assert any(np.array_equal(found, q) for q in every)


def test_what_cannot_be_improved_stays() -> None:
    w, moments, scale = problem(1, 5, 3)
    exact = nearest(w, scale, 7)
    assert np.array_equal(refine(exact, exact * scale, moments, scale, 7, sweeps=3), exact)
