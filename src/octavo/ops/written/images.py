"""Images of another size, place or colour."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from octavo.ops.refuse import refuse
from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import keras_ops, written

# Weights of red, green and blue in what Keras calls grey.
GREY = np.array([0.2989, 0.5870, 0.1140], np.float32)
# Entries of the largest matrix that stands for a transform of places.
LARGEST_MATRIX = 1 << 22


def _computed(operation: Any, *arrays: np.ndarray) -> np.ndarray:
    """What Keras itself computes of arrays."""
    ops = keras_ops()
    result = operation.call(*(ops.convert_to_tensor(np.asarray(each, np.float32)) for each in arrays))
    return np.asarray(ops.convert_to_numpy(result), np.float32)


def grey(operation: Any, images: Any) -> Any:
    """keras.ops.image.rgb_to_grayscale, of images whose channels come last."""
    if images.shape[-1] == 1:
        return images
    return keras_ops().matmul(images, GREY[:, None])


def hue_saturation_value(operation: Any, images: Any) -> Any:
    """keras.ops.image.rgb_to_hsv, of images whose channels come last."""
    ops = keras_ops()
    red, green, blue = ops.split(images, 3, axis=-1)
    value = ops.max(images, axis=-1, keepdims=True)
    span = value - ops.min(images, axis=-1, keepdims=True)
    saturation = ops.where(value > 0.0, span / ops.where(value > 0.0, value, 1.0), 0.0)
    share = (1.0 / 6.0) / ops.where(span > 0.0, span, 1.0)
    hue = ops.where(ops.equal(value, green), share * (blue - red) + 2 / 6, share * (red - green) + 4 / 6)
    hue = ops.where(ops.equal(value, red), share * (green - blue), hue)
    hue = ops.where(span > 0.0, hue, 0.0)
    hue = ops.where(hue < 0.0, hue + 1.0, hue)
    return ops.concatenate([hue, saturation, value], axis=-1)


def red_green_blue(operation: Any, images: Any) -> Any:
    """keras.ops.image.hsv_to_rgb: `v - v s max(0, min(k, 4 - k, 1))`, `k = (n + 6 h) mod 6`, n of 5, 3 and 1."""
    ops = keras_ops()
    hue, saturation, value = ops.split(images, 3, axis=-1)
    turned = ops.mod(hue * 6.0 + np.array([5.0, 3.0, 1.0], np.float32), 6.0)
    return value - value * saturation * ops.clip(ops.minimum(turned, 4.0 - turned), 0.0, 1.0)


def padded(operation: Any, images: Any) -> Any:
    """keras.ops.image.pad_images, of images whose channels come last."""
    rows = _margins(operation.top_padding, operation.bottom_padding, images.shape[-3], operation.target_height, 1)
    columns = _margins(operation.left_padding, operation.right_padding, images.shape[-2], operation.target_width, 1)
    return keras_ops().pad(images, [*[(0, 0)] * (len(images.shape) - 3), rows, columns, (0, 0)])


def cropped(operation: Any, images: Any) -> Any:
    """keras.ops.image.crop_images, of images whose channels come last."""
    height, width = images.shape[-3], images.shape[-2]
    top, bottom = _margins(operation.top_cropping, operation.bottom_cropping, height, operation.target_height, -1)
    left, right = _margins(operation.left_cropping, operation.right_cropping, width, operation.target_width, -1)
    return images[..., top : height - bottom, left : width - right, :]


def _margins(before: int | None, after: int | None, size: int, target: int | None, sign: int) -> tuple[int, int]:
    """Both margins where the size that is wanted stands for one of them."""
    whole = 0 if target is None else sign * (target - size)
    before = whole - int(after or 0) if before is None else before
    return before, whole - before if after is None else after


def separable(operation: Any, images: Any) -> Any:
    """A resize as one product along rows and one along columns, by what Keras makes of images of one bright line."""
    _, height, width, _ = images.shape
    fill = _computed(operation, np.zeros((1, height, width, 1), np.float32))[0, ..., 0]
    rows = _computed(operation, np.eye(height, dtype=np.float32)[:, :, None, None] * np.ones((1, 1, width, 1)))
    columns = _computed(operation, np.eye(width, dtype=np.float32)[:, None, :, None] * np.ones((1, height, 1, 1)))
    by_row, by_column = rows[..., 0] - fill, columns[..., 0] - fill
    # All lines together are a bright image, of which some line of the result is bright from end to end.
    inside = by_row.sum(axis=0)
    row, column = inside.sum(axis=1).argmax(), inside.sum(axis=0).argmax()
    down, across = by_row[:, :, column], by_column[:, row, :]
    resized = keras_ops().einsum("bhwc,hv->bvwc", images, down.astype(np.float32))
    resized = keras_ops().einsum("bhwc,wv->bhvc", resized, across.astype(np.float32))
    return resized + fill[:, :, None] if fill.any() else resized


def transformed(operation: Any, images: Any, *others: Any) -> Any:
    """A transform of places as one product with a constant matrix, by what Keras makes of images of one bright point.

    Raises:
        UnsupportedLayerError: if the matrix would be too large, or where the transform is no constant.
    """
    ops = keras_ops()
    _, *place, channels = images.shape
    size = math.prod(place)
    sample = _moved(operation, np.zeros((1, *place, 1), np.float32), others)
    count = math.prod(sample.shape[1:-1])
    _check_matrix(operation, size, count)
    points = np.eye(size, dtype=np.float32).reshape(size, *place, 1)
    matrix = (_moved(operation, points, others) - sample).reshape(size, count)
    rows = ops.reshape(ops.moveaxis(images, -1, 1), (-1, channels, size))
    made = ops.moveaxis(ops.reshape(ops.matmul(rows, matrix), (-1, channels, *sample.shape[1:-1])), 1, -1)
    return made + sample[0] if sample.any() else made


def _check_matrix(operation: Any, size: int, count: int) -> None:
    if size * count > LARGEST_MATRIX:
        raise refuse(
            operation,
            got=f"{size} values, made into {count}",
            expected=f"images of which both numbers multiply to {LARGEST_MATRIX} at most",
            fix="make the images smaller before, with keras.ops.image.resize, or do this before the model, on the data",
        )


def _moved(operation: Any, images: np.ndarray, others: tuple[Any, ...]) -> np.ndarray:
    """Images moved by one transform: eight numbers, or four corners before and after."""
    own = (8,) if len(others) == 1 else (4, 2)
    repeated = (np.broadcast_to(np.reshape(each, (-1, *own)), (len(images), *own)) for each in others)
    return _computed(operation, images, *repeated)


def mapped(operation: Any, x: Any, coordinates: Any) -> Any:
    """keras.ops.image.map_coordinates at constant places: one product of all values with a constant matrix."""
    ops, size, count = keras_ops(), math.prod(x.shape), math.prod(np.shape(coordinates)[1:])
    _check_matrix(operation, size, count)

    def of(values: np.ndarray) -> np.ndarray:
        return _computed(operation, values.reshape(x.shape), coordinates).ravel()

    fill = of(np.zeros(size, np.float32))
    matrix = np.stack([of(row) for row in np.eye(size, dtype=np.float32)]) - fill
    return ops.reshape(ops.matmul(ops.reshape(x, (1, size)), matrix) + fill, np.shape(coordinates)[1:])


def gathered(operation: Any, images: Any) -> Any:
    """Each value of the result from its place, which Keras tells of images of numbers."""
    ops, shape = keras_ops(), images.shape[1:]
    # What lies outside of the image comes from a 0 before its first value.
    numbers = np.arange(1, math.prod(shape) + 1, dtype=np.float32).reshape(1, *shape)
    places = np.rint(_computed(operation, numbers)).astype(np.int32)[0]
    flat = ops.pad(ops.reshape(images, (images.shape[0], -1)), ((0, 0), (1, 0)))
    return ops.take(flat, places, axis=1)


def added_up(operation: Any, x: Any) -> Any:
    """What adds values of a sample up, as one product with what Keras makes of each single value."""
    ops, shape = keras_ops(), x.shape[1:]
    size = math.prod(shape)
    made = _computed(operation, np.zeros((1, *shape), np.float32)).shape[1:]
    _check_matrix(operation, size, math.prod(made))
    matrix = _computed(operation, np.eye(size, dtype=np.float32).reshape(size, *shape)).reshape(size, -1)
    return ops.reshape(ops.matmul(ops.reshape(x, (x.shape[0], size)), matrix), (x.shape[0], *made))


def blurred(operation: Any, images: Any) -> Any:
    """keras.ops.image.gaussian_blur: one product with a column and one with a row, in the place of each pixel."""
    ops = keras_ops()
    for axis, size, sigma in zip((2, 1), operation.kernel_size, operation.sigma, strict=True):
        places = np.arange(size) - (size - 1) / 2
        weights = np.exp(-0.5 * (places / sigma) ** 2)
        kernel = (weights / weights.sum()).astype(np.float32)
        kernel = kernel.reshape((size, 1, 1, 1) if axis == 1 else (1, size, 1, 1))
        images = ops.depthwise_conv(images, np.tile(kernel, (1, 1, images.shape[-1], 1)), padding="same")
    return images


_SOBEL = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32)


def edges(operation: Any, images: Any) -> Any:
    """keras.ops.image.sobel_edges: slopes downwards and to the right; around it are zeros, or its mirror image."""
    import keras

    ops, padding = keras_ops(), "same"
    if keras.backend.backend() == "tensorflow":
        images, padding = ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect"), "valid"
    kernels = (np.tile(each[:, :, None, None], (1, 1, images.shape[-1], 1)) for each in (_SOBEL, _SOBEL.T))
    return ops.stack([ops.depthwise_conv(images, kernel, padding=padding) for kernel in kernels], axis=-1)


def similarity(operation: Any, one: Any, other: Any) -> Any:
    """keras.ops.image.ssim: how alike the means, variances and covariances of windows are.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.
    """
    ops, size = keras_ops(), operation.filter_size
    weights = np.exp(-((np.arange(size) - (size - 1) / 2) ** 2) / (2 * operation.filter_sigma**2))
    window = np.outer(weights, weights) / weights.sum() ** 2
    kernel = np.tile(window[:, :, None, None].astype(np.float32), (1, 1, one.shape[-1], 1))

    def mean(x: Any) -> Any:
        return ops.depthwise_conv(x, kernel)

    means, squares = (mean(one), mean(other)), (mean(ops.square(one)), mean(ops.square(other)))
    product = means[0] * means[1]
    together = ops.square(means[0]) + ops.square(means[1])
    first, second = ((k * operation.max_val) ** 2 for k in (operation.k1, operation.k2))
    numerator = (2.0 * product + first) * (2.0 * (mean(one * other) - product) + second)
    denominator = (together + first) * (squares[0] + squares[1] - together + second)
    return ops.mean(numerator / denominator, axis=(1, 2, 3))


_SHIFT = np.array([1, 0, 0.5, 0, 1, -0.5, 0, 0], np.float32)
_CORNERS = np.array([[[0, 0], [0, 5], [4, 0], [4, 5]]], np.float32)

FORMS: dict[str, KerasForm] = {
    "ops.RGBToGrayscale": written(grey, lambda ops, x: ops.image.rgb_to_grayscale(x), (4, 5, 3)),
    "ops.RGBToHSV": written(hue_saturation_value, lambda ops, x: ops.image.rgb_to_hsv(ops.sigmoid(x)), (4, 5, 3)),
    "ops.HSVToRGB": written(red_green_blue, lambda ops, x: ops.image.hsv_to_rgb(ops.sigmoid(x)), (4, 5, 3)),
    "ops.PadImages": written(
        padded, lambda ops, x: ops.image.pad_images(x, 1, 2, target_height=8, target_width=8), (4, 5, 3)
    ),
    "ops.CropImages": written(
        cropped, lambda ops, x: ops.image.crop_images(x, 1, 1, target_height=2, target_width=3), (4, 5, 3)
    ),
    "ops.AffineTransform": written(transformed, lambda ops, x: ops.image.affine_transform(x, _SHIFT), (4, 5, 3)),
    "ops.PerspectiveTransform": written(
        transformed, lambda ops, x: ops.image.perspective_transform(x, _CORNERS, _CORNERS * 0.5), (5, 6, 3)
    ),
    "ops.ExtractPatches": written(gathered, lambda ops, x: ops.image.extract_patches(x, 2, padding="same"), (5, 4, 3)),
    "ops.Unfold": written(gathered, lambda ops, x: ops.unfold(x, 2, padding=1, stride=2), (3, 4, 6)),
    "ops.Fold": written(added_up, lambda ops, x: ops.fold(x, (3, 4), 2), (8, 6)),
    "ops.MapCoordinates": written(
        mapped,
        lambda ops, x: ops.image.map_coordinates(x, np.array([[0, 0], [0.5, 1.2], [1, 3]], np.float32), 1),
        (4, 5),
    ),
    "ops.GaussianBlur": written(blurred, lambda ops, x: ops.image.gaussian_blur(x, (3, 3), (1.0, 0.5)), (4, 5, 3)),
    "ops.SobelEdges": written(edges, lambda ops, x: ops.image.sobel_edges(x), (4, 5, 3)),
    "ops.SSIM": written(similarity, lambda ops, x, y: ops.image.ssim(x, y, 4.0, 3), (6, 5, 2), (6, 5, 2)),
}
