"""keras.ops.conv and its like, whose kernels are arguments; volumes are images whose depth lies in their channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from octavo.ops.conv_layers import lower_conv, lower_depthwise, lower_separable, lower_transpose, spread_taps
from octavo.ops.forms import layer_form
from octavo.ops.join import ConcatenationOptions
from octavo.ops.pad import emit_pad
from octavo.ops.refuse import refuse
from octavo.ops.shape import emit_reshape
from octavo.ops.slices import emit_strided_slice
from octavo.ops.spec import Emitter, KerasCall, KerasForm, TensorRef
from octavo.ops.window import Padding, output_size, pad_before_after


@dataclass(frozen=True, slots=True)
class KernelCall:
    """A call of a convolution as one of a layer: implements `octavo.ops.spec.KerasCall`.

    Attributes:
        operation: The layer's settings.
        inputs: The images.
        weights: By attribute of the layer.
    """

    operation: Any
    inputs: tuple[str, ...]
    weights: Mapping[str, np.ndarray]

    args: tuple[Any, ...] = ()

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def weight(self, attribute: str) -> np.ndarray:
        """An array."""
        return self.weights[attribute]


def _numbers(setting: int | Sequence[int], count: int) -> tuple[int, ...]:
    return (setting,) * count if isinstance(setting, int) else tuple(setting)


def _as_layer(call: KerasCall, image: str, weights: Mapping[str, np.ndarray], first: int, count: int) -> KernelCall:
    """The call as one of a layer with the settings of its last `count` dimensions of `first + count`."""
    operation = call.operation

    def last(name: str) -> tuple[int, ...]:
        return _numbers(getattr(operation, name), first + count)[first:]

    settings = {
        "name": operation.name,
        "strides": last("strides"),
        "dilation_rate": last("dilation_rate"),
        "padding": operation.padding,
        "data_format": "channels_last",
        "use_bias": "bias" in weights,
        "activation": None,
        "output_padding": None,
    }
    # Errors name the class.
    kind = type(type(operation).__name__, (SimpleNamespace,), {})
    return KernelCall(kind(**settings), (image,), weights)


def _operands(call: KerasCall, count: int) -> tuple[str, list[np.ndarray]]:
    """The images and the kernels.

    Raises:
        UnsupportedLayerError: for a kernel that the model computes.
    """
    image, *kernels = (*call.args, *call.kwargs.values())
    if not isinstance(image, TensorRef) or any(isinstance(kernel, TensorRef) for kernel in kernels[:count]):
        raise refuse(
            call.operation,
            got="a kernel that is computed of the model's input",
            expected="images from the model, and constant kernels",
            fix="make the kernel a weight of a keras.layers.Conv2D",
        )
    return image.name, [np.asarray(kernel, np.float32) for kernel in kernels[:count]]


def lower_conv_operation(b: Emitter, call: KerasCall) -> str:
    """keras.ops.conv on sequences, images and volumes."""
    x, (kernel,) = _operands(call, 1)
    if kernel.ndim == 5:
        return _conv_groups(b, call, x, {"kernel": kernel})
    return lower_conv(b, _as_layer(call, x, {"kernel": kernel}, 0, kernel.ndim - 2))


def lower_depthwise_operation(b: Emitter, call: KerasCall) -> str:
    """keras.ops.depthwise_conv."""
    x, (kernel,) = _operands(call, 1)
    return lower_depthwise(b, _as_layer(call, x, {"kernel": kernel}, 0, kernel.ndim - 2))


def lower_separable_operation(b: Emitter, call: KerasCall) -> str:
    """keras.ops.separable_conv."""
    x, (depthwise, pointwise) = _operands(call, 2)
    weights = {"depthwise_kernel": depthwise, "pointwise_kernel": pointwise}
    return lower_separable(b, _as_layer(call, x, weights, 0, depthwise.ndim - 2))


def lower_transpose_operation(b: Emitter, call: KerasCall) -> str:
    """keras.ops.conv_transpose on sequences, images and volumes."""
    x, (kernel,) = _operands(call, 1)
    if kernel.ndim == 5:
        return _transpose_volumes(b, call, x, kernel)
    return _transposed(b, call, x, kernel, 0)


def _transposed(b: Emitter, call: KerasCall, x: str, kernel: np.ndarray, first: int) -> str:
    """A transposed convolution of images or sequences by the last dimensions' settings."""
    count = kernel.ndim - 2
    plain = _as_layer(call, x, {"kernel": kernel}, first, count)
    shape, strides = b.shape(x), plain.operation.strides
    same = call.operation.padding == "same"
    if call.operation.output_padding is not None:
        raise refuse(
            call.operation,
            got=f"output_padding={call.operation.output_padding}",
            expected="output_padding=None",
            fix="leave output_padding at None and crop or pad the result (keras.layers.Cropping2D, ZeroPadding2D)",
        )
    sizes = [
        size * step + (0 if same else max((taps - 1) * spread - step + 1, 0))
        for size, step, taps, spread in zip(
            shape[1:-1], strides, kernel.shape[:count], plain.operation.dilation_rate, strict=True
        )
    ]
    plain.operation.compute_output_shape = lambda shape: (shape[0], *sizes, kernel.shape[-2])
    return lower_transpose(b, plain)


def lower_conv_volumes(b: Emitter, call: KerasCall) -> str:
    """keras.layers.Conv3D."""
    layer, (x,) = call.operation, call.inputs
    names = ("kernel", "bias") if layer.use_bias else ("kernel",)
    return b.activation(layer.activation, _conv_groups(b, call, x, {name: call.weight(name) for name in names}))


def _conv_groups(b: Emitter, call: KerasCall, x: str, weights: Mapping[str, np.ndarray]) -> str:
    """The channels in as many groups as the kernel takes, each convolved on its own."""
    shape, inputs = b.shape(x), weights["kernel"].shape[3]
    if shape[-1] == inputs:
        return _conv_volumes(b, call, x, weights)
    groups, made = shape[-1] // inputs, []
    parts = {name: np.split(array, groups, axis=-1) for name, array in weights.items()}
    for i in range(groups):
        channels = slice(i * inputs, (i + 1) * inputs)
        taken = emit_strided_slice(b, x, [slice(None)] * (len(shape) - 1) + [channels], suffix=f"group_{i}")
        made.append(_conv_volumes(b, call, taken, {name: part[i] for name, part in parts.items()}))
    return b.emit("CONCATENATION", made, ConcatenationOptions(len(shape) - 1), suffix="groups")


def _conv_volumes(b: Emitter, call: KerasCall, x: str, weights: Mapping[str, np.ndarray]) -> str:
    """Windows in depth side by side in the channels, then one convolution of all images.

    Source: the sum over depth, height, width and channels is one over height, width, and depth with channels.
    """
    operation, kernel, (_, depth, height, width, channels) = call.operation, weights["kernel"], b.shape(x)
    taps, rows, columns, _, outputs = kernel.shape
    step, spread = (_numbers(getattr(operation, name), 3)[0] for name in ("strides", "dilation_rate"))
    reach = (taps - 1) * spread + 1
    padding = Padding[operation.padding.upper()]
    before, after = pad_before_after(depth, reach, step, padding)
    slices = emit_reshape(b, x, (-1, depth, height * width, channels), suffix="slices")
    if before or after:
        slices = emit_pad(b, slices, [(0, 0), (before, after), (0, 0), (0, 0)], suffix="depth")
    places = output_size(depth, reach, step, padding)
    images = _side_by_side(b, slices, [tap * spread for tap in range(taps)], places, step, (height, width))
    flat = np.transpose(kernel, (1, 2, 0, 3, 4)).reshape(rows, columns, taps * channels, outputs)
    made = lower_conv(b, _as_layer(call, images, {**weights, "kernel": flat}, 1, 2))
    return emit_reshape(b, made, (-1, places, *b.shape(made)[1:]), suffix="volumes")


def _side_by_side(b: Emitter, slices: str, starts: Sequence[int], places: int, step: int, size: tuple[int, int]) -> str:
    """Images whose channels are those of several slices: of the slices from each start on, every `step`-th."""
    height, width = size
    whole = slice(None)
    taken = [
        emit_strided_slice(
            b, slices, [whole, slice(start, start + (places - 1) * step + 1, step), whole, whole], suffix=f"depth_{i}"
        )
        for i, start in enumerate(starts)
    ]
    joined = b.emit("CONCATENATION", taken, ConcatenationOptions(3), suffix="windows") if len(taken) > 1 else taken[0]
    return emit_reshape(b, joined, (-1, height, width, b.shape(joined)[-1]), suffix="windows/images")


def _transpose_volumes(b: Emitter, call: KerasCall, x: str, kernel: np.ndarray) -> str:
    """Zeros between the slices, then windows in depth side by side, and one transposed convolution of all images."""
    operation, (_, depth, height, width, channels) = call.operation, b.shape(x)
    kernel = spread_taps(kernel, _numbers(operation.dilation_rate, 3)[:1])
    taps, rows, columns, outputs, _ = kernel.shape
    step = _numbers(operation.strides, 3)[0]
    if operation.output_padding is not None:
        raise refuse(
            operation,
            got=f"output_padding={operation.output_padding}",
            expected="output_padding=None",
            fix="leave it out, and pad or crop the result",
        )
    same = operation.padding == "same"
    places = depth * step + (0 if same else max(taps - step, 0))
    cropped = max(taps - step, 0) // 2 if same else 0
    slices = emit_reshape(b, x, (-1, depth, 1, height * width * channels), suffix="slices")
    if step > 1:
        slices = emit_pad(b, slices, [(0, 0), (0, 0), (0, step - 1), (0, 0)], suffix="spread")
    slices = emit_reshape(b, slices, (-1, depth * step, height * width, channels), suffix="spread_slices")
    before = taps - 1 - cropped
    after = max(places + taps - 1 - before - depth * step, 0)
    slices = emit_pad(b, slices, [(0, 0), (before, after), (0, 0), (0, 0)], suffix="depth")
    images = _side_by_side(b, slices, range(taps - 1, -1, -1), places, 1, (height, width))
    flat = np.transpose(kernel, (1, 2, 3, 0, 4)).reshape(rows, columns, outputs, taps * channels)
    made = _transposed(b, call, images, flat, 1)
    return emit_reshape(b, made, (-1, places, *b.shape(made)[1:]), suffix="volumes")


def _kernel(*shape: int) -> np.ndarray:
    return np.random.default_rng(6).normal(size=shape).astype(np.float32)


FORMS: dict[str, KerasForm] = {
    "layers.Conv3D": layer_form(
        lower_conv_volumes,
        lambda keras: keras.layers.Conv3D(4, 2, strides=(1, 2, 1), padding="same", activation="relu"),
        (4, 4, 3, 2),
    ),
    "ops.Conv": KerasForm(
        lower_conv_operation,
        lambda keras: (
            lambda x: keras.ops.conv(x, _kernel(3, 2, 2, 2, 4), strides=(2, 1, 2), padding="same"),
            ((5, 4, 6, 2),),
        ),
    ),
    "ops.DepthwiseConv": KerasForm(
        lower_depthwise_operation,
        lambda keras: (lambda x: keras.ops.depthwise_conv(x, _kernel(2, 3, 2, 2)), ((5, 6, 2),)),
    ),
    "ops.SeparableConv": KerasForm(
        lower_separable_operation,
        lambda keras: (
            lambda x: keras.ops.separable_conv(x, _kernel(2, 3, 2, 2), _kernel(1, 1, 4, 3)),
            ((5, 6, 2),),
        ),
    ),
    "ops.ConvTranspose": KerasForm(
        lower_transpose_operation,
        lambda keras: (
            lambda x: keras.ops.conv_transpose(x, _kernel(3, 2, 2, 4, 2), strides=2, padding="same"),
            ((3, 4, 2, 2),),
        ),
    ),
}
