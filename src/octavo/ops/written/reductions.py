"""What becomes of all values along some axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from octavo.ops.axes import named_axes
from octavo.ops.refuse import refuse
from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import along_one, counted, is_symbol, keras_ops, written


def variance(operation: Any, x: Any) -> Any:
    """The mean of the squared distances from the mean."""
    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axis)
    distance = x - ops.mean(x, axis=axes, keepdims=True)
    return ops.mean(ops.square(distance), axis=axes, keepdims=operation.keepdims)


def deviation(operation: Any, x: Any) -> Any:
    """The square root of the variance."""
    return keras_ops().sqrt(variance(operation, x))


def moments(operation: Any, x: Any) -> Any:
    """Mean and variance."""
    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axes)
    mean = ops.mean(x, axis=axes, keepdims=True)
    squares = ops.mean(ops.square(x - mean), axis=axes, keepdims=operation.keepdims)
    return (mean if operation.keepdims else ops.squeeze(mean, axis=axes)), squares


def _like(function: str) -> Callable[[Any, Any], Any]:
    """What another reduction computes, of finite numbers."""

    def run(operation: Any, x: Any) -> Any:
        keywords = {"keepdims": operation.keepdims} if hasattr(operation, "keepdims") else {}
        return getattr(keras_ops(), function)(x, axis=operation.axis, **keywords)

    return run


def product(operation: Any, x: Any) -> Any:
    """The product, factor by factor."""
    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axis)
    for axis in reversed(axes):
        first, *others = ops.unstack(x, axis=axis)
        for other in others:
            first = first * other
        x = ops.expand_dims(first, axis)
    return x if operation.keepdims else ops.squeeze(x, axis=axes)


def _converted(operation: Any, x: Any) -> Any:
    """Values as the type that an operation names holds them."""
    ops = keras_ops()
    return x if operation.dtype is None else ops.cast(ops.cast(x, operation.dtype), "float32")


def cumulative_product(operation: Any, x: Any) -> Any:
    """Products of the first one, two, three ... values."""
    ops, (x, axis) = keras_ops(), along_one(_converted(operation, x), operation.axis)
    made: list[Any] = []
    for part in ops.unstack(x, axis=axis):
        made.append(made[-1] * part if made else part)
    return ops.stack(made, axis=axis)


def cumulative_sum(operation: Any, x: Any) -> Any:
    """Sums of the first one, two, three ... values: a product with a triangle of ones."""
    ops, (x, axis) = keras_ops(), along_one(_converted(operation, x), operation.axis)
    length = x.shape[axis]
    rows = ops.reshape(ops.moveaxis(x, axis, -1), (1, -1, length))
    sums = ops.matmul(rows, np.triu(np.ones((length, length), np.float32)))
    return ops.moveaxis(ops.reshape(sums, ops.moveaxis(x, axis, -1).shape), -1, axis)


def peak_to_peak(operation: Any, x: Any) -> Any:
    """The largest value less the smallest."""
    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axis)
    return ops.max(x, axis=axes, keepdims=operation.keepdims) - ops.min(x, axis=axes, keepdims=operation.keepdims)


def log_sum_exp(operation: Any, x: Any) -> Any:
    """`max(x) + log(sum(exp(x - max(x))))`."""
    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axis)
    largest = ops.max(x, axis=axes, keepdims=True)
    sums = ops.log(ops.sum(ops.exp(x - largest), axis=axes, keepdims=True)) + largest
    return sums if operation.keepdims else ops.squeeze(sums, axis=axes)


def average(operation: Any, x: Any, weights: Any = None) -> Any:
    """The mean, weighted by constants."""
    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axis)
    if weights is None:
        return ops.mean(x, axis=axes)
    if is_symbol(weights):
        total = ops.sum(weights, axis=axes, keepdims=False)
        return ops.sum(x * weights, axis=axes) / total
    shares = np.asarray(weights, np.float32)
    if shares.ndim == 1:
        shares = shares.reshape([-1 if i == axes[0] else 1 for i in range(len(x.shape))])
    shares = np.broadcast_to(shares, x.shape)
    return ops.sum(x * (shares / shares.sum(axis=axes, keepdims=True)), axis=axes)


def _any(operation: Any, x: Any) -> Any:
    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axis)
    return ops.max(_truths(x), axis=axes, keepdims=operation.keepdims) > 0.5


def _all(operation: Any, x: Any) -> Any:
    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axis)
    return ops.min(_truths(x), axis=axes, keepdims=operation.keepdims) > 0.5


def _count(operation: Any, x: Any) -> Any:
    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axis)
    return counted(ops.sum(_truths(x), axis=axes))


def _truths(x: Any) -> Any:
    ops = keras_ops()
    return ops.cast(x if x.dtype == "bool" else ops.not_equal(x, 0.0), "float32")


def norm(operation: Any, x: Any) -> Any:
    """Norms of vectors of order 0, 1, 2, infinity and others, and Frobenius's of matrices."""
    ops, order = keras_ops(), operation.ord
    axes = named_axes(len(x.shape), operation.axis)
    keywords = {"axis": axes, "keepdims": operation.keepdims}
    if order in (None, "fro") or (order == 2 and len(axes) == 1):
        return ops.sqrt(ops.sum(ops.square(x), **keywords))
    if len(axes) == 2 and order in (1, -1, math.inf, -math.inf):
        return _largest_sum(x, operation, order)
    if len(axes) > 1:
        raise refuse(
            operation,
            got=f"ord={order} of matrices",
            expected='ord None or "fro"',
            fix="take norms of vectors, along one axis",
        )
    if order in (math.inf, -math.inf, "inf"):
        extreme = ops.max if order != -math.inf else ops.min
        return extreme(ops.abs(x), **keywords)
    if order == 1:
        return ops.sum(ops.abs(x), **keywords)
    if order == 0:
        return ops.sum(ops.cast(ops.not_equal(x, 0.0), "float32"), **keywords)
    return ops.power(ops.sum(ops.power(ops.abs(x), order), **keywords), 1 / order)


def _largest_sum(x: Any, operation: Any, order: float) -> Any:
    """The largest or smallest sum of magnitudes of the rows (order infinity) or columns (1) of matrices."""
    ops, rank = keras_ops(), len(x.shape)
    rows, columns = (each % rank for each in (operation.axis or (-2, -1)))
    sums = ops.sum(ops.abs(x), axis=columns if abs(order) == math.inf else rows, keepdims=True)
    extreme = ops.max if order > 0 else ops.min
    return extreme(sums, axis=(rows, columns), keepdims=operation.keepdims)


def normalize(operation: Any, x: Any) -> Any:
    """Vectors of length 1; those shorter than epsilon are divided by that."""
    import keras

    ops, axis = keras_ops(), named_axes(len(x.shape), operation.axis)
    least = keras.config.epsilon() if operation.epsilon is None else operation.epsilon
    if operation.order == 2:
        return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), least**2))
    return x / ops.maximum(ops.norm(x, ord=operation.order, axis=axis, keepdims=True), least)


def layer_norm(operation: Any, x: Any, gamma: Any = None, beta: Any = None) -> Any:
    """keras.ops.layer_normalization over trailing or other axes."""
    import keras

    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axis)
    epsilon = keras.config.epsilon() if operation.epsilon is None else operation.epsilon
    centred = x - ops.mean(x, axis=axes, keepdims=True)
    scaled = centred * ops.rsqrt(ops.mean(ops.square(centred), axis=axes, keepdims=True) + epsilon)
    scaled = scaled if gamma is None else scaled * _along(gamma, axes, len(x.shape))
    return scaled if beta is None else scaled + _along(beta, axes, len(x.shape))


def rms_norm(operation: Any, x: Any, scale: Any = None) -> Any:
    """keras.ops.rms_normalization over trailing or other axes."""
    import keras

    ops, axes = keras_ops(), named_axes(len(x.shape), operation.axis)
    epsilon = keras.config.epsilon() if operation.epsilon is None else operation.epsilon
    scaled = x * ops.rsqrt(ops.mean(ops.square(x), axis=axes, keepdims=True) + epsilon)
    return scaled if scale is None else scaled * _along(scale, axes, len(x.shape))


def _along(values: Any, axes: tuple[int, ...], rank: int) -> Any:
    """Parameters with one dimension for each of `axes`, to broadcast over the others."""
    ops = keras_ops()
    shape = iter(values.shape)
    wanted = tuple(next(shape, 1) if i in axes else 1 for i in range(rank))
    return ops.reshape(values, wanted)


def batch_norm(operation: Any, x: Any, mean: Any, variance: Any, offset: Any = None, scale: Any = None) -> Any:
    """keras.ops.batch_normalization with constants: one product and one sum."""
    shape = [-1 if i == operation.axis % len(x.shape) else 1 for i in range(len(x.shape))]
    factor = 1 / np.sqrt(np.asarray(variance, np.float64) + operation.epsilon)
    factor = factor if scale is None else factor * np.asarray(scale)
    moved = -np.asarray(mean) * factor + (0 if offset is None else np.asarray(offset))
    return x * factor.astype(np.float32).reshape(shape) + moved.astype(np.float32).reshape(shape)


def _ranked(operation: Any, x: Any) -> tuple[Any, tuple[int, ...]]:
    """Values along some axes, laid out along the last one and sorted, the smallest first."""
    ops, rank = keras_ops(), len(x.shape)
    axes = named_axes(rank, operation.axis)
    kept = [i for i in range(rank) if i not in axes]
    rows = ops.reshape(ops.transpose(x, (*kept, *axes)), (*(x.shape[i] for i in kept), -1))
    return ops.sort(rows, axis=-1), axes


def _restored(operation: Any, values: Any, axes: tuple[int, ...]) -> Any:
    if operation.keepdims:
        for axis in axes:
            values = keras_ops().expand_dims(values, axis)
    return values


def quantile(operation: Any, x: Any, q: Any) -> Any:
    """The value that a share `q` of the others is below, by a line between two."""
    if np.ndim(q):
        return keras_ops().stack([quantile(operation, x, float(each)) for each in np.ravel(q)], axis=0)
    rows, axes = _ranked(operation, x)
    place = float(q) * (rows.shape[-1] - 1)
    low, high = math.floor(place), math.ceil(place)
    share = {"linear": place - low, "lower": 0.0, "higher": 1.0, "midpoint": 0.5}.get(operation.method)
    share = float(round(place) - low) if share is None else share
    values = rows[..., low] if low == high else rows[..., low] * (1 - share) + rows[..., high] * share
    return _restored(operation, values, axes)


class _Half:
    method = "linear"

    def __init__(self, operation: Any) -> None:
        self.axis, self.keepdims, self.name = operation.axis, operation.keepdims, operation.name


def median(operation: Any, x: Any) -> Any:
    """The value in the middle, or the mean of both."""
    return quantile(_Half(operation), x, 0.5)


def percentile(operation: Any, x: Any, q: Any) -> Any:
    """Quantiles by percents."""
    return quantile(operation, x, np.asarray(q, np.float64) / 100)


def trapezoid(operation: Any, y: Any) -> Any:
    """The area under lines between values."""
    ops, (axis,) = keras_ops(), named_axes(len(y.shape), operation.axis)
    length = y.shape[axis]
    steps = np.full(length - 1, operation.dx, np.float32) if operation.x is None else np.diff(np.asarray(operation.x))
    weights = (np.append(steps, 0) + np.insert(steps, 0, 0)).astype(np.float32) / 2
    return ops.sum(y * weights.reshape([-1 if i == axis else 1 for i in range(len(y.shape))]), axis=axis)


def _nan(name: str, function: str) -> dict[str, KerasForm]:
    """Of finite numbers, what the function without NaN in its name computes."""
    call = f"nan{function}"
    return {f"ops.{name}": written(_like(function), lambda ops, x: getattr(ops, call)(x, axis=-1) * 1.0)}


FORMS: dict[str, KerasForm] = {
    "ops.Var": written(variance, lambda ops, x: ops.var(x, axis=-1)),
    "ops.Std": written(deviation, lambda ops, x: ops.std(x, axis=1, keepdims=True)),
    "ops.Moments": written(moments, lambda ops, x: ops.moments(x, axes=[1])[1]),
    "ops.Prod": written(product, lambda ops, x: ops.prod(x, axis=-1)),
    "ops.Cumprod": written(cumulative_product, lambda ops, x: ops.cumprod(x, axis=1)),
    "ops.Cumsum": written(cumulative_sum, lambda ops, x: ops.cumsum(x, axis=1)),
    "ops.Ptp": written(peak_to_peak, lambda ops, x: ops.ptp(x, axis=-1)),
    "ops.Logsumexp": written(log_sum_exp, lambda ops, x: ops.logsumexp(x, axis=-1)),
    "ops.Average": written(average, lambda ops, x: ops.average(x, axis=-1, weights=np.arange(1.0, 7.0))),
    "ops.Any": written(_any, lambda ops, x: ops.where(ops.any(x > 0.5, axis=-1, keepdims=True), x, 0.5)),
    "ops.All": written(_all, lambda ops, x: ops.where(ops.all(x > -0.5, axis=-1, keepdims=True), x, 0.5)),
    "ops.CountNonzero": written(_count, lambda ops, x: ops.cast(ops.count_nonzero(ops.relu(x), axis=-1), "float32")),
    "ops.Norm": written(norm, lambda ops, x: ops.norm(x, axis=(1, 2))),
    "ops.Normalize": written(normalize, lambda ops, x: ops.normalize(x, axis=-1)),
    "ops.LayerNorm": written(layer_norm, lambda ops, x: ops.layer_normalization(x)),
    "ops.RMSNorm": written(rms_norm, lambda ops, x: ops.rms_normalization(x)),
    "ops.BatchNorm": written(
        batch_norm,
        lambda ops, x: ops.batch_normalization(x, np.arange(6.0), np.arange(1.0, 7.0), axis=-1),
    ),
    "ops.Median": written(median, lambda ops, x: ops.median(x, axis=-1)),
    "ops.Quantile": written(quantile, lambda ops, x: ops.quantile(x, 0.3, axis=(1, 2))),
    "ops.Percentile": written(percentile, lambda ops, x: ops.percentile(x, 30, axis=-1)),
    "ops.Trapezoid": written(trapezoid, lambda ops, x: ops.trapezoid(x, axis=-1)),
    **_nan("Nanmax", "max"),
    **_nan("Nanmin", "min"),
    **_nan("Nansum", "sum"),
    **_nan("Nanmean", "mean"),
    **_nan("Nanstd", "std"),
    **_nan("Nanvar", "var"),
    **_nan("Nanprod", "prod"),
    **_nan("Nanmedian", "median"),
    "ops.Nancumsum": written(cumulative_sum, lambda ops, x: ops.nancumsum(x, axis=1)),
    "ops.Nancumprod": written(cumulative_product, lambda ops, x: ops.nancumprod(x, axis=1)),
    "ops.Nanargmax": written(_like("argmax"), lambda ops, x: ops.cast(ops.nanargmax(x, axis=-1), "float32")),
    "ops.Nanargmin": written(_like("argmin"), lambda ops, x: ops.cast(ops.nanargmin(x, axis=-1), "float32")),
    "ops.Nanquantile": written(quantile, lambda ops, x: ops.nanquantile(x, 0.3, axis=-1)),
    "ops.Nanpercentile": written(percentile, lambda ops, x: ops.nanpercentile(x, 30, axis=-1)),
}
