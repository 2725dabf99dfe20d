"""Functions as tables over integers."""

from __future__ import annotations

import numpy as np

from octavo.numerics.lookup import int8_table, int16_table, look_up_int8, look_up_int16, rounded_once, sigmoid_table

INT8 = np.arange(-128, 128).astype(np.int8)
INT16 = np.arange(-(2**15), 2**15).astype(np.int16)


def test_the_table_of_the_identity_is_the_identity() -> None:
    assert np.array_equal(look_up_int8(INT8, int8_table(lambda x: x, 0.1, 3, 0.1, 3)), INT8)


def test_an_int8_table_rounds_once_and_saturates() -> None:
    table = int8_table(rounded_once(np.exp), 0.05, -20, 0.1, -128)
    exact = np.exp((INT8.astype(float) + 20) * 0.05) / 0.1 - 128
    within = exact < 127.4
    assert np.abs(table - exact)[within].max() <= 0.5 + 1e-4
    assert set(table[~within]) == {127}


def test_an_interpolated_line_is_the_line() -> None:
    scale = 2.0**-12
    table = int16_table(lambda x: x, -(2.0**15) * scale, (2**15 - 1) * scale, scale)
    # 512 intervals do not divide 65535 steps: the ends of the line are a step off.
    assert np.abs(look_up_int16(INT16, table) - INT16).max() <= 1


def test_an_interpolated_curve_is_within_the_curvature_of_its_intervals() -> None:
    scale, out_scale = 2.0**-13, 2.0**-15
    table = int16_table(np.tanh, -(2.0**15) * scale, (2**15 - 1) * scale, out_scale)
    steps = look_up_int16(INT16, table)
    # A straight line over an interval of width h errs by max|f''| / 8 * h**2, and tanh'' is below 0.77. Intervals of
    # 128 steps drift by up to a step from the table's, where tanh' is at most 1. Three roundings err by half a step.
    width = 128 * scale
    allowed = (0.77 / 8 * width**2 + scale) / out_scale + 1.5
    assert np.abs(steps - np.tanh(INT16 * scale) / out_scale).max() <= allowed


def test_a_step_too_large_for_int16_wraps_around() -> None:
    table = np.zeros(513, np.int64)
    table[256], table[257] = -32768, 32767
    # 65535 is -1 in 16 bits, so that half way up is a half step down.
    assert look_up_int16(np.array([0, 64, 127], np.int16), table).tolist() == [-32768, -32768, 32767]


def test_the_sigmoid_table_rises_from_one_half_to_one() -> None:
    table = sigmoid_table()
    assert (table[0], table[-1]) == (2**15, 2**16 - 1)
    assert np.all(np.diff(table) >= 0)
    assert np.abs(table[:-1] - 2**16 / (1 + np.exp(-np.arange(255) / 24))).max() < 2
