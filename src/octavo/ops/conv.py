"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV: sliding products with trained kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Options, Shape, Tensor
from octavo.ops.accumulate import exact_matmul, requantize
from octavo.ops.fused import FusedActivation, clamp_real
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, OpSpec, Operand, Weight
from octavo.ops.window import Padding, output_size, patches


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


def conv_2d_shapes(options: Conv2DOptions, inputs: Sequence[Tensor | None]) -> tuple[Shape, ...]:
    """[n, h, w, in] x kernel [out, kh, kw, in] -> [n, oh, ow, out]."""
    images, kernel = inputs[0], inputs[1]
    assert images is not None and kernel is not None
    height = output_size(images.shape[1], kernel.shape[1], options.stride_h, options.padding, options.dilation_h_factor)
    width = output_size(images.shape[2], kernel.shape[2], options.stride_w, options.padding, options.dilation_w_factor)
    return ((images.shape[0], height, width, kernel.shape[0]),)


def _columns(options: Conv2DOptions, images: np.ndarray, kernel_ohwi: np.ndarray, fill: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Patches [n, oh, ow, kh * kw * in] and the kernel as [kh * kw * in, out]."""
    windows = patches(
        images,
        kernel_ohwi.shape[1:3],
        (options.stride_h, options.stride_w),
        options.padding,
        (options.dilation_h_factor, options.dilation_w_factor),
        fill,
    )
    rows = np.moveaxis(windows, 3, -1).reshape(*windows.shape[:3], -1)
    return rows, kernel_ohwi.reshape(kernel_ohwi.shape[0], -1).T


def conv_2d_float(options: Conv2DOptions, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """Float reference of CONV_2D."""
    images, kernel_ohwi, bias = inputs
    assert images is not None and kernel_ohwi is not None
    rows, matrix = _columns(options, images, kernel_ohwi)
    result = rows @ matrix if bias is None else rows @ matrix + bias
    return (clamp_real(result, options.fused_activation_function),)


def conv_2d_integer(
    options: Conv2DOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integer reference of CONV_2D: padded cells hold the zero point, so they add nothing.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/conv.h.
    """
    images, kernel, bias = inputs
    assert images is not None and kernel is not None
    rows, matrix = _columns(options, images.values, kernel.values, fill=images.zero_point)
    accumulator = exact_matmul(rows.astype(np.int64) - images.zero_point, matrix)
    return (requantize(accumulator, images, kernel, bias, outputs[0], options.fused_activation_function),)


def conv_version(inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
    """CONV_2D: float 1, int8 3, int16 4, hybrid per channel 5, int4 7.

    Source: tflite/tools/versioning/op_version.cc.
    """
    images, kernel = inputs[0], inputs[1]
    assert images is not None and kernel is not None
    if kernel.dtype is DType.INT4:
        return 7
    if images.dtype is DType.INT16:
        return 4
    if images.dtype is DType.INT8:
        return 3
    return 5 if kernel.dtype is DType.INT8 else 1


def _strides(layer: Any) -> dict[str, int]:
    """Stride and dilation options of a Keras convolution, 1-D ones in their 2-D form (height 1)."""
    strides, dilations = (1, *layer.strides)[-2:], (1, *layer.dilation_rate)[-2:]
    return dict(
        stride_h=strides[0], stride_w=strides[1], dilation_h_factor=dilations[0], dilation_w_factor=dilations[1]
    )


def lower_conv_2d(b: Emitter, call: KerasCall) -> str:
    """keras.layers.Conv2D: kernel HWIO -> OHWI; a missing bias becomes zeros, as LiteRT demands one."""
    layer = call.operation
    kernel_hwio = call.weight("kernel")
    kernel = b.constant(np.transpose(kernel_hwio, (3, 0, 1, 2)), "kernel")
    bias = b.constant(call.weight("bias") if layer.use_bias else np.zeros(kernel_hwio.shape[3], np.float32), "bias")
    options = Conv2DOptions(padding=Padding[layer.padding.upper()], **_strides(layer))
    return b.activation(layer.activation, b.emit("CONV_2D", [call.inputs[0], kernel, bias], options))


def _kernel(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


CONV_2D = OpSpec(
    name="CONV_2D",
    options=Conv2DOptions,
    shapes=conv_2d_shapes,
    run_float=conv_2d_float,
    run_integer=conv_2d_integer,
    weight=Weight(input=1, axis=0),
    bias=2,
    hybrid=True,
    fuses=True,
    version=conv_version,
    keras={
        "layers.Conv2D": KerasForm(lower_conv_2d, lambda keras: (keras.layers.Conv2D(4, 3, padding="same"), ((8, 8, 3),))),
    },
    examples=(
        Example(((1, 8, 8, 3), None, None), {1: _kernel(4, 3, 3, 3), 2: _kernel(4)}, Conv2DOptions()),
        Example(
            ((1, 9, 7, 2), None, None),
            {1: _kernel(5, 3, 2, 2), 2: _kernel(5)},
            Conv2DOptions(Padding.VALID, stride_w=2, stride_h=2, fused_activation_function=FusedActivation.RELU),
        ),
    ),
)

SPECS = (CONV_2D,)
