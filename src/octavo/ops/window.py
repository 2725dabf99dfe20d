"""Sliding windows: the padding arithmetic and the patches that convolutions and poolings share."""

from __future__ import annotations

import enum
import itertools
import math
from dataclasses import dataclass

import numpy as np

from octavo.ir.types import Shape


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


@dataclass(frozen=True, slots=True)
class Window:
    """How a window moves over images.

    Attributes:
        height, width: In taps.
        stride_h, stride_w: Cells from one window to the next.
        dilation_h, dilation_w: Cells from one tap to the next.
        pad_top, pad_bottom, pad_left, pad_right: Cells around the image.
    """

    height: int
    width: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_bottom: int
    pad_left: int
    pad_right: int


def window_over(
    images: Shape,
    size: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
    dilation: tuple[int, int] = (1, 1),
) -> Window:
    """The window over images of a shape.

    Args:
        images: [batch, height, width, channels].
        size: Height and width in taps.
        stride: Down and across.
        padding: SAME or VALID.
        dilation: Down and across.
    """
    pads = (pad_before_after(images[1 + i], size[i], stride[i], padding, dilation[i]) for i in (0, 1))
    return Window(*size, *stride, *dilation, *itertools.chain(*pads))


def patches(images: np.ndarray, window: Window, fill: float = 0) -> np.ndarray:
    """The windows of each image as a strided view of its padded copy.

    Args:
        images: [batch, height, width, channels].
        window: Over images of this height and width.
        fill: Value of padded cells.

    Returns:
        [batch, out_height, out_width, channels, window_height, window_width], read-only.
    """
    pads = ((0, 0), (window.pad_top, window.pad_bottom), (window.pad_left, window.pad_right), (0, 0))
    padded = np.pad(images, pads, constant_values=fill) if any(map(any, pads)) else images
    reach = ((window.height - 1) * window.dilation_h + 1, (window.width - 1) * window.dilation_w + 1)
    view = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(1, 2))
    return view[:, :: window.stride_h, :: window.stride_w, :, :: window.dilation_h, :: window.dilation_w]


def cells_at(images: Shape, window: Window, places: slice) -> np.ndarray:
    """What the windows at some of all positions hold.

    Args:
        images: [batch, height, width, channels].
        window: Over images of this height and width.
        places: Of [batch, out_height, out_width], numbered.

    Returns:
        Cells of [batch, height, width], numbered, -1 beyond the border; [positions, window_height, window_width].
    """
    batch, height, width, _ = images
    sides = (
        (height, window.pad_top, window.pad_bottom, window.height, window.stride_h, window.dilation_h),
        (width, window.pad_left, window.pad_right, window.width, window.stride_w, window.dilation_w),
    )
    sizes = (
        (size + before + after - (taps - 1) * dilation - 1) // stride + 1
        for size, before, after, taps, stride, dilation in sides
    )
    count = batch, *sizes
    image, *corners = np.unravel_index(np.arange(math.prod(count))[places], count)
    rows, columns = (
        corner[:, np.newaxis] * stride - before + np.arange(taps) * dilation
        for corner, (_, before, _, taps, stride, dilation) in zip(corners, sides, strict=True)
    )
    rows, columns = rows[:, :, np.newaxis], columns[:, np.newaxis]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside, (image[:, np.newaxis, np.newaxis] * height + rows) * width + columns, -1)
