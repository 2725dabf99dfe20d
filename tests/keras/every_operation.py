"""Every public function of `keras.ops`, each in several uses, to see what becomes of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import keras
import numpy as np
from keras import ops

Use = tuple[str, keras.Model]

# Functions that make no tensor of a model's tensors at inference, with the reason.
NOT_INFERENCE = {
    **dict.fromkeys(("convert_to_numpy", "convert_to_tensor", "is_tensor", "dtype", "ndim", "shape", "size"), "asks"),
    **dict.fromkeys(("custom_gradient", "jvp", "stop_gradient", "ctc_loss"), "is for training"),
    **dict.fromkeys(
        ("arange", "bartlett", "blackman", "empty", "eye", "full", "geomspace", "hamming", "hanning"),
        "makes constants",
    ),
    **dict.fromkeys(
        ("identity", "kaiser", "linspace", "logspace", "ones", "tri", "zeros"),
        "makes constants",
    ),
    **dict.fromkeys(
        ("associative_scan", "cond", "fori_loop", "map", "scan", "switch", "vectorize", "vectorized_map", "while_loop"),
        "runs Python functions",
    ),
    **dict.fromkeys(
        ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"), "is a loss"
    ),
}
# What parameters stand for: one tensor of the model, or a list of two.
TENSORS = frozenset(
    {"x", "x1", "x2", "inputs", "a", "b", "y", "query", "key", "value", "tensor", "predictions", "array", "data"}
    | {"updates", "values", "abs_", "angle", "condition", "images"}
)
LISTS = frozenset({"xs", "choicelist"})
SHAPES: tuple[tuple[int, ...], ...] = ((4, 6), (6,), (6, 8, 3), (4, 4), (4, 3, 2, 2))
IMAGES = SHAPES[2:3]
_ROWS = np.random.default_rng(3).uniform(0.2, 1.0, (6, 5)).astype(np.float32)
_SHIFT = np.array([1, 0, 0.5, 0, 1, -0.5, 0, 0], np.float32)
_SEGMENTS = np.array([0, 0, 1, 2, 1, 0])
_CORNERS = np.array([[[0, 0], [0, 7], [5, 0], [5, 7]]], np.float32)
# Values of other parameters, by name: the first is used everywhere, the others in a use each.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "axis": (-1, 1, (1, 2)),
    "axes": (1, (-1,), (0, 2, 1), [[2], [0]]),
    "axis1": (1,),
    "axis2": (2, -1),
    "output_size": (2, (2, 2)),
    "data_format": ("channels_last", "channels_first"),
    "pool_size": (2, (2, 1)),
    "kernel": (_ROWS[:3, :3].reshape(1, 3, 3), _ROWS[:3, :3].reshape(1, 1, 3, 3)),
    "depthwise_kernel": (_ROWS[:3, :3].reshape(3, 1, 3, 1),),
    "pointwise_kernel": (_ROWS[:3, :4].reshape(1, 1, 3, 4),),
    "mean": (_ROWS[0, :3], _ROWS[:, 0]),
    "variance": (_ROWS[1, :3], _ROWS[:, 1]),
    "shape": ((1, 2, 3), (-1, 4, 6), (1, 2, 2)),
    "newshape": ((-1, 3, 2), (-1, 6)),
    "dtype": ("int32", "float16", "bool"),
    "x_min": (-0.5,),
    "x_max": (0.5,),
    "subscripts": ("bij,bjk->bik", "bij,bkj->bik", "bi,ij->bj", "bij,jk->bik", "bij->bji", "bij->bi"),
    "keepdims": (False, True),
    "k": (2, 1, 0),
    "num": (4,),
    "num_classes": (7,),
    "ord": (None, 1, 2, np.inf),
    "pad_width": (((0, 0), (1, 2)), ((0, 0), (1, 1), (0, 2))),
    "mode": ("constant", "reflect", "same"),
    "pattern": ("b h w -> b (h w)", "b h w c -> b (h w) c"),
    "q": (0.5,),
    "repeats": (2, (1, 2, 1), (1, 2)),
    "indices": (np.array([0, 2, 1]), np.array([[1], [0]])),
    "indices_or_sections": (2, [1, 3]),
    "shift": (1, -2),
    "source": (1,),
    "destination": (-1,),
    "start_indices": ((0, 1, 1),),
    "block_size": (2,),
    "kernel_size": (2,),
    "sequence_length": (4,),
    "sequence_stride": (2,),
    "fft_length": (4, 8),
    "target": (_ROWS[:1, :4],),
    "threshold": (0.5,),
    "default_value": (0.1,),
    "bins": (np.array([-0.5, 0.0, 0.5]),),
    "max_val": (1.0,),
    "size": ((4, 5), (12, 16)),
    "transform": (np.array([[1, 0, 0.5, 0, 1, 0.5, 0, 0]], np.float32),),
    "padding": ("valid", "same"),
    "strides": (1, 2),
    "approximate": (True, False),
    "alpha": (1.0, 0.5),
    "negative_slope": (0.2, 0.05),
    "sorted": (True, False),
    "decimals": (0, 1),
    "epsilon": (1e-3,),
    "offset": (0, 1),
    "is_causal": (False, True),
    "order": (2, 1),
    "interpolation": ("bilinear", "nearest", "bicubic"),
    "antialias": (False, True),
    "height": (3,),
    "width": (3,),
    "top_padding": (1,),
    "left_padding": (1,),
    "target_height": (10,),
    "target_width": (12,),
    "x_shape": ((2, 3),),
    "kth": (2,),
    "beta": (2.0,),
    "sequence_lengths": (np.array([4]),),
    "invert": (False, True),
    "n": (1, 2),
    "kappa": (1,),
    "gamma": (None,),
    "dilation_rate": (1, 2),
    "initial": (None,),
    "bias": (None,),
    "crop": (1,),
    "top_cropping": (1,),
    "left_cropping": (1,),
    "bottom_cropping": (1,),
    "right_cropping": (1,),
    "condlist": (None,),
    "start_points": (None,),
    "end_points": (None,),
    "coordinates": (None,),
    "size_": (None,),
    "coords": (None,),
    "patch": (2,),
}
# Uses that signatures do not tell.
SPECIAL: dict[str, tuple[tuple[Callable[..., Any], tuple[tuple[int, ...], ...]], ...]] = {
    "get_item": (
        (lambda x: x[:, 1], ((4, 6),)),
        (lambda x: x[..., ::2], ((4, 6),)),
        (lambda x: x[:, None, -1:], ((4, 6),)),
        (lambda x: x[:, ::-1], ((4, 6),)),
    ),
    "where": (
        (lambda x: ops.where(x > 0, x, 0.0), ((4, 6),)),
        (lambda x, y: ops.where(x > y, x, y), ((4, 6), (4, 6))),
        (lambda x, y: ops.where(ops.logical_and(x > 0, y > 0), 1.0, -1.0), ((4, 6), (6,))),
    ),
    "select": ((lambda x: ops.select([x > 1, x > 0], [x, x * 2]), ((4, 6),)),),
    "one_hot": (
        (lambda x: ops.one_hot(ops.cast(x, "int32"), 5), ((6,),)),
        (lambda x: ops.one_hot(ops.argmax(x, axis=-1), 6), ((4, 6),)),
        (lambda x: ops.one_hot(ops.argmax(x, axis=-1), 6, axis=1), ((4, 6),)),
    ),
    "multi_hot": ((lambda x: ops.multi_hot(ops.cast(x, "int32"), 7), ((6,),)),),
    "take": (
        (lambda x: ops.take(x, np.array([0, 2, 2]), axis=1), ((4, 6),)),
        (lambda x: ops.take(x, 1, axis=-1), ((4, 6),)),
        (lambda x: ops.take(_ROWS, ops.cast(x, "int32"), axis=0), ((6,),)),
        (lambda x: ops.take(_ROWS, ops.argmax(x, axis=-1), axis=0), ((4, 6),)),
    ),
    "take_along_axis": (
        (lambda x: ops.take_along_axis(x, ops.argmax(x, axis=-1, keepdims=True), axis=-1), ((4, 6),)),
        (lambda x: ops.take_along_axis(x, ops.argmax(x, axis=1, keepdims=True), axis=1), ((4, 6),)),
    ),
    "einsum": (
        (lambda x, y: ops.einsum("bij,bjk->bik", x, y), ((4, 6), (6, 5))),
        (lambda x, y: ops.einsum("bqhd,bkhd->bhqk", x, y), ((4, 2, 3), (5, 2, 3))),
        (lambda x, y: ops.einsum("bhqk,bkhd->bqhd", x, y), ((2, 4, 5), (5, 2, 3))),
        (lambda x: ops.einsum("bij,jk->bik", x, _ROWS), ((4, 6),)),
        (lambda x: ops.einsum("bij->bji", x), ((4, 6),)),
        (lambda x: ops.einsum("bij->bi", x), ((4, 6),)),
        (lambda x, y: ops.einsum("bi,bj->bij", x, y), ((4,), (6,))),
        (lambda x, y: ops.einsum("bi,bi->b", x, y), ((4,), (4,))),
    ),
    "matmul": (
        (lambda x, y: ops.matmul(x, y), ((4, 6), (6, 5))),
        (lambda x: ops.matmul(x, _ROWS), ((6,),)),
        (lambda x: ops.matmul(x, _ROWS[:, 0]), ((4, 6),)),
        (lambda x: ops.matmul(_ROWS.T, x), ((6, 3),)),
        (lambda x: ops.matmul(x, np.stack([_ROWS] * 4)), ((4, 3, 6),)),
    ),
    "dot": ((lambda x: ops.dot(x, _ROWS), ((4, 6),)), (lambda x: ops.dot(x, _ROWS[:, 0]), ((4, 6),))),
    "tensordot": (
        (lambda x: ops.tensordot(x, _ROWS, axes=1), ((4, 6),)),
        (lambda x: ops.tensordot(x, _ROWS, axes=[[1], [0]]), ((6, 4),)),
    ),
    "inner": ((lambda x: ops.inner(x, _ROWS.T), ((4, 6),)),),
    "outer": ((lambda x: ops.outer(x, _ROWS[0]), ((6,),)),),
    "conv": (
        (lambda x: ops.conv(x, _ROWS.reshape(-1)[:18].reshape(3, 3, 2), padding="same", strides=2), ((8, 3),)),
        (lambda x: ops.conv(x, np.ones((2, 2, 3, 4), np.float32), padding="same"), ((6, 8, 3),)),
        (lambda x: ops.conv(x, np.ones((2, 2, 2, 3, 4), np.float32)), ((4, 4, 4, 3),)),
    ),
    "depthwise_conv": ((lambda x: ops.depthwise_conv(x, np.ones((2, 2, 3, 1), np.float32)), ((6, 8, 3),)),),
    "separable_conv": (
        (
            lambda x: ops.separable_conv(x, np.ones((2, 2, 3, 1), np.float32), np.ones((1, 1, 3, 4), np.float32)),
            ((6, 8, 3),),
        ),
    ),
    "conv_transpose": (
        (lambda x: ops.conv_transpose(x, np.ones((2, 2, 4, 3), np.float32), strides=2), ((6, 8, 3),)),
        (lambda x: ops.conv_transpose(x, np.ones((2, 4, 3), np.float32), strides=2), ((8, 3),)),
    ),
    "dot_product_attention": (
        (lambda x, y: ops.dot_product_attention(x, y, y), ((4, 2, 3), (5, 2, 3))),
        (lambda x: ops.dot_product_attention(x, x, x, is_causal=True), ((4, 2, 3),)),
    ),
    "batch_normalization": (
        (
            lambda x: ops.batch_normalization(x, _ROWS[0, :3], _ROWS[1, :3], axis=-1, offset=_ROWS[2, :3]),
            ((6, 8, 3),),
        ),
    ),
    "layer_normalization": (
        (lambda x: ops.layer_normalization(x), ((4, 6),)),
        (lambda x: ops.layer_normalization(x, gamma=_ROWS[:, 0], beta=_ROWS[:, 1]), ((4, 6),)),
    ),
    "rms_normalization": (
        (lambda x: ops.rms_normalization(x), ((4, 6),)),
        (lambda x: ops.rms_normalization(x, scale=_ROWS[:, 0]), ((4, 6),)),
    ),
    "isin": ((lambda x: ops.isin(ops.round(x), np.array([0.0, 1.0])), ((4, 6),)),),
    "digitize": ((lambda x: ops.digitize(x, np.array([-0.5, 0.0, 0.5])), ((6,),)),),
    "searchsorted": ((lambda x: ops.searchsorted(np.array([-0.5, 0.0, 0.5], np.float32), x), ((6,),)),),
    "logical_and": ((lambda x, y: ops.logical_and(x > 0, y > 0), ((4, 6), (4, 6))),),
    "logical_or": ((lambda x, y: ops.logical_or(x > 0, y > 0), ((4, 6), (4, 6))),),
    "logical_xor": ((lambda x, y: ops.logical_xor(x > 0, y > 0), ((4, 6), (4, 6))),),
    "logical_not": ((lambda x: ops.logical_not(x > 0), ((4, 6),)),),
    "all": (
        (lambda x: ops.all(x > 0, axis=-1), ((4, 6),)),
        (lambda x: ops.all(x > 0, axis=1, keepdims=True), ((4, 6),)),
    ),
    "any": (
        (lambda x: ops.any(x > 0, axis=-1), ((4, 6),)),
        (lambda x: ops.any(x > 0, axis=1, keepdims=True), ((4, 6),)),
    ),
    "pad": (
        (lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 0))), ((4, 6),)),
        (lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 0)), constant_values=0.5), ((4, 6),)),
        (lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1)), mode="reflect"), ((4, 6),)),
        (lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1)), mode="symmetric"), ((4, 6),)),
    ),
    "transpose": (
        (lambda x: ops.transpose(x, (0, 2, 1)), ((4, 6),)),
        (lambda x: ops.transpose(x, (0, 3, 1, 2)), ((4, 6, 2),)),
    ),
    "cast": (
        (lambda x: ops.cast(x, "int32"), ((4, 6),)),
        (lambda x: ops.cast(x > 0, "float32"), ((4, 6),)),
        (lambda x: ops.cast(ops.cast(x * 3, "int32"), "float32"), ((4, 6),)),
        (lambda x: ops.cast(x, "float16"), ((4, 6),)),
        (lambda x: ops.cast(x, "bool"), ((4, 6),)),
    ),
    "slice": ((lambda x: ops.slice(x, (0, 1, 2), (1, 2, 3)), ((4, 6),)),),
    "slice_update": ((lambda x, y: ops.slice_update(x, (0, 1, 2), y), ((4, 6), (2, 3))),),
    "scatter": ((lambda x: ops.scatter(np.array([[1], [4], [1]]), ops.mean(x, axis=(0, 1)), (6,)), ((4, 3),)),),
    "scatter_update": (
        (lambda x: ops.scatter_update(x, [[0, 1, 2], [0, 0, 1]], np.array([3.0, -1.0], np.float32)), ((4, 6),)),
        (lambda x: ops.scatter_update(x, [[0, 1, 2], [0, 0, 1]], ops.max(x, axis=(1, 2)) * np.ones(2)), ((4, 6),)),
    ),
    "fft": ((lambda x, y: ops.fft((x, y)), ((4, 6), (4, 6))),),
    "fft2": ((lambda x, y: ops.fft2((x, y)), ((4, 6), (4, 6))),),
    "ifft2": ((lambda x, y: ops.ifft2((x, y)), ((4, 6), (4, 6))),),
    "irfft": (
        (lambda x, y: ops.irfft((x, y)), ((4, 5), (4, 5))),
        (lambda x, y: ops.irfft((x, y), 7), ((4, 5), (4, 5))),
    ),
    "istft": ((lambda x, y: ops.istft((x, y), 6, 3, 8), ((5, 5), (5, 5))),),
    "in_top_k": ((lambda x, y: ops.in_top_k(ops.argmax(y, axis=-1), x, 2), ((6,), (6,))),),
    "kron": ((lambda x: ops.kron(x, _ROWS[None, :2, :2]), ((2, 3),)),),
    "meshgrid": ((lambda x: ops.meshgrid(ops.mean(x, axis=(0, 1)), np.arange(3.0)), ((4, 3),)),),
    "image.map_coordinates": (
        (lambda x: ops.image.map_coordinates(x, np.array([[0, 0], [0.5, 1.2], [1, 3]], np.float32), 1), ((4, 5),)),
    ),
    "image.affine_transform": (
        (lambda x: ops.image.affine_transform(x, _SHIFT), ((6, 8, 3),)),
        (lambda x: ops.image.affine_transform(x, _SHIFT, "nearest", fill_mode="reflect"), ((6, 8, 3),)),
        (lambda x: ops.image.affine_transform(x, _SHIFT, fill_value=0.5), ((6, 8, 3),)),
    ),
    "image.perspective_transform": (
        (lambda x: ops.image.perspective_transform(x, _CORNERS, _CORNERS * 0.5), ((6, 8, 3),)),
    ),
    "image.elastic_transform": (),
    "image.scale_and_translate": (),
    "image.crop_images": (
        (lambda x: ops.image.crop_images(x, 1, 2, 1, 1), ((6, 8, 3),)),
        (lambda x: ops.image.crop_images(x, 1, 2, target_height=3, target_width=4), ((6, 8, 3),)),
    ),
    "image.pad_images": (
        (lambda x: ops.image.pad_images(x, 1, 2, 1, 1), ((6, 8, 3),)),
        (lambda x: ops.image.pad_images(x, 1, 2, target_height=10, target_width=12), ((6, 8, 3),)),
    ),
    "image.ssim": ((lambda x, y: ops.image.ssim(x, y, 1.0, 3), ((6, 8, 3), (6, 8, 3))),),
    "image.extract_patches": (
        (lambda x: ops.image.extract_patches(x, 2), ((6, 8, 3),)),
        (lambda x: ops.image.extract_patches(x, (3, 2), strides=1, padding="same"), ((6, 8, 3),)),
        (lambda x: ops.image.extract_patches(x, 2, strides=1, dilation_rate=2), ((6, 8, 3),)),
    ),
    "image.extract_patches_3d": ((lambda x: ops.image.extract_patches_3d(x, 2), ((4, 4, 4, 2),)),),
    "bincount": (),
    "rearrange": (
        (lambda x: ops.rearrange(x, "b h w -> b (h w)"), ((4, 6),)),
        (lambda x: ops.rearrange(x, "b h (w c) -> b w h c", c=2), ((4, 6),)),
    ),
    "tile": (
        (lambda x: ops.tile(x, (1, 2, 1)), ((4, 6),)),
        (lambda x: ops.tile(x, (1, 1, 3)), ((4, 6),)),
    ),
    "broadcast_to": (
        (lambda x: ops.broadcast_to(x, (1, 4, 6)), ((1, 6),)),
        (lambda x: ops.broadcast_to(x, (1, 3, 4, 6)), ((1, 4, 6),)),
    ),
    "roll": (
        (lambda x: ops.roll(x, 1, axis=1), ((4, 6),)),
        (lambda x: ops.roll(x, (1, -2), axis=(1, 2)), ((4, 6),)),
    ),
    "unravel_index": ((lambda x: ops.unravel_index(ops.argmax(x, axis=-1), (2, 3))[0], ((4, 6),)),),
    **{
        f"segment_{kind}": (
            (lambda x, kind=kind: getattr(ops, f"segment_{kind}")(ops.reshape(x, (6, 4)), _SEGMENTS, 3), ((4, 6),)),
        )
        for kind in ("sum", "max", "min", "prod")
    },
    "vander": (
        (lambda x: ops.vander(ops.reshape(x, (-1,)), 3), ((6,),)),
        (lambda x: ops.vander(ops.reshape(x, (-1,)), 4, increasing=True), ((6,),)),
    ),
}


def functions() -> list[str]:
    """Names of the functions that `keras.ops` exports and that compute something of a model's tensors."""
    exported = [(name, getattr(ops, name)) for name in dir(ops)]
    exported += [(f"image.{name}", getattr(ops.image, name)) for name in dir(ops.image)]
    return [name for name, value in exported if inspect.isfunction(value) and name not in NOT_INFERENCE]


def function(name: str) -> Callable[..., Any]:
    """The function of such a name."""
    module, _, own = name.rpartition(".")
    return getattr(getattr(ops, module) if module else ops, own)


def models(name: str, limit: int = 5) -> Iterator[Use]:
    """(description, model) for up to `limit` uses of a function that Keras itself can run."""
    return islice(_models(name), limit)


def _models(name: str) -> Iterator[Use]:
    for number, (call, shapes) in enumerate(SPECIAL[name] if name in SPECIAL else _derived(name)):
        for dtype in ("float32", "int32"):
            try:
                inputs = [keras.Input(shape, dtype=dtype) for shape in shapes]
                model = keras.Model(inputs, call(*inputs))
                model([np.ones((1, *shape), dtype) for shape in shapes])
            except Exception:
                continue
            yield f"{name} {number} on {', '.join(map(str, shapes))} {dtype}", model
            break


def _derived(name: str) -> Iterator[tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]]:
    """Uses that follow from a signature: tensors in required places, then one optional parameter each."""
    parameters = list(inspect.signature(function(name)).parameters.values())
    required = [each for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    optional = [each.name for each in parameters if each.default is not each.empty and each.name in ARGUMENTS]
    tensors = [each.name for each in required if each.name in TENSORS]
    lists = [each.name for each in required if each.name in LISTS or (each.name == "x" and name == "stack")]
    others = [each.name for each in required if each.name not in TENSORS and each.name not in lists]
    if not set(others) <= set(ARGUMENTS):
        return
    count = len(tensors) + 2 * len(lists) - len(set(tensors) & set(lists))
    given = [{each: ARGUMENTS[each][i % len(ARGUMENTS[each])] for each in others} for i in range(3 if others else 1)]
    given += [{**given[0], each: value} for each in optional for value in ARGUMENTS[each]]
    for keywords in given:
        call = _call(name, tensors, lists, keywords)
        shapes = IMAGES if name.startswith("image.") else SHAPES
        fitting = (shape for shape in shapes if _runs(call, shape, count))
        yield from ((call, (shape,) * count) for shape in islice(fitting, 1))
    if count == 2 and len(tensors) == 2:
        yield lambda x: function(name)(x, 0.75), (SHAPES[0],)
        yield lambda x: function(name)(x, _ROWS[:, 0]), (SHAPES[0],)


def _runs(call: Callable[..., Any], shape: tuple[int, ...], count: int) -> bool:
    for dtype in ("float32", "int32"):
        try:
            call(*(keras.Input(shape, dtype=dtype) for _ in range(count)))
        except Exception:
            continue
        return True
    return False


def _call(name: str, tensors: list[str], lists: list[str], keywords: dict[str, Any]) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        named = {each: list(values) for each in lists} or dict(zip(tensors, values, strict=True))
        return function(name)(**named, **keywords)

    return call
