"""Options, shape rules and reference kernels of the convolutions.

The float and the integer kernel of an operator share one accumulation: float32 arrays in, float32 sums out;
centred integers in float64 in, exact sums out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Shape, Tensor
from octavo.ops.accumulate import AccumulatorConstants, centred, requantization
from octavo.ops.fused import FusedActivation, clamp_real
from octavo.ops.matrix_form import MatrixForm
from octavo.ops.spec import Kernel
from octavo.ops.tensor_products import convolved, convolved_by_channel
from octavo.ops.window import Padding, Window, cells_at, output_size, pad_before_after, patches, window_over


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


def conv_2d_shapes(options: Conv2DOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """[n, h, w, groups * in] x kernel [out, kh, kw, in] -> [n, oh, ow, out]."""
    images, kernel = inputs[0], inputs[1]
    return ((images.shape[0], *_output_size(options, images.shape, kernel.shape), kernel.shape[0]),)


def conv_2d_float(options: Conv2DOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Float reference of CONV_2D."""
    sums = correlate(conv_window(options, inputs[0].shape, inputs[1].shape), inputs[0], inputs[1])
    return _finish(sums, inputs.get(2), options.fused_activation_function)


@dataclass(frozen=True, slots=True, eq=False)
class ConvConstants(AccumulatorConstants):
    """What CONV_2D and DEPTHWISE_CONV_2D run with.

    Attributes:
        window: Over the images.
    """

    window: Window


def prepare_conv(
    options: Conv2DOptions | DepthwiseConv2DOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]
) -> ConvConstants:
    """The constants of CONV_2D or DEPTHWISE_CONV_2D."""
    images, kernel = inputs[0], inputs[1]
    requantized = requantization(images, kernel, inputs.get(2), outputs[0], options.fused_activation_function)
    return ConvConstants(-images.zero_point, requantized, conv_window(options, images.shape, kernel.shape))


def run_conv_2d(constants: ConvConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of CONV_2D: padded cells hold the zero point, so they add nothing.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/conv.h.
    """
    images, kernel = centred(arrays[0], constants.input_offset), arrays[1].astype(np.float64)
    return constants.requantization.apply(correlate(constants.window, images, kernel), arrays.get(2))


def correlate(window: Window, images: np.ndarray, kernel_ohwi: np.ndarray) -> np.ndarray:
    """Every window times every kernel, [n, oh, ow, out]; channel group g feeds the g-th share of outputs."""
    windows = patches(images, window)
    products = _grouped_rows(np.moveaxis(windows, 3, -1), kernel_ohwi.shape) @ _grouped_matrices(
        images.shape, kernel_ohwi
    )
    return products.transpose(1, 0, 2).reshape(*windows.shape[:3], kernel_ohwi.shape[0])


def _grouped_rows(windows: np.ndarray, kernel: Shape) -> np.ndarray:
    """Windows [..., kh, kw, in] -> [groups, positions, kh * kw * in of a group]."""
    in_group = kernel[3]
    by_group = windows.reshape(*windows.shape[:-1], -1, in_group)
    return np.moveaxis(by_group, -2, 0).reshape(by_group.shape[-2], -1, kernel[1] * kernel[2] * in_group)


def _grouped_matrices(images: Shape, kernel_ohwi: np.ndarray) -> np.ndarray:
    groups = images[3] // kernel_ohwi.shape[3]
    return kernel_ohwi.reshape(groups, kernel_ohwi.shape[0] // groups, -1).transpose(0, 2, 1)


def _window_rows(options: Conv2DOptions, images: np.ndarray, kernel: Shape, places: slice) -> np.ndarray:
    """[groups, positions, kh * kw * in of a group]."""
    cells = cells_at(images.shape, conv_window(options, images.shape, kernel), places)
    windows = images.reshape(-1, images.shape[3])[cells]
    windows[cells < 0] = 0
    return _grouped_rows(windows, kernel)


CONV_2D_MATRIX_FORM = MatrixForm(
    rows=_window_rows,
    matrices=_grouped_matrices,
    weight=lambda matrices, kernel: matrices.transpose(0, 2, 1).reshape(kernel),
    on_tensors=convolved,
)


def depthwise_conv_2d_shapes(options: DepthwiseConv2DOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """[n, h, w, in] x kernel [1, kh, kw, in * depth_multiplier] -> [n, oh, ow, in * depth_multiplier]."""
    images, kernel = inputs[0], inputs[1]
    return ((images.shape[0], *_output_size(options, images.shape, kernel.shape), kernel.shape[3]),)


def depthwise_conv_2d_float(options: DepthwiseConv2DOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Float reference of DEPTHWISE_CONV_2D."""
    sums = correlate_depthwise(conv_window(options, inputs[0].shape, inputs[1].shape), inputs[0], inputs[1])
    return _finish(sums, inputs.get(2), options.fused_activation_function)


def run_depthwise_conv_2d(constants: ConvConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of DEPTHWISE_CONV_2D.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/depthwise_conv.h.
    """
    images, kernel = centred(arrays[0], constants.input_offset), arrays[1].astype(np.float64)
    return constants.requantization.apply(correlate_depthwise(constants.window, images, kernel), arrays.get(2))


def correlate_depthwise(window: Window, images: np.ndarray, kernel_1hwc: np.ndarray) -> np.ndarray:
    """Sums over each channel's own windows: [n, oh, ow, in * depth_multiplier]."""
    windows = patches(images, window)
    taps = kernel_1hwc.reshape(window.height, window.width, images.shape[3], -1)
    total = np.zeros((*windows.shape[:4], taps.shape[3]), images.dtype)
    for i, j in np.ndindex(window.height, window.width):
        total += windows[..., i, j, None] * taps[i, j]
    return total.reshape(*windows.shape[:3], -1)


def _channel_rows(options: DepthwiseConv2DOptions, images: np.ndarray, kernel: Shape, places: slice) -> np.ndarray:
    """[in, positions, kh * kw]."""
    cells = cells_at(images.shape, conv_window(options, images.shape, kernel), places)
    # Each channel's cells lie together, and behind them a zero for those beyond the border.
    channels = np.zeros((images.shape[3], images.size // images.shape[3] + 1), images.dtype)
    channels[:, :-1] = images.reshape(-1, images.shape[3]).T
    return np.take(channels, cells.reshape(len(cells), -1), axis=1)


DEPTHWISE_CONV_2D_MATRIX_FORM = MatrixForm(
    rows=_channel_rows,
    matrices=lambda images, kernel_1hwc: kernel_1hwc.reshape(
        -1, images[3], kernel_1hwc.shape[3] // images[3]
    ).transpose(1, 0, 2),
    weight=lambda matrices, kernel: matrices.transpose(1, 0, 2).reshape(kernel),
    on_tensors=convolved_by_channel,
)


def transpose_conv_shapes(options: TransposeConvOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """The output's shape is an operand: shape [4], weights [out, kh, kw, in], data [n, h, w, in], bias [out]."""
    return ((inputs[2].shape[0], *(int(size) for size in inputs[0].values[1:])),)


def transpose_conv_float(options: TransposeConvOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Float reference of TRANSPOSE_CONV."""
    shape, kernel_ohwi, images = inputs[0], inputs[1], inputs[2]
    placement = _placement(options, kernel_ohwi.shape, int(shape[1]), int(shape[2]))
    return _finish(scatter(placement, images, kernel_ohwi), inputs.get(3), options.fused_activation_function)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where TRANSPOSE_CONV adds the products of a cell with the kernel.

    Attributes:
        stride_h, stride_w: Result cells from one data cell's products to the next's.
        pad_top, pad_left: Cells cut off before the result.
        output_height, output_width: Of the result.
    """

    stride_h: int
    stride_w: int
    pad_top: int
    pad_left: int
    output_height: int
    output_width: int


@dataclass(frozen=True, slots=True, eq=False)
class TransposeConvConstants(AccumulatorConstants):
    """What TRANSPOSE_CONV runs with.

    Attributes:
        placement: Of its products.
    """

    placement: Placement


def prepare_transpose_conv(
    options: TransposeConvOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]
) -> TransposeConvConstants:
    """The constants of TRANSPOSE_CONV."""
    kernel, images, (output,) = inputs[1], inputs[2], outputs
    requantized = requantization(images, kernel, inputs.get(3), output, options.fused_activation_function)
    placement = _placement(options, kernel.shape, output.shape[1], output.shape[2])
    return TransposeConvConstants(-images.zero_point, requantized, placement)


def run_transpose_conv(constants: TransposeConvConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of TRANSPOSE_CONV.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/transpose_conv.h.
    """
    images, kernel = centred(arrays[2], constants.input_offset), arrays[1].astype(np.float64)
    return constants.requantization.apply(scatter(constants.placement, images, kernel), arrays.get(3))


def scatter(placement: Placement, images: np.ndarray, kernel_ohwi: np.ndarray) -> np.ndarray:
    """Add every cell's product with the kernel at `stride` times its place, then cut the padding off.

    Args:
        placement: Of the products.
        images: [n, h, w, in].
        kernel_ohwi: [out, kh, kw, in].

    Returns:
        [n, output_height, output_width, out].
    """
    (batch, height, width, _), (out, *window, _) = images.shape, kernel_ohwi.shape
    strides, starts = (placement.stride_h, placement.stride_w), (placement.pad_top, placement.pad_left)
    wanted = (placement.output_height, placement.output_width)
    spans = [(size - 1) * stride + 1 for size, stride in zip((height, width), strides, strict=True)]
    canvas_size = [max(spans[i] + window[i] - 1, starts[i] + wanted[i]) for i in (0, 1)]
    canvas = np.zeros((batch, *canvas_size, out), images.dtype)
    for i, j in np.ndindex(*window):
        places = canvas[:, i : i + spans[0] : strides[0], j : j + spans[1] : strides[1]]
        places += images @ kernel_ohwi[:, i, j].T
    return canvas[:, starts[0] : starts[0] + wanted[0], starts[1] : starts[1] + wanted[1]]


def kernel_window(options: Options, inputs: Inputs[Tensor]) -> tuple[int, int]:
    """Height and width of a kernel [., kh, kw, .]."""
    return inputs[1].shape[1], inputs[1].shape[2]


def _placement(options: TransposeConvOptions, kernel: Shape, height: int, width: int) -> Placement:
    """That of the convolution which this one reverses, from a result of this height and width."""
    top, _ = pad_before_after(height, kernel[1], options.stride_h, options.padding)
    left, _ = pad_before_after(width, kernel[2], options.stride_w, options.padding)
    return Placement(options.stride_h, options.stride_w, top, left, height, width)


def _output_size(options: Conv2DOptions | DepthwiseConv2DOptions, images: Shape, kernel: Shape) -> tuple[int, int]:
    return (
        output_size(images[1], kernel[1], options.stride_h, options.padding, options.dilation_h_factor),
        output_size(images[2], kernel[2], options.stride_w, options.padding, options.dilation_w_factor),
    )


def conv_window(options: Conv2DOptions | DepthwiseConv2DOptions, images: Shape, kernel: Shape) -> Window:
    """How a kernel [.., kh, kw, ..] moves over images [n, h, w, c]."""
    stride, dilation = (options.stride_h, options.stride_w), (options.dilation_h_factor, options.dilation_w_factor)
    return window_over(images, (kernel[1], kernel[2]), stride, options.padding, dilation)


def _finish(sums: np.ndarray, bias: np.ndarray | None, activation: FusedActivation) -> tuple[np.ndarray, ...]:
    return (clamp_real(sums if bias is None else sums + bias, activation),)


CONV_2D_KERNEL = Kernel(prepare_conv, run_conv_2d)
DEPTHWISE_CONV_2D_KERNEL = Kernel(prepare_conv, run_depthwise_conv_2d)
TRANSPOSE_CONV_KERNEL = Kernel(prepare_transpose_conv, run_transpose_conv)
