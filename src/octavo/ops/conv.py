"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV: sliding products with trained kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import PerAxis, Tensor
from octavo.ops import conv_kernels as kernels
from octavo.ops.conv_kernels import Conv2DOptions, DepthwiseConv2DOptions, TransposeConvOptions
from octavo.ops.conv_layers import lower_conv, lower_depthwise, lower_separable, lower_transpose
from octavo.ops.fused import FusedActivation
from octavo.ops.limits import overflowing, weighted
from octavo.ops.products import of_operands, of_results
from octavo.ops.roles import Bias, Data, Parameter, Weight, weight_types
from octavo.ops.signs import as_operands
from octavo.ops.spec import Example, InPlace, KerasForm, OpSpec, Overlap
from octavo.ops.window import Border, Padding


def conv_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """CONV_2D: float 1, int8 3, int16 4, hybrid per channel 5, grouped 6, int4 7.

    Source: tflite/tools/versioning/op_version.cc.
    """
    images, kernel = inputs[0], inputs[1]
    if kernel.dtype is DType.INT4:
        return 7
    if images.shape[3] != kernel.shape[3]:
        return 6
    if images.dtype is DType.FLOAT32:
        return 5 if kernel.dtype is DType.INT8 else 1
    return 4 if images.dtype is DType.INT16 else 3


def depthwise_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """DEPTHWISE_CONV_2D: float 2 (dilation allowed), int8 and int8 x int4 3, int16 5, hybrid per channel 6.

    int4 weights would be 7, which LiteRT's reference kernels are not registered for; they run at 3 all the same.

    Source: tflite/tools/versioning/op_version.cc.
    """
    images, kernel = inputs[0], inputs[1]
    if images.dtype is DType.FLOAT32:
        return 6 if kernel.dtype is DType.INT8 else 2
    return 5 if images.dtype is DType.INT16 else 3


def transpose_conv_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """TRANSPOSE_CONV: 4, the first with a fused activation; 3 brought the bias, 2 integers.

    Source: tflite/tools/versioning/op_version.cc.
    """
    return 4


def _normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def _operands(images: tuple[int, ...], kernel: tuple[int, ...], bias: int, options: Any) -> Example:
    """Images [n, h, w, c] against a random kernel and bias."""
    return Example((images, None, None), {1: _normal(*kernel), 2: _normal(bias)}, options, low=-1.0, high=5.0)


def convolution_training(call: str, keras_kernel: Callable[[Any, Any, int], Any]) -> Callable[[Any], Any]:
    """CONV_2D or DEPTHWISE_CONV_2D on Keras tensors.

    Args:
        call: The function of keras.ops.
        keras_kernel: From keras.ops, a kernel and its channels an input channel to the kernel as Keras has it.
    """

    def of(ops: Any) -> Any:
        def run(
            x: Any,
            kernel: Any,
            bias: Any = None,
            *,
            padding: int,
            stride_w: int,
            stride_h: int,
            dilation_w_factor: int,
            dilation_h_factor: int,
            depth_multiplier: int = 1,
        ) -> Any:
            sums = getattr(ops, call)(
                x,
                keras_kernel(ops, kernel, depth_multiplier),
                strides=(stride_h, stride_w),
                padding=Padding(padding).name.lower(),
                dilation_rate=(dilation_h_factor, dilation_w_factor),
                data_format="channels_last",
            )
            return sums if bias is None else ops.add(sums, bias)

        return run

    return of


def _output_channels_last(ops: Any, kernel: Any, multiplier: int) -> Any:
    return ops.transpose(kernel, (1, 2, 3, 0))


def _multiples_last(ops: Any, kernel: Any, multiplier: int) -> Any:
    _, height, width, channels = kernel.shape
    return ops.reshape(kernel, (height, width, channels // multiplier, multiplier))


CONV_2D = OpSpec(
    name="CONV_2D",
    options=Conv2DOptions,
    inputs=(Data(), Weight(0, weight_types(0, int4=PerAxis(0), hybrid=True), frozenset({DType.INT4})), Bias(0, 1)),
    shapes=kernels.conv_2d_shapes,
    products=of_results(0),
    window=kernels.kernel_window,
    border=Border.ZERO,
    training=convolution_training("conv", _output_channels_last),
    positive=as_operands,
    run_float=kernels.conv_2d_float,
    integer=kernels.CONV_2D_KERNEL,
    output_scales=weighted(0),
    obstacle=overflowing(0),
    matrix_form=kernels.CONV_2D_MATRIX_FORM,
    fuses=True,
    version=conv_version,
    keras={
        "layers.Conv1D": KerasForm(
            lower_conv, lambda keras: (keras.layers.Conv1D(4, 3, dilation_rate=2, padding="causal"), ((9, 3),))
        ),
        "layers.Conv2D": KerasForm(
            lower_conv, lambda keras: (keras.layers.Conv2D(4, 3, padding="same", activation="relu"), ((8, 8, 3),))
        ),
    },
    examples=(
        _operands((1, 8, 8, 3), (4, 3, 3, 3), 4, Conv2DOptions()),
        _operands(
            (1, 9, 7, 2),
            (5, 3, 2, 2),
            5,
            Conv2DOptions(Padding.VALID, stride_w=2, stride_h=3, fused_activation_function=FusedActivation.RELU),
        ),
        _operands(
            (1, 7, 10, 3),
            (4, 3, 4, 3),
            4,
            Conv2DOptions(dilation_w_factor=2, dilation_h_factor=3, fused_activation_function=FusedActivation.RELU6),
        ),
        _operands((1, 6, 5, 4), (6, 2, 3, 2), 6, Conv2DOptions(stride_w=2, stride_h=2)),
        _operands(
            (1, 5, 5, 16),
            (8, 1, 1, 16),
            8,
            Conv2DOptions(Padding.VALID, fused_activation_function=FusedActivation.RELU_N1_TO_1),
        ),
    ),
    note="grouped convolutions too, with kernels of in / groups channels",
)

DEPTHWISE_CONV_2D = OpSpec(
    name="DEPTHWISE_CONV_2D",
    options=DepthwiseConv2DOptions,
    inputs=(Data(), Weight(3, weight_types(3, int4=PerAxis(3), hybrid=True), frozenset({DType.INT4})), Bias(0, 1)),
    shapes=kernels.depthwise_conv_2d_shapes,
    products=of_results(3),
    window=kernels.kernel_window,
    border=Border.ZERO,
    training=convolution_training("depthwise_conv", _multiples_last),
    positive=as_operands,
    run_float=kernels.depthwise_conv_2d_float,
    integer=kernels.DEPTHWISE_CONV_2D_KERNEL,
    output_scales=weighted(3),
    obstacle=overflowing(3),
    matrix_form=kernels.DEPTHWISE_CONV_2D_MATRIX_FORM,
    in_place=InPlace(overlap=Overlap.ROWS),
    fuses=True,
    version=depthwise_version,
    keras={
        "layers.DepthwiseConv1D": KerasForm(
            lower_depthwise, lambda keras: (keras.layers.DepthwiseConv1D(3, strides=2, padding="same"), ((9, 3),))
        ),
        "layers.DepthwiseConv2D": KerasForm(
            lower_depthwise, lambda keras: (keras.layers.DepthwiseConv2D(3, depth_multiplier=2), ((8, 7, 3),))
        ),
        "layers.SeparableConv1D": KerasForm(
            lower_separable, lambda keras: (keras.layers.SeparableConv1D(4, 3, padding="same"), ((9, 3),))
        ),
        "layers.SeparableConv2D": KerasForm(
            lower_separable,
            lambda keras: (keras.layers.SeparableConv2D(4, 3, strides=2, depth_multiplier=2), ((9, 8, 3),)),
        ),
    },
    examples=(
        _operands((1, 8, 8, 3), (1, 3, 3, 3), 3, DepthwiseConv2DOptions()),
        _operands(
            (1, 9, 7, 2),
            (1, 3, 2, 6),
            6,
            DepthwiseConv2DOptions(
                Padding.VALID, 2, 2, depth_multiplier=3, fused_activation_function=FusedActivation.RELU6
            ),
        ),
        _operands(
            (1, 7, 10, 4),
            (1, 3, 3, 4),
            4,
            DepthwiseConv2DOptions(
                dilation_w_factor=2, dilation_h_factor=2, fused_activation_function=FusedActivation.RELU
            ),
        ),
        _operands((1, 6, 5, 1), (1, 4, 5, 8), 8, DepthwiseConv2DOptions(stride_w=2, stride_h=2, depth_multiplier=8)),
    ),
)


def _transposed(
    images: tuple[int, ...], kernel: tuple[int, ...], shape: tuple[int, ...], options: TransposeConvOptions
) -> Example:
    constants = {0: np.array(shape, np.int32), 1: _normal(*kernel), 3: _normal(kernel[0])}
    return Example((None, None, images, None), constants, options, low=-1.0, high=5.0)


TRANSPOSE_CONV = OpSpec(
    name="TRANSPOSE_CONV",
    options=TransposeConvOptions,
    inputs=(Parameter(), Weight(0, weight_types(0)), Data(), Bias(2, 1)),
    shapes=kernels.transpose_conv_shapes,
    products=of_operands(2, 1, 3),
    run_float=kernels.transpose_conv_float,
    integer=kernels.TRANSPOSE_CONV_KERNEL,
    output_scales=weighted(0, data=2, bias=3),
    obstacle=overflowing(0, data=2, bias=3),
    fuses=True,
    version=transpose_conv_version,
    keras={
        "layers.Conv1DTranspose": KerasForm(
            lower_transpose, lambda keras: (keras.layers.Conv1DTranspose(4, 3, strides=2), ((5, 3),))
        ),
        "layers.Conv2DTranspose": KerasForm(
            lower_transpose,
            lambda keras: (keras.layers.Conv2DTranspose(4, 3, strides=2, padding="same"), ((5, 4, 3),)),
        ),
    },
    examples=(
        _transposed((1, 4, 5, 3), (2, 3, 3, 3), (1, 8, 10, 2), TransposeConvOptions(stride_w=2, stride_h=2)),
        _transposed(
            (1, 3, 4, 2),
            (5, 3, 2, 2),
            (1, 5, 11, 5),
            TransposeConvOptions(Padding.VALID, stride_w=3, fused_activation_function=FusedActivation.RELU),
        ),
        _transposed((1, 4, 3, 2), (3, 2, 4, 2), (1, 4, 3, 3), TransposeConvOptions()),
        _transposed(
            (1, 3, 3, 2),
            (3, 2, 2, 2),
            (1, 9, 8, 3),
            TransposeConvOptions(stride_w=3, stride_h=3, fused_activation_function=FusedActivation.RELU6),
        ),
    ),
)

SPECS = (CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV)
