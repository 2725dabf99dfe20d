"""Moments of a layer's inputs, gathered in float32 blocks."""

from __future__ import annotations

import numpy as np

from octavo.condition.moments import ROWS, ROWS_OF_INPUT, VALUES, Moments, places


def rows(given_of_first: float, blocks: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
    """Inputs of two groups, whose first two rounding holds at one value, and the third near it."""
    rng = np.random.default_rng(3)
    found = []
    for number in range(blocks):
        wanted = np.maximum(rng.normal(0.3 + number, 0.5, (2, 1 << 11, 4)), 0).astype(np.float32)
        given = wanted.copy()
        given[..., :2] = given_of_first
        found.append((wanted, given))
    return found


def test_inputs_that_rounding_holds_at_one_value_leave_moments_positive_definite() -> None:
    for value in (0.0, 0.1, 6.0):
        for damped in Moments.of(rows(value), centred=True).damped(0.01):
            assert np.linalg.eigvalsh(damped).min() > 0


def test_a_layer_of_constant_inputs_alone_has_positive_definite_moments() -> None:
    flat = [(wanted, np.full_like(given, 0.1)) for wanted, given in rows(0.1)]
    moments = Moments.of(flat, centred=True)
    assert not moments.given.any()
    assert np.linalg.eigvalsh(moments.damped(0.01)).min() > 0


def test_centred_moments_are_the_covariances_of_all_rows() -> None:
    found = rows(0.1)
    wanted, given = (np.concatenate(parts, axis=1)[1].astype(np.float64) for parts in zip(*found, strict=True))
    moments = Moments.of(found, centred=True)
    assert np.allclose(moments.given_mean[1], given.mean(axis=0), rtol=1e-6)
    assert np.allclose(moments.wanted_mean[1], wanted.mean(axis=0), rtol=1e-6)
    deviations = given - given.mean(axis=0), wanted - wanted.mean(axis=0)
    for found_moments, other in ((moments.given, deviations[0]), (moments.cross, deviations[1])):
        expected = deviations[0].T @ other / len(given)
        # Sums of a block's float32 products.
        assert np.allclose(found_moments[1], expected, atol=(1 << 11) * np.finfo(np.float32).eps * expected.max())


def test_places_that_are_left_out_are_others_in_each_sample_and_fewer_where_they_are_wide() -> None:
    first_column = np.arange(1 << 8) % 4 == 0
    for groups, inputs, rows in ((1, VALUES, ROWS), (VALUES // 2048, 4, 512), (VALUES, 4, 4 * ROWS_OF_INPUT)):
        samples = 4 * rows // first_column.size
        looked_at = [first_column[places(i, samples, first_column.size, groups, inputs)] for i in range(samples)]
        assert sum(map(len, looked_at)) == rows
        assert np.mean(np.concatenate(looked_at)) == 0.25
