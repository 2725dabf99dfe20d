"""Options, shape rules and reference kernels of the convolutions.

The float and the integer kernel of an operator share one accumulation: float32 arrays in, float32 sums out;
centred integers in float64 in, exact sums out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.ir.types import Options, Shape, Tensor
from octavo.ops.accumulate import centred, requantize
from octavo.ops.fused import FusedActivation, clamp_real
from octavo.ops.spec import Operand
from octavo.ops.window import Padding, output_size, pad_before_after, patches


@dataclass(frozen=True, slots=True)
class Conv2DOptions(Options):
    """Options of CONV_2D."""

    table = "Conv2DOptions"
    padding: Padding = Padding.SAME
    stride_w: int = 1
    stride_h: int = 1
    dilation_w_factor: int = 1
    dilation_h_factor: int = 1
    fused_activation_function: FusedActivation = FusedActivation.NONE


@dataclass(frozen=True, slots=True)
class DepthwiseConv2DOptions(Options):
    """Options of DEPTHWISE_CONV_2D; output channel `c * depth_multiplier + m` is the m-th of input channel c."""

    table = "DepthwiseConv2DOptions"
    padding: Padding = Padding.SAME
    stride_w: int = 1
    stride_h: int = 1
    depth_multiplier: int = 1
    dilation_w_factor: int = 1
    dilation_h_factor: int = 1
    fused_activation_function: FusedActivation = FusedActivation.NONE


@dataclass(frozen=True, slots=True)
class TransposeConvOptions(Options):
    """Options of TRANSPOSE_CONV."""

    table = "TransposeConvOptions"
    padding: Padding = Padding.SAME
    stride_w: int = 1
    stride_h: int = 1
    fused_activation_function: FusedActivation = FusedActivation.NONE


def conv_2d_shapes(options: Conv2DOptions, inputs: Sequence[Tensor | None]) -> tuple[Shape, ...]:
    """[n, h, w, groups * in] x kernel [out, kh, kw, in] -> [n, oh, ow, out]."""
    images, kernel = inputs[0], inputs[1]
    assert images is not None
    assert kernel is not None
    return ((images.shape[0], *_output_size(options, images.shape, kernel.shape), kernel.shape[0]),)


def conv_2d_float(options: Conv2DOptions, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """Float reference of CONV_2D."""
    images, kernel_ohwi, bias = (*inputs, None)[:3]
    assert images is not None
    assert kernel_ohwi is not None
    return _finish(correlate(options, images, kernel_ohwi), bias, options.fused_activation_function)


def conv_2d_integer(
    options: Conv2DOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of CONV_2D: padded cells hold the zero point, so they add nothing.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/conv.h.
    """
    images, kernel, bias = (*inputs, None)[:3]
    assert images is not None
    assert kernel is not None
    accumulator = correlate(options, centred(images), kernel.values.astype(np.float64))
    return requantize(accumulator, images, kernel, bias, outputs[0], options.fused_activation_function)


def correlate(options: Conv2DOptions, images: np.ndarray, kernel_ohwi: np.ndarray) -> np.ndarray:
    """Every window times every kernel, [n, oh, ow, out]; channel group g feeds the g-th share of outputs."""
    windows = np.moveaxis(_windows(options, images, kernel_ohwi), 3, -1)
    positions, (out, *_, in_group) = windows.shape[:3], kernel_ohwi.shape
    groups = images.shape[3] // in_group
    rows = windows.reshape(*windows.shape[:5], groups, in_group).transpose(5, 0, 1, 2, 3, 4, 6)
    matrices = kernel_ohwi.reshape(groups, out // groups, -1).transpose(0, 2, 1)
    products = rows.reshape(groups, -1, matrices.shape[1]) @ matrices
    return products.transpose(1, 0, 2).reshape(*positions, out)


def depthwise_conv_2d_shapes(options: DepthwiseConv2DOptions, inputs: Sequence[Tensor | None]) -> tuple[Shape, ...]:
    """[n, h, w, in] x kernel [1, kh, kw, in * depth_multiplier] -> [n, oh, ow, in * depth_multiplier]."""
    images, kernel = inputs[0], inputs[1]
    assert images is not None
    assert kernel is not None
    return ((images.shape[0], *_output_size(options, images.shape, kernel.shape), kernel.shape[3]),)


def depthwise_conv_2d_float(
    options: DepthwiseConv2DOptions, inputs: Sequence[np.ndarray | None]
) -> tuple[np.ndarray, ...]:
    """Float reference of DEPTHWISE_CONV_2D."""
    images, kernel_1hwc, bias = (*inputs, None)[:3]
    assert images is not None
    assert kernel_1hwc is not None
    return _finish(correlate_depthwise(options, images, kernel_1hwc), bias, options.fused_activation_function)


def depthwise_conv_2d_integer(
    options: DepthwiseConv2DOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of DEPTHWISE_CONV_2D.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/depthwise_conv.h.
    """
    images, kernel, bias = (*inputs, None)[:3]
    assert images is not None
    assert kernel is not None
    accumulator = correlate_depthwise(options, centred(images), kernel.values.astype(np.float64))
    return requantize(accumulator, images, kernel, bias, outputs[0], options.fused_activation_function)


def correlate_depthwise(options: DepthwiseConv2DOptions, images: np.ndarray, kernel_1hwc: np.ndarray) -> np.ndarray:
    """Sums over each channel's own windows: [n, oh, ow, in * depth_multiplier]."""
    windows = _windows(options, images, kernel_1hwc)
    height, width = kernel_1hwc.shape[1:3]
    taps = kernel_1hwc.reshape(height, width, images.shape[3], -1)
    total = np.zeros((*windows.shape[:4], taps.shape[3]), images.dtype)
    for i, j in np.ndindex(height, width):
        total += windows[..., i, j, None] * taps[i, j]
    return total.reshape(*windows.shape[:3], -1)


def transpose_conv_shapes(options: TransposeConvOptions, inputs: Sequence[Tensor | None]) -> tuple[Shape, ...]:
    """The output's shape is an operand: shape [4], weights [out, kh, kw, in], data [n, h, w, in], bias [out]."""
    shape, images = inputs[0], inputs[2]
    assert shape is not None
    assert shape.data is not None
    assert images is not None
    return ((images.shape[0], *(int(size) for size in shape.data[1:])),)


def transpose_conv_float(options: TransposeConvOptions, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """Float reference of TRANSPOSE_CONV."""
    shape, kernel_ohwi, images, bias = (*inputs, None)[:4]
    assert shape is not None
    assert kernel_ohwi is not None
    assert images is not None
    return _finish(scatter(options, images, kernel_ohwi, shape), bias, options.fused_activation_function)


def transpose_conv_integer(
    options: TransposeConvOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of TRANSPOSE_CONV.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/transpose_conv.h.
    """
    shape, kernel, images, bias = (*inputs, None)[:4]
    assert shape is not None
    assert kernel is not None
    assert images is not None
    accumulator = scatter(options, centred(images), kernel.values.astype(np.float64), shape.values)
    return requantize(accumulator, images, kernel, bias, outputs[0], options.fused_activation_function)


def scatter(
    options: TransposeConvOptions, images: np.ndarray, kernel_ohwi: np.ndarray, shape: np.ndarray
) -> np.ndarray:
    """Add every cell's product with the kernel at `stride` times its place, then cut the padding off.

    Args:
        options: Padding and strides, of the convolution that this one reverses.
        images: [n, h, w, in].
        kernel_ohwi: [out, kh, kw, in].
        shape: [4]; height and width of the result count.

    Returns:
        [n, shape[1], shape[2], out].
    """
    (batch, height, width, _), (out, *window, _) = images.shape, kernel_ohwi.shape
    strides, wanted = (options.stride_h, options.stride_w), (int(shape[1]), int(shape[2]))
    starts = [pad_before_after(wanted[i], window[i], strides[i], options.padding)[0] for i in (0, 1)]
    spans = [(size - 1) * stride + 1 for size, stride in zip((height, width), strides, strict=True)]
    canvas_size = [max(spans[i] + window[i] - 1, starts[i] + wanted[i]) for i in (0, 1)]
    canvas = np.zeros((batch, *canvas_size, out), images.dtype)
    for i, j in np.ndindex(*window):
        places = canvas[:, i : i + spans[0] : strides[0], j : j + spans[1] : strides[1]]
        places += images @ kernel_ohwi[:, i, j].T
    return canvas[:, starts[0] : starts[0] + wanted[0], starts[1] : starts[1] + wanted[1]]


def kernel_window(options: Options, inputs: Sequence[Tensor | None]) -> tuple[int, int]:
    """Height and width of a kernel [., kh, kw, .]."""
    kernel = inputs[1]
    assert kernel is not None
    return kernel.shape[1], kernel.shape[2]


def _output_size(options: Conv2DOptions | DepthwiseConv2DOptions, images: Shape, kernel: Shape) -> tuple[int, int]:
    return (
        output_size(images[1], kernel[1], options.stride_h, options.padding, options.dilation_h_factor),
        output_size(images[2], kernel[2], options.stride_w, options.padding, options.dilation_w_factor),
    )


def _windows(options: Conv2DOptions | DepthwiseConv2DOptions, images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """[n, oh, ow, in, kh, kw], see `patches`."""
    return patches(
        images,
        (kernel.shape[1], kernel.shape[2]),
        (options.stride_h, options.stride_w),
        options.padding,
        (options.dilation_h_factor, options.dilation_w_factor),
    )


def _finish(sums: np.ndarray, bias: np.ndarray | None, activation: FusedActivation) -> tuple[np.ndarray, ...]:
    return (clamp_real(sums if bias is None else sums + bias, activation),)
