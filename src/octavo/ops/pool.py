"""MAX_POOL_2D, AVERAGE_POOL_2D: windows without weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Shape, Tensor
from octavo.ops.channelwise import always
from octavo.ops.fused import Clamp, FusedActivation, clamp_real, integer_bounds
from octavo.ops.refuse import require_channels_last
from octavo.ops.roles import SameAsInput
from octavo.ops.sequences import is_sequence, pair, to_images, to_sequence
from octavo.ops.shape import emit_reshape
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, Kernel, OpSpec
from octavo.ops.version import version_by_type
from octavo.ops.window import Border, Padding, Window, output_size, patches, window_over


@dataclass(frozen=True, slots=True)
class Pool2DOptions(Options):
    """Options of both poolings."""

    table = "Pool2DOptions"
    padding: Padding = Padding.SAME
    stride_w: int = 1
    stride_h: int = 1
    filter_width: int = 1
    filter_height: int = 1
    fused_activation_function: FusedActivation = FusedActivation.NONE


def pool_shapes(options: Pool2DOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """[n, h, w, c] -> [n, oh, ow, c]."""
    batch, height, width, channels = inputs[0].shape
    height = output_size(height, options.filter_height, options.stride_h, options.padding)
    width = output_size(width, options.filter_width, options.stride_w, options.padding)
    return ((batch, height, width, channels),)


def max_pool_float(options: Pool2DOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Float reference of MAX_POOL_2D."""
    (images,) = inputs
    largest = patches(images, _window(options, images.shape), -np.inf).max(axis=(-2, -1))
    return (clamp_real(largest, options.fused_activation_function),)


def average_pool_float(options: Pool2DOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Float reference of AVERAGE_POOL_2D: padded cells do not count."""
    (images,) = inputs
    window = _window(options, images.shape)
    means = patches(images, window).sum(axis=(-2, -1)) / _counts(window, images).astype(np.float32)
    return (clamp_real(means, options.fused_activation_function),)


@dataclass(frozen=True, slots=True)
class PoolConstants:
    """What both poolings run with; the output has the input's parameters.

    Attributes:
        window: Over the images.
        clamp: Of the results.
    """

    window: Window
    clamp: Clamp


def prepare_pool(options: Pool2DOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> PoolConstants:
    """The constants of a pooling."""
    (images,), (output,) = inputs, outputs
    bounds = integer_bounds(options.fused_activation_function, output)
    return PoolConstants(_window(options, images.shape), Clamp(*bounds, output.dtype))


def run_max_pool(constants: PoolConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of MAX_POOL_2D.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h, MaxPool.
    """
    (images,) = arrays
    largest = patches(images, constants.window, np.iinfo(images.dtype).min).max(axis=(-2, -1))
    return (constants.clamp.clamped(largest),)


def run_average_pool(constants: PoolConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of AVERAGE_POOL_2D: a rounded mean of the integers, halves away from zero.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h, AveragePool.
    """
    (images,) = arrays
    sums = patches(images, constants.window).sum(axis=(-2, -1), dtype=np.int64)
    counts = _counts(constants.window, images)
    return (constants.clamp.clamped(np.sign(sums) * ((np.abs(sums) + counts // 2) // counts)),)


def pool_window(options: Pool2DOptions, inputs: Inputs[Tensor]) -> tuple[int, int]:
    """Height and width of the window."""
    return options.filter_height, options.filter_width


def max_pool_training(ops: Any) -> Any:
    """MAX_POOL_2D on Keras tensors."""

    def run(x: Any, *, padding: Padding, stride_w: int, stride_h: int, filter_width: int, filter_height: int) -> Any:
        window, strides = (filter_height, filter_width), (stride_h, stride_w)
        return ops.max_pool(x, window, strides, Padding(padding).name.lower(), data_format="channels_last")

    return run


def average_pool_training(ops: Any) -> Any:
    """AVERAGE_POOL_2D on Keras tensors: zeros are padded here, as one backend pads an uneven border otherwise."""

    def run(x: Any, *, padding: Padding, stride_w: int, stride_h: int, filter_width: int, filter_height: int) -> Any:
        images, size, strides = (1, *x.shape[1:3], 1), (filter_height, filter_width), (stride_h, stride_w)
        window = window_over(images, size, strides, Padding(padding))
        cells = patches(np.ones(images, np.float32), window).sum(axis=(-2, -1))
        pads = ((0, 0), (window.pad_top, window.pad_bottom), (window.pad_left, window.pad_right), (0, 0))
        means = ops.average_pool(ops.pad(x, pads), size, strides, "valid", data_format="channels_last")
        return means * ops.convert_to_tensor(window.height * window.width / cells, dtype=means.dtype)

    return run


def _window(options: Pool2DOptions, images: Shape) -> Window:
    size, stride = (options.filter_height, options.filter_width), (options.stride_h, options.stride_w)
    return window_over(images, size, stride, options.padding)


def _counts(window: Window, images: np.ndarray) -> np.ndarray:
    """Cells of the image in each window: int64, [1, oh, ow, 1]."""
    return patches(np.ones((1, *images.shape[1:3], 1), np.int64), window).sum(axis=(-2, -1))


def pooling(op: str) -> Callable[[Emitter, KerasCall], str]:
    """The lowering of a Keras pooling, 1-D or 2-D, layer or operation, to `op`."""

    def lower(b: Emitter, call: KerasCall) -> str:
        layer, (x,) = call.operation, call.inputs
        require_channels_last(layer)
        if len(b.shape(x)) == 5:
            return _pool_volumes(b, op, layer, x)
        height, width = _sizes(layer.pool_size, b.shape(x))
        strides = _sizes(layer.strides or layer.pool_size, b.shape(x))
        options = Pool2DOptions(Padding[layer.padding.upper()], strides[1], strides[0], width, height)
        if not is_sequence(b, x):
            return b.emit(op, [x], options)
        return to_sequence(b, b.emit(op, [to_images(b, x)], options, suffix="pool"))

    return lower


def _pool_volumes(b: Emitter, op: str, layer: Any, x: str) -> str:
    """Height and width first, then depth: windows are boxes, and their largest value and their mean come in steps."""
    _, depth, height, width, channels = b.shape(x)

    def three(setting: int | Sequence[int]) -> tuple[int, ...]:
        return (setting,) * 3 if isinstance(setting, int) else tuple(setting)

    sizes, strides = three(layer.pool_size), three(layer.strides or layer.pool_size)
    padding = Padding[layer.padding.upper()]
    images = emit_reshape(b, x, (-1, height, width, channels), suffix="images")
    flat = Pool2DOptions(padding, strides[2], strides[1], sizes[2], sizes[1])
    pooled = b.emit(op, [images], flat, suffix="pooled_images")
    _, height, width, _ = b.shape(pooled)
    columns = emit_reshape(b, pooled, (-1, depth, height * width, channels), suffix="columns")
    deep = Pool2DOptions(padding, 1, strides[0], 1, sizes[0])
    pooled = b.emit(op, [columns], deep, suffix="pooled")
    return emit_reshape(b, pooled, (-1, b.shape(pooled)[1], height, width, channels), suffix="")


def _sizes(setting: int | Sequence[int], shape: Shape) -> tuple[int, int]:
    """(height, width) of a setting; operations also take one number for all dimensions."""
    return pair((setting,) * (len(shape) - 2) if isinstance(setting, int) else setting)


def lower_global_max(b: Emitter, call: KerasCall) -> str:
    """GlobalMaxPooling1D and 2D: one window over everything, which int16 kernels have where REDUCE_MAX is int8 only."""
    layer, (x,) = call.operation, call.inputs
    require_channels_last(layer)
    images = to_images(b, x)
    batch, height, width, channels = b.shape(images)
    result = (batch, *(1,) * (len(b.shape(x)) - 2), channels) if layer.keepdims else (batch, channels)
    done = len(result) == 4
    options = Pool2DOptions(Padding.VALID, filter_width=width, filter_height=height)
    largest = b.emit("MAX_POOL_2D", [images], options, suffix="" if done else "pool")
    return largest if done else emit_reshape(b, largest, result, suffix="")


def _examples() -> tuple[Example, ...]:
    return (
        Example(((1, 8, 8, 3),), options=Pool2DOptions(Padding.VALID, 2, 2, 2, 2)),
        Example(((1, 7, 9, 2),), options=Pool2DOptions(Padding.SAME, 2, 3, 3, 4)),
        Example(
            ((1, 5, 6, 4),),
            options=Pool2DOptions(Padding.SAME, 1, 2, 3, 2, fused_activation_function=FusedActivation.RELU),
            low=-1.0,
            high=7.0,
        ),
        Example(((1, 1, 12, 3),), options=Pool2DOptions(Padding.VALID, 1, 1, 12, 1)),
    )


MAX_POOL_2D = OpSpec(
    name="MAX_POOL_2D",
    options=Pool2DOptions,
    outputs=(SameAsInput(moves=True, reals_alone=True),),
    shapes=pool_shapes,
    window=pool_window,
    border=Border.LOWEST,
    training=max_pool_training,
    channelwise=always,
    passes_offsets=True,
    run_float=max_pool_float,
    integer=Kernel(prepare_pool, run_max_pool),
    fuses=True,
    version=version_by_type(int8=2, int16=3),
    keras={
        "layers.MaxPooling1D": KerasForm(
            pooling("MAX_POOL_2D"), lambda keras: (keras.layers.MaxPooling1D(2, padding="same"), ((9, 3),))
        ),
        "layers.MaxPooling2D": KerasForm(
            pooling("MAX_POOL_2D"), lambda keras: (keras.layers.MaxPooling2D(3, strides=2), ((9, 8, 3),))
        ),
        "layers.GlobalMaxPooling1D": KerasForm(
            lower_global_max, lambda keras: (keras.layers.GlobalMaxPooling1D(keepdims=True), ((9, 3),))
        ),
        "layers.GlobalMaxPooling2D": KerasForm(
            lower_global_max, lambda keras: (keras.layers.GlobalMaxPooling2D(), ((5, 4, 3),))
        ),
        "ops.MaxPool": KerasForm(
            pooling("MAX_POOL_2D"), lambda keras: (lambda x: keras.ops.max_pool(x, 2, strides=2), ((6, 4, 3),))
        ),
    },
    examples=_examples(),
)

AVERAGE_POOL_2D = OpSpec(
    name="AVERAGE_POOL_2D",
    options=Pool2DOptions,
    outputs=(SameAsInput(),),
    shapes=pool_shapes,
    window=pool_window,
    border=Border.NOTHING,
    training=average_pool_training,
    channelwise=always,
    passes_offsets=True,
    run_float=average_pool_float,
    integer=Kernel(prepare_pool, run_average_pool),
    fuses=True,
    version=version_by_type(int8=2, int16=3),
    keras={
        "layers.AveragePooling1D": KerasForm(
            pooling("AVERAGE_POOL_2D"), lambda keras: (keras.layers.AveragePooling1D(3, strides=2), ((9, 3),))
        ),
        "layers.AveragePooling2D": KerasForm(
            pooling("AVERAGE_POOL_2D"),
            lambda keras: (keras.layers.AveragePooling2D(3, padding="same"), ((8, 7, 3),)),
        ),
        "ops.AveragePool": KerasForm(
            pooling("AVERAGE_POOL_2D"), lambda keras: (lambda x: keras.ops.average_pool(x, 2, strides=2), ((6, 4, 3),))
        ),
    },
    examples=_examples(),
    note="padded cells do not count",
)

SPECS = (MAX_POOL_2D, AVERAGE_POOL_2D)
