"""TensorFlow functions as people write them, to see what becomes of the float .tflite files its converter makes.

Imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

_RNG = np.random.default_rng(7)
KERNEL = _RNG.normal(size=(3, 3, 3, 4)).astype(np.float32) / 5
DEEP = _RNG.normal(size=(3, 3, 3, 3, 4)).astype(np.float32) / 5
DEPTHWISE = _RNG.normal(size=(3, 3, 3, 1)).astype(np.float32) / 3
MATRIX = _RNG.normal(size=(6, 5)).astype(np.float32)
SQUARE = _RNG.normal(size=(6, 6)).astype(np.float32) / 3
VECTOR = _RNG.normal(size=6).astype(np.float32)
CHANNELS = _RNG.uniform(0.5, 1.5, size=3).astype(np.float32)
IMAGE, ROWS, FLAT = (1, 8, 8, 3), (1, 4, 6), (1, 6)
Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """A function and the shapes of its inputs.

    Attributes:
        call: Of tensors.
        shapes: With the batch; None leaves a size open.
        dtypes: Of inputs that are not float32, by place.
    """

    call: Callable[..., Any]
    shapes: tuple[Shape, ...]
    dtypes: Mapping[int, str]

    def concrete(self) -> Any:
        """The concrete function."""
        specs = [tf.TensorSpec(shape, self.dtypes.get(i, "float32")) for i, shape in enumerate(self.shapes)]
        return tf.function(self.call, input_signature=specs).get_concrete_function()


def use(call: Callable[..., Any], *shapes: Shape, **dtypes: str) -> Use:
    """A use; types by `x0="int32"`."""
    return Use(call, shapes, {int(name[1:]): dtype for name, dtype in dtypes.items()})


def _layer_norm(x: Any) -> Any:
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + 1e-5) * VECTOR + VECTOR


def _attention(x: Any) -> Any:
    query, key, value = (tf.einsum("btd,de->bte", x, SQUARE * scale) for scale in (1.0, 0.7, 1.3))
    return tf.einsum("bqk,bke->bqe", tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / 2.4), value)


def _batch_norm(x: Any) -> Any:
    y = tf.nn.conv2d(x, KERNEL, 1, "SAME")
    return tf.nn.batch_normalization(y, VECTOR[:4], CHANNELS[[0, 1, 2, 0]], VECTOR[1:5], CHANNELS[[2, 1, 0, 0]], 1e-3)


def _loop(x: Any) -> Any:
    return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, SQUARE))), [0, x])[1]


def _recurrent(layer: str, **options: Any) -> Callable[[Any], Any]:
    import keras

    return getattr(keras.layers, layer)(5, **options)


def _mobile_block(x: Any) -> Any:
    y = tf.nn.relu6(tf.nn.conv2d(x, KERNEL, 2, "SAME"))
    gate = tf.nn.sigmoid(tf.reduce_mean(y, [1, 2], keepdims=True))
    return y * gate * tf.nn.relu6(y + 3.0) / 6.0


def _detector(x: Any) -> Any:
    y = tf.nn.conv2d(x, KERNEL, 2, "SAME")
    boxes = tf.reshape(y, (1, 16, 4))
    scores = tf.nn.sigmoid(tf.reduce_max(boxes, -1))
    best, where = tf.math.top_k(scores, 5)
    return tf.gather(boxes, where, batch_dims=1), best


def _suppression(boxes: Any, scores: Any) -> Any:
    chosen, count = tf.image.non_max_suppression_padded(boxes, scores, 4, pad_to_max_output_size=True)
    return tf.gather(boxes, chosen), count


def _spectrogram(x: Any) -> Any:
    return tf.abs(tf.signal.stft(x, 64, 32, 64))


def _mfcc(x: Any) -> Any:
    mel = tf.matmul(tf.abs(tf.signal.stft(x, 64, 32, 64)), tf.signal.linear_to_mel_weight_matrix(10, 33, 8000))
    return tf.signal.mfccs_from_log_mel_spectrograms(tf.math.log(mel + 1e-3))[..., :6]


def _unary() -> Iterator[tuple[str, Use]]:
    names = (
        "abs ceil cos erf exp floor log log1p expm1 negative reciprocal reciprocal_no_nan rint round rsqrt sigmoid "
        "sign sin softplus softsign sqrt square tan tanh asin acos atan sinh cosh asinh atanh is_nan is_finite "
        "l2_normalize cumsum cumprod zero_fraction reduce_std reduce_variance reduce_logsumexp reduce_euclidean_norm"
    )
    for name in names.split():
        function = getattr(tf.math, name)
        yield f"math.{name}", use(lambda x, f=function: f(x), ROWS)
    for name in ("relu", "relu6", "elu", "crelu", "selu", "gelu", "swish", "leaky_relu", "softmax", "log_softmax"):
        yield f"nn.{name}", use(getattr(tf.nn, name), ROWS)


def _binary() -> Iterator[tuple[str, Use]]:
    names = (
        "add subtract multiply divide maximum minimum pow floordiv floormod squared_difference atan2 equal greater "
        "less less_equal not_equal divide_no_nan multiply_no_nan xlogy"
    )
    for name in names.split():
        function = getattr(tf.math, name)
        yield f"math.{name}", use(lambda x, y, f=function: f(x, y), ROWS, ROWS)
        yield f"math.{name} of a vector", use(lambda x, f=function: f(x, np.abs(VECTOR)), ROWS)


def _reductions() -> Iterator[tuple[str, Use]]:
    for name in ["sum", "mean", "max", "min", "prod", "any", "all"]:
        function = getattr(tf, f"reduce_{name}")
        start = (lambda x: x > 0) if name in ("any", "all") else (lambda x: x)
        yield f"reduce_{name} last", use(lambda x, f=function, s=start: f(s(x), -1), ROWS)
        yield f"reduce_{name} all", use(lambda x, f=function, s=start: f(s(x)), IMAGE)
        yield f"reduce_{name} of images", use(lambda x, f=function, s=start: f(s(x), [1, 2], keepdims=True), IMAGE)
    for name in ("argmax", "argmin"):
        function = getattr(tf, name)
        yield name, use(lambda x, f=function: f(x, -1), ROWS)
        yield f"{name} int32", use(lambda x, f=function: f(x, 1, tf.int32), ROWS)


_IMAGES: dict[str, Use] = {
    "conv2d": use(lambda x: tf.nn.conv2d(x, KERNEL, 1, "SAME"), IMAGE),
    "conv2d of batch 4": use(lambda x: tf.nn.relu(tf.nn.conv2d(x, KERNEL, 2, "VALID")), (4, 8, 8, 3)),
    "conv2d of open batch": use(lambda x: tf.nn.relu(tf.nn.conv2d(x, KERNEL, 2, "VALID")), (None, 8, 8, 3)),
    "conv2d of open size": use(lambda x: tf.nn.conv2d(x, KERNEL, 2, "VALID"), (1, None, None, 3)),
    "conv2d dilated": use(lambda x: tf.nn.conv2d(x, KERNEL, 1, "SAME", dilations=2), IMAGE),
    "conv2d padded": use(lambda x: tf.nn.conv2d(x, KERNEL, 1, [[0, 0], [1, 1], [1, 1], [0, 0]]), IMAGE),
    "conv2d and bias": use(lambda x: tf.nn.bias_add(tf.nn.conv2d(x, KERNEL, 1, "SAME"), VECTOR[:4]), IMAGE),
    "conv1d": use(lambda x: tf.nn.conv1d(x, KERNEL[0], 1, "SAME"), (1, 8, 3)),
    "conv3d": use(lambda x: tf.nn.conv3d(x, DEEP, [1, 1, 1, 1, 1], "SAME"), (1, 4, 4, 4, 3)),
    "conv3d_transpose": use(
        lambda x: tf.nn.conv3d_transpose(x, DEEP, (1, 8, 8, 8, 3), [1, 2, 2, 2, 1]), (1, 4, 4, 4, 4)
    ),
    "depthwise": use(lambda x: tf.nn.depthwise_conv2d(x, DEPTHWISE, [1, 1, 1, 1], "SAME"), IMAGE),
    "conv2d_transpose": use(lambda x: tf.nn.conv2d_transpose(x, KERNEL, (1, 8, 8, 3), 2), (1, 4, 4, 4)),
    "conv2d_transpose of open batch": use(
        lambda x: tf.nn.conv2d_transpose(x, KERNEL, (tf.shape(x)[0], 8, 8, 3), 2), (None, 4, 4, 4)
    ),
    "conv2d of a computed kernel": use(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), IMAGE, (3, 3, 3, 2)),
    "max_pool": use(lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"), IMAGE),
    "avg_pool": use(lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"), IMAGE),
    "avg_pool3d": use(lambda x: tf.nn.avg_pool3d(x, 2, 2, "VALID"), (1, 4, 4, 4, 3)),
    "max_pool3d": use(lambda x: tf.nn.max_pool3d(x, 2, 2, "VALID"), (1, 4, 4, 4, 3)),
    "max_pool_with_argmax": use(lambda x: tf.nn.max_pool_with_argmax(x, 2, 2, "SAME")[0], IMAGE),
    "batch norm": use(_batch_norm, IMAGE),
    "batch norm of open batch": use(_batch_norm, (None, 8, 8, 3)),
    "local response": use(lambda x: tf.nn.local_response_normalization(x), IMAGE),
    "dilation2d": use(lambda x: tf.nn.dilation2d(x, KERNEL[..., 0], [1, 1, 1, 1], "SAME", "NHWC", [1, 1, 1, 1]), IMAGE),
    "space_to_depth": use(lambda x: tf.nn.space_to_depth(x, 2), IMAGE),
    "depth_to_space": use(lambda x: tf.nn.depth_to_space(x, 2), (1, 4, 4, 8)),
    "space_to_batch": use(lambda x: tf.space_to_batch(x, [2, 2], [[0, 0], [0, 0]]), IMAGE),
    "batch_to_space": use(lambda x: tf.batch_to_space(x, [2, 2], [[0, 0], [0, 0]]), (4, 4, 4, 3)),
    "resize bilinear": use(lambda x: tf.image.resize(x, (12, 12)), IMAGE),
    "resize nearest": use(lambda x: tf.image.resize(x, (16, 16), "nearest"), IMAGE),
    "resize bicubic": use(lambda x: tf.image.resize(x, (12, 12), "bicubic"), IMAGE),
    "resize area": use(lambda x: tf.image.resize(x, (4, 4), "area"), IMAGE),
    "resize corners": use(lambda x: tf.compat.v1.image.resize_bilinear(x, (15, 15), align_corners=True), IMAGE),
    "resize by factor": use(lambda x: tf.image.resize(x, tf.shape(x)[1:3] * 2), (None, 8, 8, 3)),
    "flip": use(lambda x: tf.image.flip_left_right(x), IMAGE),
    "rot90": use(lambda x: tf.image.rot90(x), IMAGE),
    "central_crop": use(lambda x: tf.image.central_crop(x, 0.5), IMAGE),
    "crop_and_resize": use(lambda x: tf.image.crop_and_resize(x, [[0.1, 0.1, 0.7, 0.7]], [0], (4, 4)), IMAGE),
    "adjust_contrast": use(lambda x: tf.image.adjust_contrast(x, 1.5), IMAGE),
    "per_image_standardization": use(lambda x: tf.image.per_image_standardization(x), IMAGE),
    "rgb_to_grayscale": use(lambda x: tf.image.rgb_to_grayscale(x), IMAGE),
    "rgb_to_hsv": use(lambda x: tf.image.rgb_to_hsv(x), IMAGE),
    "rgb_to_yuv": use(lambda x: tf.image.rgb_to_yuv(x), IMAGE),
    "extract_patches": use(
        lambda x: tf.image.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"), IMAGE
    ),
    "sobel_edges": use(lambda x: tf.image.sobel_edges(x), IMAGE),
    "total_variation": use(lambda x: tf.image.total_variation(x), IMAGE),
    "mobile block": use(_mobile_block, IMAGE),
    "detector": use(_detector, IMAGE),
    "non_max_suppression": use(_suppression, (6, 4), (6,)),
    "combined suppression": use(
        lambda boxes, scores: tf.image.combined_non_max_suppression(boxes, scores, 4, 4)[0], (1, 6, 1, 4), (1, 6, 2)
    ),
    "grid_sample": use(lambda x, i: tf.gather_nd(x, i, batch_dims=1), IMAGE, (1, 5, 2), x1="int32"),
}
_ARRAYS: dict[str, Use] = {
    "reshape": use(lambda x: tf.reshape(x, (1, 24)) * 2.0, ROWS),
    "reshape of open batch": use(lambda x: tf.reshape(x, (-1, 24)) * 2.0, (None, 4, 6)),
    "reshape by shape": use(lambda x: tf.reshape(x, (tf.shape(x)[0], 2, 12)) + 1.0, (None, 4, 6)),
    "reshape of open time": use(lambda x: tf.reshape(x, (1, -1)) * 2.0, (1, None, 6)),
    "transpose": use(lambda x: tf.transpose(x, (0, 2, 1)) * 2.0, ROWS),
    "transpose of rank 5": use(lambda x: tf.transpose(x, (0, 4, 1, 3, 2)) * 2.0, (1, 2, 3, 4, 5)),
    "transpose of rank 6": use(lambda x: tf.transpose(x, (0, 5, 1, 4, 3, 2)) * 2.0, (1, 2, 3, 2, 3, 2)),
    "squeeze": use(lambda x: tf.squeeze(x, 1) * 2.0, (1, 1, 6)),
    "expand_dims": use(lambda x: tf.expand_dims(x, -1) * 2.0, ROWS),
    "concat": use(lambda x, y: tf.concat([x, y, x * 2.0], -1), ROWS, ROWS),
    "concat along batch": use(lambda x, y: tf.concat([x, y], 0), ROWS, ROWS),
    "stack": use(lambda x, y: tf.stack([x, y], 1), ROWS, ROWS),
    "unstack": use(lambda x: sum(tf.unstack(x, axis=1)), ROWS),
    "split": use(lambda x: tf.multiply(*tf.split(x, 2, -1)), ROWS),
    "split in sizes": use(lambda x: tf.split(x, [1, 2, 3], -1)[2] * 2.0, ROWS),
    "slice": use(lambda x: tf.slice(x, (0, 1, 2), (1, 2, 3)) * 2.0, ROWS),
    "strided": use(lambda x: x[:, 1:4:2, ::-1] * 2.0, ROWS),
    "strided with ellipsis": use(lambda x: x[..., 2] * 2.0, ROWS),
    "strided with new axis": use(lambda x: x[:, tf.newaxis, -1] * 2.0, ROWS),
    "pad": use(lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 2]]), ROWS),
    "pad with value": use(lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 2]], constant_values=-1.0), ROWS),
    "pad reflect": use(lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 2]], "REFLECT"), ROWS),
    "tile": use(lambda x: tf.tile(x, (1, 2, 3)), ROWS),
    "repeat": use(lambda x: tf.repeat(x, 2, 1), ROWS),
    "roll": use(lambda x: tf.roll(x, 1, 1), ROWS),
    "reverse": use(lambda x: tf.reverse(x, [1]), ROWS),
    "reverse_sequence": use(lambda x: tf.reverse_sequence(x, [3], seq_axis=1), ROWS),
    "broadcast_to": use(lambda x: tf.broadcast_to(x, (1, 4, 6)), (1, 1, 6)),
    "gather": use(lambda x: tf.gather(x, [2, 0, 1], axis=1), ROWS),
    "gather by input": use(lambda i: tf.gather(MATRIX, i), (1, 3), x0="int32"),
    "gather_nd": use(lambda x: tf.gather_nd(x, [[0, 1], [0, 3]]), ROWS),
    "gather batch_dims": use(lambda x, i: tf.gather(x, i, batch_dims=1), ROWS, (1, 2), x1="int32"),
    "embedding of sum": use(lambda i: tf.reduce_mean(tf.nn.embedding_lookup(MATRIX, i), 1), (1, 3), x0="int32"),
    "scatter_nd": use(lambda x: tf.scatter_nd([[1], [3]], x, (5, 6)), (2, 6)),
    "tensor_scatter_update": use(lambda x: tf.tensor_scatter_nd_update(x, [[0, 1]], VECTOR[None]), ROWS),
    "one_hot": use(lambda i: tf.one_hot(i, 6) * 2.0, (1, 3), x0="int32"),
    "where": use(lambda x, y: tf.where(x > y, x, y * 2.0), ROWS, ROWS),
    "where of one": use(lambda x: tf.where(x > 0), ROWS),
    "boolean_mask": use(lambda x: tf.boolean_mask(x, x[:, 0] > 0), (4, 6)),
    "masked softmax": use(
        lambda x: tf.nn.softmax(x + (1.0 - tf.linalg.band_part(tf.ones((6, 6)), -1, 0)) * -1e9), (1, 6, 6)
    ),
    "sequence_mask": use(lambda n: tf.sequence_mask(n, 6, tf.float32), (1,), x0="int32"),
    "range": use(lambda x: x + tf.cast(tf.range(tf.shape(x)[1]), tf.float32)[:, None], ROWS),
    "range of open time": use(lambda x: x + tf.cast(tf.range(tf.shape(x)[1]), tf.float32)[:, None], (1, None, 6)),
    "fill": use(lambda x: x * tf.fill(tf.shape(x), 2.0), (None, 4, 6)),
    "zeros_like": use(lambda x: tf.concat([x, tf.zeros_like(x)], -1), (None, 4, 6)),
    "shape": use(lambda x: tf.shape(x), ROWS),
    "size": use(lambda x: tf.reduce_sum(x) / tf.cast(tf.size(x), tf.float32), ROWS),
    "rank": use(lambda x: x * tf.cast(tf.rank(x), tf.float32), ROWS),
    "top_k": use(lambda x: tf.math.top_k(x, 3), ROWS),
    "sort": use(lambda x: tf.sort(x), ROWS),
    "argsort": use(lambda x: tf.argsort(x), ROWS),
    "unique": use(lambda x: tf.unique(x)[0], (6,), x0="int32"),
    "searchsorted": use(lambda x: tf.searchsorted([[0.0, 0.5, 1.0]], x), (1, 6)),
    "bucketize": use(lambda x: tf.raw_ops.Bucketize(input=x, boundaries=[0.0, 0.5]), ROWS),
    "bincount": use(lambda x: tf.math.bincount(x, minlength=8, maxlength=8), (6,), x0="int32"),
    "segment_sum": use(lambda x: tf.math.segment_sum(x, [0, 0, 1, 1]), (4, 6)),
    "unsorted_segment_max": use(lambda x: tf.math.unsorted_segment_max(x, [0, 1, 1, 0], 2), (4, 6)),
    "diag": use(lambda x: tf.linalg.diag(x), FLAT),
    "diag_part": use(lambda x: tf.linalg.diag_part(x), (1, 6, 6)),
    "set_diag": use(lambda x, y: tf.linalg.set_diag(x, y), (1, 6, 6), FLAT),
    "band_part": use(lambda x: tf.linalg.band_part(x, 1, 0), (1, 6, 6)),
    "meshgrid": use(lambda x: x * tf.cast(tf.meshgrid(tf.range(6), tf.range(4))[0], tf.float32), ROWS),
    "rank 1": use(lambda x: tf.tanh(x * VECTOR), (6,)),
    "rank 0": use(lambda x: tf.exp(x) * 2.0, ()),
    "rank 2 without batch": use(lambda x: tf.matmul(x, MATRIX), (4, 6)),
    "rank 3 without batch": use(lambda x: tf.nn.relu(x) + CHANNELS, (8, 8, 3)),
    "rank 5": use(lambda x: tf.nn.relu(x) + VECTOR, (1, 2, 3, 4, 6)),
    "rank 6": use(lambda x: x * VECTOR + 1.0, (1, 2, 2, 3, 4, 6)),
    "cast": use(lambda x: tf.cast(tf.cast(x * 3.0, tf.int32), tf.float32), ROWS),
    "cast of bytes": use(lambda x: tf.cast(x, tf.float32) / 255.0, IMAGE, x0="uint8"),
    "cast of truths": use(lambda x: tf.cast(x > 0, tf.float32), ROWS),
    "int arithmetic": use(lambda i: i * 2 + 1, (1, 3), x0="int32"),
    "int64 input": use(lambda i: tf.gather(MATRIX, i), (1, 3), x0="int64"),
    "bitcast": use(lambda x: tf.bitcast(x, tf.int32), ROWS),
    "complex": use(lambda x: tf.math.real(tf.complex(x, x) * tf.complex(x, 2 * x)), ROWS),
    "clip": use(lambda x: tf.clip_by_value(x, -0.5, 0.5), ROWS),
    "constant output": use(lambda x: (x * 2.0, tf.constant(VECTOR)), ROWS),
    "input is output": use(lambda x: (x, x * 2.0), ROWS),
    "unused input": use(lambda x, y: x * 2.0, ROWS, ROWS),
}
_NETWORKS: dict[str, Use] = {
    "matmul": use(lambda x: tf.matmul(x, MATRIX), FLAT),
    "matmul of open batch": use(lambda x: tf.nn.relu(tf.matmul(x, MATRIX) + VECTOR[:5]), (None, 6)),
    "matmul of two": use(lambda x, y: tf.matmul(x, y, transpose_b=True), ROWS, ROWS),
    "matmul broadcast": use(lambda x: tf.matmul(x, SQUARE), (2, 3, 4, 6)),
    "einsum": use(lambda x, y: tf.einsum("bij,bkj->bik", x, y), ROWS, ROWS),
    "einsum heads": use(lambda x, y: tf.einsum("bqhd,bkhd->bhqk", x, y), (1, 4, 2, 3), (1, 5, 2, 3)),
    "tensordot": use(lambda x: tf.tensordot(x, MATRIX, 1), ROWS),
    "tensordot of open batch": use(lambda x: tf.tensordot(x, MATRIX, 1), (None, 4, 6)),
    "layer norm": use(_layer_norm, ROWS),
    "layer norm of open batch": use(_layer_norm, (None, 4, 6)),
    "attention": use(_attention, ROWS),
    "attention of open batch": use(_attention, (None, 4, 6)),
    "attention of open time": use(_attention, (1, None, 6)),
    "gelu": use(lambda x: tf.nn.gelu(x, approximate=True), ROWS),
    "hard swish": use(lambda x: x * tf.nn.relu6(x + 3.0) / 6.0, ROWS),
    "hard sigmoid": use(lambda x: tf.nn.relu6(x + 3.0) / 6.0, ROWS),
    "silu by hand": use(lambda x: x * tf.sigmoid(x), ROWS),
    "softmax by hand": use(lambda x: tf.exp(x) / tf.reduce_sum(tf.exp(x), -1, keepdims=True), ROWS),
    "softmax along another axis": use(lambda x: tf.nn.softmax(x, 1), ROWS),
    "mish": use(lambda x: x * tf.tanh(tf.nn.softplus(x)), ROWS),
    "prelu by hand": use(lambda x: tf.nn.relu(x) - VECTOR * tf.nn.relu(-x), ROWS),
    "rms norm": use(lambda x: x * tf.math.rsqrt(tf.reduce_mean(x * x, -1, keepdims=True) + 1e-6) * VECTOR, ROWS),
    "cosine": use(lambda x, y: tf.reduce_sum(tf.nn.l2_normalize(x, -1) * tf.nn.l2_normalize(y, -1), -1), FLAT, FLAT),
    "while": use(_loop, FLAT),
    "cond": use(lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x - 1.0), FLAT),
    "case of constants": use(lambda x: tf.switch_case(1, [lambda: x, lambda: x * 2.0]), FLAT),
    "map_fn": use(lambda x: tf.map_fn(lambda row: row * 2.0 + 1.0, x), (4, 6)),
    "scan": use(lambda x: tf.scan(lambda a, row: a + row, x), (4, 6)),
    "stft": use(_spectrogram, (1, 256)),
    "mfcc": use(_mfcc, (1, 256)),
    "rfft": use(lambda x: tf.abs(tf.signal.rfft(x)), (1, 64)),
    "rfft2d": use(lambda x: tf.abs(tf.signal.rfft2d(x)), (1, 8, 8)),
    "irfft": use(lambda x: tf.signal.irfft(tf.complex(x, x)), (1, 33)),
    "frame": use(lambda x: tf.signal.frame(x, 8, 4) * 2.0, (1, 32)),
    "dct": use(lambda x: tf.signal.dct(x), (1, 16)),
    "random": use(lambda x: x + tf.random.uniform(tf.shape(x), seed=1), FLAT),
    "dropout": use(lambda x: tf.nn.dropout(x, 0.5, seed=1), FLAT),
    "string": use(lambda x: tf.strings.length(x), (1,), x0="string"),
    "float64": use(lambda x: tf.cast(tf.cast(x, tf.float64) * 2.0, tf.float32), FLAT),
    "float16": use(lambda x: tf.cast(tf.cast(x, tf.float16) * 2.0, tf.float32), FLAT),
    "matrix inverse": use(lambda x: tf.linalg.inv(x), (1, 4, 4)),
    "cholesky": use(lambda x: tf.linalg.cholesky(x), (1, 4, 4)),
    "norm": use(lambda x: tf.norm(x, axis=-1), ROWS),
    "cross": use(lambda x, y: tf.linalg.cross(x, y), (1, 3), (1, 3)),
    "ctc": use(lambda x: tf.nn.log_softmax(tf.transpose(x, (1, 0, 2))), (1, 8, 5)),
    "lstm": use(_recurrent("LSTM"), (1, 5, 4)),
    "lstm of open batch": use(_recurrent("LSTM", return_sequences=True), (None, 5, 4)),
    "gru": use(_recurrent("GRU"), (1, 5, 4)),
    "rnn": use(_recurrent("SimpleRNN", return_sequences=True), (1, 5, 4)),
    "gru unrolled": use(_recurrent("GRU", unroll=True), (1, 5, 4)),
}
# As older graphs and exports of other frameworks write them.
_OLDER: dict[str, Use] = {
    "atrous_conv2d": use(lambda x: tf.nn.atrous_conv2d(x, KERNEL, 2, "VALID"), IMAGE),
    "separable_conv2d": use(
        lambda x: tf.nn.separable_conv2d(x, DEPTHWISE, KERNEL[:1, :1], [1, 1, 1, 1], "SAME"), IMAGE
    ),
    "depthwise multiplier": use(
        lambda x: tf.nn.depthwise_conv2d(x, np.repeat(DEPTHWISE, 2, -1), [1, 2, 2, 1], "VALID"), IMAGE
    ),
    "conv1d_transpose": use(lambda x: tf.nn.conv1d_transpose(x, KERNEL[0], (1, 16, 3), 2), (1, 8, 4)),
    "grouped conv2d": use(lambda x: tf.nn.conv2d(x, KERNEL[:, :, :1].repeat(2, -1)[..., :6], 1, "SAME"), (1, 8, 8, 2)),
    "pool of windows": use(lambda x: tf.nn.pool(x, [2, 3], "MAX", [1, 2], "SAME"), IMAGE),
    "fake_quant": use(
        lambda x: tf.quantization.fake_quant_with_min_max_args(
            tf.matmul(x, tf.quantization.fake_quant_with_min_max_args(MATRIX, -3, 3)), -6, 6
        ),
        FLAT,
    ),
    "matmul transposed first": use(lambda x, y: tf.matmul(x, y, transpose_a=True), ROWS, ROWS),
    "matmul both transposed": use(lambda x, y: tf.matmul(x, y, transpose_a=True, transpose_b=True), ROWS, (1, 5, 4)),
    "matvec": use(lambda x, y: tf.linalg.matvec(x, y), ROWS, FLAT),
    "cumsum reversed": use(lambda x: tf.cumsum(x, 1, exclusive=True, reverse=True), ROWS),
    "one_hot along axis": use(lambda i: tf.one_hot(i, 6, 2.0, -1.0, axis=1), (1, 3), x0="int64"),
    "one_hot matmul": use(lambda i: tf.matmul(tf.one_hot(i, 6), SQUARE), (1, 3), x0="int32"),
    "gather of columns": use(lambda x: tf.gather(x, np.array([2, 0], np.int64), axis=2), ROWS),
    "gather_nd of images": use(lambda x: tf.gather_nd(x, [[0, 1, 2], [0, 3, 4]]), IMAGE),
    "embedding of open length": use(lambda i: tf.nn.embedding_lookup(MATRIX, i) * 2.0, (None, None), x0="int64"),
    "positions of open length": use(
        lambda i: tf.nn.embedding_lookup(MATRIX, i) + tf.nn.embedding_lookup(MATRIX, tf.range(tf.shape(i)[1])),
        (1, None),
        x0="int32",
    ),
    "mean by length": use(
        lambda x, n: (
            tf.reduce_sum(x * tf.sequence_mask(n, 4, tf.float32)[..., None], 1) / tf.cast(n, tf.float32)[:, None]
        ),
        ROWS,
        (1,),
        x1="int32",
    ),
    "masked mean": use(
        lambda x, m: tf.reduce_sum(x * m[..., None], 1) / tf.maximum(tf.reduce_sum(m, 1, keepdims=True), 1.0),
        ROWS,
        (1, 4),
    ),
    "uint8 result": use(lambda x: tf.cast(tf.clip_by_value(x * 255.0, 0, 255), tf.uint8), ROWS),
    "labels of images": use(lambda x: tf.cast(tf.argmax(tf.nn.conv2d(x, KERNEL, 1, "SAME"), -1), tf.uint8), IMAGE),
    "threshold": use(lambda x: tf.cast(tf.sigmoid(x) > 0.5, tf.int32), ROWS),
    "resize half pixel nearest": use(
        lambda x: tf.raw_ops.ResizeNearestNeighbor(images=x, size=[5, 7], half_pixel_centers=True), IMAGE
    ),
    "resize nearest corners": use(
        lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (15, 15), align_corners=True), IMAGE
    ),
    "resize bilinear older": use(lambda x: tf.compat.v1.image.resize_bilinear(x, (16, 16)), IMAGE),
    "resize of open size": use(lambda x: tf.image.resize(x, tf.shape(x)[1:3] * 2), (1, None, None, 3)),
    "pyramid of open size": use(
        lambda x: x + tf.image.resize(tf.nn.max_pool2d(x, 2, 2, "SAME"), tf.shape(x)[1:3], "nearest"),
        (None, None, None, 3),
    ),
    "cond of two": use(
        lambda x, y: tf.cond(tf.reduce_max(x) > 1.0, lambda: (x + y, x), lambda: (x - y, y)), ROWS, ROWS
    ),
    "while of values": use(
        lambda x: tf.while_loop(lambda y: tf.reduce_sum(tf.abs(y)) > 1.0, lambda y: (y * 0.5,), [x])[0], FLAT
    ),
    "l2_normalize of images": use(lambda x: tf.math.l2_normalize(x, [1, 2, 3]), IMAGE),
    "l2 distance": use(
        lambda x, y: tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(x - y), 1, keepdims=True), 1e-7)), FLAT, FLAT
    ),
    "channel shuffle": use(
        lambda x: tf.reshape(tf.transpose(tf.reshape(x, (-1, 4, 4, 2, 4)), (0, 1, 2, 4, 3)), (-1, 4, 4, 8)),
        (None, 4, 4, 8),
    ),
    "boxes decoded": use(
        lambda x: tf.concat([x[..., :2] - tf.exp(x[..., 2:4]) / 2, x[..., :2] + tf.exp(x[..., 2:4]) / 2], -1), ROWS
    ),
    "normalized by byte means": use(
        lambda x: (tf.cast(x, tf.float32) - [103.9, 116.8, 123.7])[..., ::-1] * 0.017, IMAGE, x0="uint8"
    ),
    "channels first": use(
        lambda x: tf.transpose(tf.nn.conv2d(tf.transpose(x, (0, 2, 3, 1)), KERNEL, 1, "SAME"), (0, 3, 1, 2)),
        (1, 3, 8, 8),
    ),
    "batch norm of channels first": use(
        lambda x: x * CHANNELS.reshape(1, 3, 1, 1) + CHANNELS.reshape(1, 3, 1, 1), (1, 3, 8, 8)
    ),
    "select by mask of one": use(lambda x, m: tf.where(m[:, None], x, tf.zeros_like(x)), (2, 6), (2,), x1="bool"),
    "scatter of counts": use(lambda i: tf.scatter_nd(i[..., None], tf.ones((5,)), (6,)), (5,), x0="int32"),
    "unique segments": use(lambda x: tf.math.unsorted_segment_sum(x, [0, 2, 2, 1], 3), (4, 6)),
    "power of constants": use(lambda x: tf.pow(tf.abs(x) + 0.5, 0.45), ROWS),
    "quantile by sort": use(lambda x: tf.sort(x, -1)[..., 2:4], ROWS),
    "dynamic slice": use(lambda x, i: tf.slice(x, [0, i[0], 0], [1, 2, 6]), ROWS, (1,), x1="int32"),
}


def uses() -> dict[str, Use]:
    """Every use by its name."""
    named = (
        *_unary(),
        *_binary(),
        *_reductions(),
        *_IMAGES.items(),
        *_ARRAYS.items(),
        *_NETWORKS.items(),
        *_OLDER.items(),
    )
    return dict(named)
