"""RESIZE_NEAREST_NEIGHBOR, RESIZE_BILINEAR: images of another height and width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Shape, Tensor
from octavo.numerics.affine import round_half_away
from octavo.ops.channelwise import always
from octavo.ops.identity import where_the_shape_stays
from octavo.ops.refuse import require_channels_last
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.shape import emit_reshape, integers, moves
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, Kernel, OpSpec
from octavo.ops.version import version_by_type
from octavo.ops.written.images import separable


@dataclass(frozen=True, slots=True)
class ResizeOptions(Options):
    """What both resizings can choose.

    Attributes:
        align_corners: The centres of the corner pixels stay where they are.
        half_pixel_centers: Pixel i has its centre at i + 0.5, as in Keras; not together with `align_corners`.
    """

    align_corners: bool = False
    half_pixel_centers: bool = False


@dataclass(frozen=True, slots=True)
class ResizeNearestNeighborOptions(ResizeOptions):
    """Options of RESIZE_NEAREST_NEIGHBOR."""

    table = "ResizeNearestNeighborOptions"


@dataclass(frozen=True, slots=True)
class ResizeBilinearOptions(ResizeOptions):
    """Options of RESIZE_BILINEAR."""

    table = "ResizeBilinearOptions"


def resize_shapes(options: ResizeOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """[n, h, w, c] and sizes [2] -> [n, height, width, c]."""
    x, size = inputs
    return ((x.shape[0], *integers(size), x.shape[3]),)


def nearest_float(options: ResizeNearestNeighborOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of RESIZE_NEAREST_NEIGHBOR."""
    x, size = inputs
    rows, columns = (_nearest(x.shape[1 + i], int(size[i]), options) for i in (0, 1))
    return (x[:, rows][:, :, columns],)


def _nearest(old: int, new: int, options: ResizeOptions) -> np.ndarray:
    """Index of the source pixel of each of `new` pixels, in the float32 arithmetic of the kernel.

    Source: tensorflow/lite/kernels/internal/reference/resize_nearest_neighbor.h, GetNearestNeighbor.
    """
    corners = options.align_corners and new > 1
    scale = np.float32(old - corners) / np.float32(new - corners)
    position = (np.arange(new, dtype=np.float32) + np.float32(0.5 * options.half_pixel_centers)) * scale
    index = round_half_away(position) if options.align_corners else np.floor(position).astype(np.int64)
    return np.clip(index, 0, old - 1)


def bilinear_float(options: ResizeBilinearOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of RESIZE_BILINEAR."""
    x, size = inputs
    for axis, new in ((1, int(size[0])), (2, int(size[1]))):
        old = x.shape[axis]
        corners = options.align_corners and new > 1
        scale = np.float32(old - corners) / np.float32(new - corners)
        half = np.float32(0.5 * options.half_pixel_centers)
        position = (np.arange(new, dtype=np.float32) + half) * scale - half
        x = _interpolate(x, axis, position, 1)
    return (x,)


@dataclass(frozen=True, slots=True)
class BilinearConstants:
    """What RESIZE_BILINEAR runs with, rows first, columns second; positions are in 1/1024 of a source pixel.

    Attributes:
        sizes: Of the result.
        scales_q10: From one pixel of the result to the next.
        offsets_q10: Position of the first.
    """

    sizes: tuple[int, int]
    scales_q10: tuple[int, int]
    offsets_q10: tuple[int, int]


def prepare_bilinear(
    options: ResizeBilinearOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]
) -> BilinearConstants:
    """The constants of RESIZE_BILINEAR."""

    def scale_q10(old: int, new: int) -> int:
        corners = options.align_corners and new > 1
        return (1024 * (old - corners) + (new - corners) // 2) // (new - corners)

    (_, old_height, old_width, _), (_, height, width, _) = inputs[0].shape, outputs[0].shape
    scales = scale_q10(old_height, height), scale_q10(old_width, width)
    offsets = (scales[0] // 2 - 512, scales[1] // 2 - 512) if options.half_pixel_centers else (0, 0)
    return BilinearConstants((height, width), scales, offsets)


def drift_bilinear(options: ResizeBilinearOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> float:
    """What positions in 1/1024 of a pixel, which miss those of XNNPACK more with each pixel, make of a whole range."""
    constants, corners = prepare_bilinear(options, inputs, outputs), options.align_corners
    missed = 0.0
    for i, new in enumerate(constants.sizes):
        old = inputs[0].shape[1 + i]
        exact = (old - (corners and new > 1)) / (new - (corners and new > 1))
        missed += new * abs(constants.scales_q10[i] / 1024 - exact)
    lowest, highest = outputs[0].dtype.integer_range
    return missed * (highest - lowest)


def run_bilinear(constants: BilinearConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of RESIZE_BILINEAR: one rounding, halves away from zero.

    Source: tensorflow/lite/kernels/internal/reference/resize_bilinear.h, ResizeBilinearInteger.
    """
    sums_q20 = arrays[0].astype(np.int64)
    for i in (0, 1):
        positions = np.arange(constants.sizes[i]) * constants.scales_q10[i] + constants.offsets_q10[i]
        sums_q20 = _interpolate(sums_q20, 1 + i, positions, 1024)
    rounded = np.sign(sums_q20) * ((np.abs(sums_q20) + (1 << 19)) >> 20)
    return (rounded.astype(arrays[0].dtype),)


def _interpolate(x: np.ndarray, axis: int, position: np.ndarray, one: int) -> np.ndarray:
    """Weighted sums of the two neighbours of each position along an axis; positions are in steps of 1 / `one`."""
    low = np.maximum(np.floor(position / one).astype(np.int64), 0)
    high = np.minimum(np.ceil(position / one).astype(np.int64), x.shape[axis] - 1)
    weight = (position - low * one).astype(x.dtype).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return x.take(low, axis) * (one - weight) + x.take(high, axis) * weight


INTERPOLATIONS: dict[str, tuple[str, Options]] = {
    "nearest": ("RESIZE_NEAREST_NEIGHBOR", ResizeNearestNeighborOptions(half_pixel_centers=True)),
    "bilinear": ("RESIZE_BILINEAR", ResizeBilinearOptions(half_pixel_centers=True)),
}


def emit_resize(b: Emitter, name: str, size: tuple[int, int], interpolation: str, *, suffix: str = "resize") -> str:
    """Resize images `name` [n, h, w, c] to (height, width) as Keras does, and return the result's name."""
    op, options = INTERPOLATIONS[interpolation]
    constant = b.constant(np.array(size, np.int32), f"{suffix}/size" if suffix else "size")
    return b.emit(op, [name, constant], options, suffix=suffix)


def lower_up_sampling_2d(b: Emitter, call: KerasCall) -> str:
    """keras.layers.UpSampling2D."""
    layer, (x,) = call.operation, call.inputs
    require_channels_last(layer)
    if layer.interpolation not in INTERPOLATIONS:
        return b.calls(partial(separable, layer), call.args[:1])[0]
    _, height, width, _ = b.shape(x)
    return emit_resize(b, x, (height * layer.size[0], width * layer.size[1]), layer.interpolation, suffix="")


def lower_resizing(b: Emitter, call: KerasCall) -> str:
    """keras.layers.Resizing and keras.ops.image.resize: an operator, or products with what Keras weighs lines by."""
    operation = call.operation
    require_channels_last(operation)
    changed = any(getattr(operation, each) for each in ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio"))
    if changed or operation.interpolation not in INTERPOLATIONS:
        return b.calls(partial(separable, operation), call.args[:1])[0]
    size = operation.size if hasattr(operation, "size") else (operation.height, operation.width)
    return emit_resize(b, call.inputs[0], tuple(size), operation.interpolation, suffix="")


def lower_up_sampling_1d(b: Emitter, call: KerasCall) -> str:
    """keras.layers.UpSampling1D: each step repeated, as an image of width 1."""
    n, steps, channels = b.shape(call.inputs[0])
    return _repeat(b, call.inputs[0], (n, steps, 1, channels), steps * call.operation.size)


def lower_repeat_vector(b: Emitter, call: KerasCall) -> str:
    """keras.layers.RepeatVector: an image of one pixel, enlarged."""
    n, channels = b.shape(call.inputs[0])
    return _repeat(b, call.inputs[0], (n, 1, 1, channels), call.operation.n)


def _repeat(b: Emitter, name: str, image: Shape, height: int) -> str:
    tall = emit_resize(b, emit_reshape(b, name, image, suffix="image"), (height, 1), "nearest", suffix="repeated")
    return emit_reshape(b, tall, (image[0], height, image[3]), suffix="")


def _size(*values: int) -> dict[int, np.ndarray]:
    return {1: np.array(values, np.int32)}


def _form(
    lower: Callable[[Emitter, KerasCall], str], make: Callable[[Any], Callable[..., Any]], shape: Shape
) -> KerasForm:
    return KerasForm(lower, lambda keras: (make(keras), (shape,)))


RESIZE_NEAREST_NEIGHBOR = OpSpec(
    name="RESIZE_NEAREST_NEIGHBOR",
    options=ResizeNearestNeighborOptions,
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True, reals_alone=True),),
    shapes=resize_shapes,
    identity=where_the_shape_stays,
    channelwise=always,
    passes_offsets=True,
    run_float=nearest_float,
    integer=moves(nearest_float),
    version=version_by_type(int8=3, int16=4, other=3),
    keras={
        "layers.UpSampling2D": _form(lower_up_sampling_2d, lambda keras: keras.layers.UpSampling2D((2, 3)), (4, 3, 2)),
        "layers.UpSampling1D": _form(lower_up_sampling_1d, lambda keras: keras.layers.UpSampling1D(3), (4, 2)),
        "layers.RepeatVector": _form(lower_repeat_vector, lambda keras: keras.layers.RepeatVector(3), (4,)),
    },
    examples=(
        Example(((1, 4, 3, 2), None), _size(8, 9), ResizeNearestNeighborOptions(half_pixel_centers=True)),
        Example(((1, 6, 5, 2), None), _size(4, 11), ResizeNearestNeighborOptions(align_corners=True)),
        Example(((1, 5, 6, 2), None), _size(7, 3), ResizeNearestNeighborOptions()),
    ),
)

RESIZE_BILINEAR = OpSpec(
    name="RESIZE_BILINEAR",
    options=ResizeBilinearOptions,
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(),),
    shapes=resize_shapes,
    identity=where_the_shape_stays,
    channelwise=always,
    passes_offsets=True,
    run_float=bilinear_float,
    integer=Kernel(prepare_bilinear, run_bilinear),
    drift=drift_bilinear,
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=version_by_type(int8=3, int16=4, other=3),
    keras={
        "layers.Resizing": _form(lower_resizing, lambda keras: keras.layers.Resizing(7, 5), (4, 6, 2)),
        "ops.Resize": _form(lower_resizing, lambda keras: lambda x: keras.ops.image.resize(x, (7, 5)), (4, 6, 2)),
    },
    examples=(
        Example(((1, 4, 3, 2), None), _size(8, 9), ResizeBilinearOptions(half_pixel_centers=True)),
        Example(((1, 6, 5, 2), None), _size(4, 11), ResizeBilinearOptions(align_corners=True)),
        Example(((1, 5, 6, 2), None), _size(7, 3), ResizeBilinearOptions()),
    ),
)

SPECS = (RESIZE_NEAREST_NEIGHBOR, RESIZE_BILINEAR)
