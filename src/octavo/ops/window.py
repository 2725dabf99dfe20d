"""Sliding windows: the padding arithmetic and the patches that convolutions and poolings share."""

from __future__ import annotations

import enum

import numpy as np


class Padding(enum.IntEnum):
    """Values of the schema's `Padding`."""

    SAME = 0
    VALID = 1


class Border(enum.Enum):
    """What a window finds beyond the border of an image: a number that counts, or nothing."""

    ZERO = "zeros"
    LOWEST = "less than any value"
    NOTHING = "nothing, which is left out of the average"


def output_size(size: int, window: int, stride: int, padding: Padding, dilation: int = 1) -> int:
    """Output length of one spatial dimension."""
    effective = (window - 1) * dilation + 1
    return -(-size // stride) if padding is Padding.SAME else -(-(size - effective + 1) // stride)


def pad_before_after(size: int, window: int, stride: int, padding: Padding, dilation: int = 1) -> tuple[int, int]:
    """Padding in front of and behind one spatial dimension; SAME puts the odd one behind.

    Source: tensorflow/lite/kernels/padding.h, ComputePaddingWithOffset.
    """
    if padding is Padding.VALID:
        return 0, 0
    effective = (window - 1) * dilation + 1
    total = max(0, (output_size(size, window, stride, padding) - 1) * stride + effective - size)
    return total // 2, total - total // 2


def patches(
    images: np.ndarray,
    window: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
    dilation: tuple[int, int] = (1, 1),
    fill: float = 0,
) -> np.ndarray:
    """The windows of each image as a strided view of its padded copy.

    Args:
        images: [batch, height, width, channels].
        window: Height and width in taps.
        stride: Down and across.
        padding: SAME or VALID.
        dilation: Cells from one tap to the next, down and across.
        fill: Value of padded cells.

    Returns:
        [batch, out_height, out_width, channels, window_height, window_width], read-only.
    """
    pads = [pad_before_after(images.shape[1 + i], window[i], stride[i], padding, dilation[i]) for i in (0, 1)]
    padded = np.pad(images, [(0, 0), *pads, (0, 0)], constant_values=fill) if any(map(any, pads)) else images
    effective = tuple((window[i] - 1) * dilation[i] + 1 for i in (0, 1))
    view = np.lib.stride_tricks.sliding_window_view(padded, effective, axis=(1, 2))
    return view[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
