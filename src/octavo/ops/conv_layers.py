"""Keras's convolution layers in operators.

1-D layers turn back into sequences after their activation, so that the activation still follows its convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.ops.conv_kernels import Conv2DOptions, DepthwiseConv2DOptions, TransposeConvOptions
from octavo.ops.pad import emit_pad
from octavo.ops.refuse import refuse, require_channels_last
from octavo.ops.sequences import is_sequence, pair, to_images, to_sequence
from octavo.ops.spec import Emitter, KerasCall
from octavo.ops.window import Padding, output_size


def lower_conv(b: Emitter, call: KerasCall) -> str:
    """Conv1D and Conv2D, groups included."""
    layer = call.operation
    kernel_hwio = _as_2d(call.weight("kernel"))
    operands = [_images(b, call, kernel_hwio.shape), *_constants(b, call, _ohwi(kernel_hwio))]
    sums = b.emit("CONV_2D", operands, Conv2DOptions(_padding(layer), **_steps(layer)), suffix=_inner(b, call))
    return _result(b, call, sums)


def lower_depthwise(b: Emitter, call: KerasCall) -> str:
    """DepthwiseConv1D and DepthwiseConv2D."""
    sums = _depthwise(b, call, call.weight("kernel"), use_bias=call.operation.use_bias, suffix=_inner(b, call))
    return _result(b, call, sums)


def lower_separable(b: Emitter, call: KerasCall) -> str:
    """SeparableConv1D and SeparableConv2D: depthwise without bias, then pointwise."""
    spread = _depthwise(b, call, call.weight("depthwise_kernel"), use_bias=False, suffix="depthwise")
    kernel = _ohwi(_as_2d(call.weight("pointwise_kernel")))
    operands = [spread, *_constants(b, call, kernel, prefix="pointwise_")]
    return _result(b, call, b.emit("CONV_2D", operands, Conv2DOptions(), suffix=_inner(b, call)))


def lower_transpose(b: Emitter, call: KerasCall) -> str:
    """Conv1DTranspose and Conv2DTranspose."""
    layer = call.operation
    kernel_hwoi = spread_taps(_as_2d(call.weight("kernel")), pair(layer.dilation_rate))
    images, strides, padding = _images(b, call, kernel_hwoi.shape), pair(layer.strides), _padding(layer)
    spatial = layer.compute_output_shape(b.shape(call.inputs[0]))[1:-1]
    wanted = (1, *pair(spatial), kernel_hwoi.shape[2])
    _refuse_output_padding(layer, b.shape(images), wanted, kernel_hwoi.shape[:2])
    kernel, bias = _constants(b, call, np.transpose(kernel_hwoi, (2, 0, 1, 3)))
    shape = b.constant(np.array(wanted, np.int32), "output_shape")
    options = TransposeConvOptions(padding, stride_h=strides[0], stride_w=strides[1])
    return _result(b, call, b.emit("TRANSPOSE_CONV", [shape, kernel, images, bias], options, suffix=_inner(b, call)))


def _depthwise(b: Emitter, call: KerasCall, kernel_hwim: np.ndarray, *, use_bias: bool, suffix: str) -> str:
    """kernel [kh, kw, in, multiplier] -> [1, kh, kw, in * multiplier]."""
    layer, kernel_hwim = call.operation, _as_2d(kernel_hwim)
    height, width, _, multiplier = kernel_hwim.shape
    images = _images(b, call, kernel_hwim.shape)
    channels = kernel_hwim.size // (height * width)
    kernel = b.constant(kernel_hwim.reshape(1, height, width, channels), "depthwise_kernel")
    bias = b.constant(call.weight("bias") if use_bias else np.zeros(channels, np.float32), "depthwise_bias")
    options = DepthwiseConv2DOptions(_padding(layer), depth_multiplier=multiplier, **_steps(layer))
    return b.emit("DEPTHWISE_CONV_2D", [images, kernel, bias], options, suffix=suffix)


def _constants(b: Emitter, call: KerasCall, kernel_ohwi: np.ndarray, prefix: str = "") -> tuple[str, str]:
    """The kernel and the bias; a missing bias becomes zeros, as LiteRT demands one."""
    bias = call.weight("bias") if call.operation.use_bias else np.zeros(kernel_ohwi.shape[0], np.float32)
    return b.constant(kernel_ohwi, f"{prefix}kernel"), b.constant(bias, "bias")


def _images(b: Emitter, call: KerasCall, kernel: tuple[int, ...]) -> str:
    """The call's input as images; causal layers see zeros before the first step."""
    layer, (name,) = call.operation, call.inputs
    require_channels_last(layer)
    name = to_images(b, name)
    if layer.padding == "causal":
        before = (kernel[1] - 1) * layer.dilation_rate[0]
        name = emit_pad(b, name, [(0, 0), (0, 0), (before, 0), (0, 0)], suffix="causal")
    return name


def _result(b: Emitter, call: KerasCall, name: str) -> str:
    """The layer's activation, and a sequence again where the layer takes one."""
    name = b.activation(call.operation.activation, name)
    return to_sequence(b, name) if is_sequence(b, call.inputs[0]) else name


def _inner(b: Emitter, call: KerasCall) -> str:
    """Suffix of the convolution's own result: none where it is the layer's."""
    return "conv" if is_sequence(b, call.inputs[0]) else ""


def _as_2d(kernel: np.ndarray) -> np.ndarray:
    """A kernel with a height: [k, a, b] -> [1, k, a, b]."""
    return kernel if kernel.ndim == 4 else kernel[np.newaxis]


def _ohwi(kernel_hwio: np.ndarray) -> np.ndarray:
    return np.transpose(kernel_hwio, (3, 0, 1, 2))


def _padding(layer: Any) -> Padding:
    return Padding.SAME if layer.padding == "same" else Padding.VALID


def _steps(layer: Any) -> dict[str, Any]:
    """Stride and dilation options of a layer."""
    strides, dilations = pair(layer.strides), pair(layer.dilation_rate)
    return {
        "stride_h": strides[0],
        "stride_w": strides[1],
        "dilation_h_factor": dilations[0],
        "dilation_w_factor": dilations[1],
    }


def spread_taps(kernel: np.ndarray, dilations: Sequence[int]) -> np.ndarray:
    """The kernel with zeros between the taps of its first axes: a dilated one for an operator that dilates none."""
    spread = np.zeros(
        [(taps - 1) * step + 1 for taps, step in zip(kernel.shape, dilations, strict=False)]
        + list(kernel.shape[len(dilations) :]),
        kernel.dtype,
    )
    spread[tuple(slice(None, None, step) for step in dilations)] = kernel
    return spread


def _refuse_output_padding(
    layer: Any, images: tuple[int, ...], wanted: tuple[int, ...], window: tuple[int, ...]
) -> None:
    """TRANSPOSE_CONV places its output as the convolution it reverses would; other output sizes have no such place."""
    reversed_size = [output_size(wanted[1 + i], window[i], pair(layer.strides)[i], _padding(layer)) for i in (0, 1)]
    if tuple(reversed_size) != images[1:3]:
        raise refuse(
            layer,
            got=f"output_padding={layer.output_padding}",
            expected="output_padding=None",
            fix="leave output_padding at None and crop or pad the result (keras.layers.Cropping2D, ZeroPadding2D)",
        )
