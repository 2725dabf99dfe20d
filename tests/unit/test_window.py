"""Windows against a loop over places and taps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from octavo.ops.window import Padding, output_size, pad_before_after, patches, window_over

sides = st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))


@given(sides, st.sampled_from(Padding))
def test_the_last_window_is_the_last_that_fits(side: tuple[int, int, int, int], padding: Padding) -> None:
    size, window, stride, dilation = side
    reach = (window - 1) * dilation + 1
    before, after = pad_before_after(size, window, stride, padding, dilation)
    padded = before + size + after
    assume(padded >= reach)
    count = output_size(size, window, stride, padding, dilation)
    end = (count - 1) * stride + reach
    assert end <= padded
    if padding is Padding.VALID:
        assert end + stride > padded


@given(sides)
def test_same_padding_divides_the_size_by_the_stride_and_puts_the_odd_cell_behind(
    side: tuple[int, int, int, int],
) -> None:
    size, window, stride, dilation = side
    assert output_size(size, window, stride, Padding.SAME, dilation) == -(-size // stride)
    before, after = pad_before_after(size, window, stride, Padding.SAME, dilation)
    assert after - before in (0, 1)


@given(sides, sides, st.sampled_from(Padding))
def test_patches_hold_what_a_loop_over_places_and_taps_finds(
    rows: tuple[int, int, int, int], columns: tuple[int, int, int, int], padding: Padding
) -> None:
    height, width = rows[0], columns[0]
    window, stride, dilation = ((rows[i], columns[i]) for i in (1, 2, 3))
    counts = [output_size(side[0], side[1], side[2], padding, side[3]) for side in (rows, columns)]
    assume(min(counts) > 0)
    before = [pad_before_after(side[0], side[1], side[2], padding, side[3])[0] for side in (rows, columns)]
    images = np.arange(1, 1 + 2 * height * width * 2).reshape(2, height, width, 2)
    got = patches(images, window_over(images.shape, window, stride, padding, dilation), fill=-7)
    assert got.shape == (2, *counts, 2, *window)
    for y, x, i, j in np.ndindex(*counts, *window):
        row, column = (
            place * stride[k] + tap * dilation[k] - before[k] for k, (place, tap) in enumerate([(y, i), (x, j)])
        )
        inside = 0 <= row < height and 0 <= column < width
        expected = images[:, row, column] if inside else np.full((2, 2), -7)
        assert np.array_equal(got[:, y, x, :, i, j], expected)


def test_patches_cannot_be_written_to() -> None:
    view = patches(np.zeros((1, 4, 4, 1)), window_over((1, 4, 4, 1), (2, 2), (1, 1), Padding.VALID))
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0, 0, 0, 0, 0] = 1.0
