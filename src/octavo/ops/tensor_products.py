"""Operators with one weight on Keras tensors, without bias and activation, for what trains the weight."""

from __future__ import annotations

from typing import Any

from octavo.ops.window import Padding, window_over


def convolved(ops: Any, options: Any, images: Any, kernel_ohwi: Any) -> Any:
    """CONV_2D of [n, h, w, groups * in] and [out, kh, kw, in]: [n, oh, ow, out]."""
    return ops.conv(
        _padded(ops, options, images, kernel_ohwi.shape),
        ops.transpose(kernel_ohwi, (1, 2, 3, 0)),
        (options.stride_h, options.stride_w),
        "valid",
        data_format="channels_last",
        dilation_rate=(options.dilation_h_factor, options.dilation_w_factor),
    )


def convolved_by_channel(ops: Any, options: Any, images: Any, kernel: Any) -> Any:
    """DEPTHWISE_CONV_2D of [n, h, w, c] and [1, kh, kw, c * multiplier]: [n, oh, ow, c * multiplier].

    A sum over the taps of the kernel, each a product with a shifted image: backends are slow to train grouped
    convolutions.
    """
    padded = _padded(ops, options, images, kernel.shape)
    if options.depth_multiplier > 1:
        padded = ops.repeat(padded, options.depth_multiplier, axis=3)
    _, height, width, _ = kernel.shape
    step_h, step_w = options.dilation_h_factor, options.dilation_w_factor
    reach_h, reach_w = padded.shape[1] - (height - 1) * step_h, padded.shape[2] - (width - 1) * step_w
    total = None
    for i in range(height):
        for j in range(width):
            top, left = i * step_h, j * step_w
            cells = padded[:, top : top + reach_h : options.stride_h, left : left + reach_w : options.stride_w]
            product = cells * kernel[0, i, j]
            total = product if total is None else total + product
    return total


def multiplied(ops: Any, options: Any, x: Any, weights_oi: Any) -> Any:
    """FULLY_CONNECTED of [..., in] and [out, in]: [..., out], or rows of it."""
    rows = x if options.keep_num_dims else ops.reshape(x, (-1, weights_oi.shape[1]))
    return ops.matmul(rows, ops.transpose(weights_oi))


def _padded(ops: Any, options: Any, images: Any, kernel: Any) -> Any:
    """With the zeros of SAME padding around."""
    window = window_over(
        (1, *images.shape[1:]),
        (kernel[1], kernel[2]),
        (options.stride_h, options.stride_w),
        Padding(options.padding),
        (options.dilation_h_factor, options.dilation_w_factor),
    )
    pads = ((0, 0), (window.pad_top, window.pad_bottom), (window.pad_left, window.pad_right), (0, 0))
    return ops.pad(images, pads) if any(map(any, pads)) else images
