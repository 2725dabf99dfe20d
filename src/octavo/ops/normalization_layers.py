"""Keras's normalization and rescaling layers in operators.

What is known before the input is one product and one sum with constants, which passes fold into neighbours; statistics
of the input itself are computed by reductions.
"""

from __future__ import annotations

import numpy as np

from octavo.ops.elementwise_kernels import AddOptions, MulOptions, SubOptions
from octavo.ops.reduce import emit_reduce
from octavo.ops.refuse import refuse
from octavo.ops.shape import emit_reshape
from octavo.ops.spec import Emitter, KerasCall

KERAS_EPSILON = 1e-7  # keras.backend.epsilon(), the least deviation keras.layers.Normalization divides by


def emit_affine(b: Emitter, name: str, scale: np.ndarray, offset: np.ndarray) -> str:
    """`x * scale + offset`, leaving out what changes nothing; constants broadcast against the last dimensions."""
    if np.any(scale != 1):
        constant = b.constant(np.asarray(scale, np.float32), "scale")
        name = b.emit("MUL", [name, constant], MulOptions(), suffix="scaled" if np.any(offset) else "")
    if np.any(offset):
        name = b.emit("ADD", [name, b.constant(np.asarray(offset, np.float32), "offset")], AddOptions())
    return name


def lower_batch_normalization(b: Emitter, call: KerasCall) -> str:
    """BatchNormalization: always MUL and ADD, scale `gamma / sqrt(variance + epsilon)`, broadcast from its axis on."""
    layer, (x,) = call.operation, call.inputs
    shape = (-1, *[1] * (len(b.shape(x)) - 1 - layer.axis % len(b.shape(x))))
    b.expects(x, *(call.weight(name).reshape(shape) for name in ("moving_mean", "moving_variance")))
    with np.errstate(invalid="ignore"):  # a training that diverged may leave a negative one: a weight of NaN is told
        scale = 1 / np.sqrt(call.weight("moving_variance").astype(np.float64) + layer.epsilon)
    scale *= call.weight("gamma") if layer.scale else 1
    offset = (call.weight("beta") if layer.center else 0) - call.weight("moving_mean") * scale
    scale, offset = (values.astype(np.float32).reshape(shape) for values in (scale, offset))
    scaled = b.emit("MUL", [x, b.constant(scale, "scale")], MulOptions(), suffix="scaled")
    return b.emit("ADD", [scaled, b.constant(offset, "offset")], AddOptions())


def lower_rescaling(b: Emitter, call: KerasCall) -> str:
    """Rescaling."""
    layer, (x,) = call.operation, call.inputs
    return emit_affine(b, x, np.asarray(layer.scale), np.asarray(layer.offset))


def lower_normalization(b: Emitter, call: KerasCall) -> str:
    """Normalization: `(x - mean) / deviation`, or its inverse."""
    layer, (x,) = call.operation, call.inputs
    mean = _without_leading_ones(call.weight("mean").astype(np.float64))
    variance = _without_leading_ones(call.weight("variance").astype(np.float64))
    deviation = np.maximum(np.sqrt(variance), KERAS_EPSILON)
    if layer.invert:
        return emit_affine(b, x, deviation, mean)
    b.expects(x, mean, variance)
    return emit_affine(b, x, 1 / deviation, -mean / deviation)


def lower_layer_normalization(b: Emitter, call: KerasCall) -> str:
    """LayerNormalization over the last dimension."""
    layer, (x,) = call.operation, call.inputs
    _require_last_axis(b, call, layer.axis)
    if layer.rms_scaling:
        raise refuse(
            layer,
            got="rms_scaling=True",
            expected="rms_scaling=False",
            fix="use keras.layers.RMSNormalization",
        )
    return _scale_and_center(b, call, _standardize(b, x, [len(b.shape(x)) - 1], layer.epsilon))


def lower_group_normalization(b: Emitter, call: KerasCall) -> str:
    """GroupNormalization: groups of the channels, and all that is not batch or channel, are standardized together."""
    layer, (x,) = call.operation, call.inputs
    _require_last_axis(b, call, [layer.axis])
    shape = b.shape(x)
    grouped = (shape[0], int(np.prod(shape[1:-1])), layer.groups, shape[-1] // layer.groups)
    standard = _standardize(b, emit_reshape(b, x, grouped, suffix="groups"), [1, 3], layer.epsilon)
    return _scale_and_center(b, call, emit_reshape(b, standard, shape, suffix="channels"))


def lower_rms_normalization(b: Emitter, call: KerasCall) -> str:
    """RMSNormalization over the last dimension: `x / sqrt(mean(x * x) + epsilon) * scale`."""
    layer, (x,) = call.operation, call.inputs
    _require_last_axis(b, call, np.atleast_1d(layer.axis).tolist())
    squares = b.emit("MUL", [x, x], MulOptions(), suffix="squares")
    power = emit_reduce(b, "MEAN", squares, [len(b.shape(x)) - 1], keep_dims=True, suffix="power")
    normal = b.emit("MUL", [x, _inverse_root(b, power, layer.epsilon)], MulOptions(), suffix="normal")
    return emit_affine(b, normal, call.weight("scale"), np.zeros(()))


def _standardize(b: Emitter, name: str, axes: list[int], epsilon: float) -> str:
    """`(x - mean) / sqrt(variance + epsilon)`, statistics along `axes`."""
    mean = emit_reduce(b, "MEAN", name, axes, keep_dims=True, suffix="mean")
    centred = b.emit("SUB", [name, mean], SubOptions(), suffix="centred")
    squares = b.emit("MUL", [centred, centred], MulOptions(), suffix="squares")
    variance = emit_reduce(b, "MEAN", squares, axes, keep_dims=True, suffix="variance")
    return b.emit("MUL", [centred, _inverse_root(b, variance, epsilon)], MulOptions(), suffix="standard")


def _inverse_root(b: Emitter, name: str, epsilon: float) -> str:
    """`1 / sqrt(x + epsilon)`."""
    constant = b.constant(np.array(epsilon, np.float32), "epsilon")
    return b.emit("RSQRT", [b.emit("ADD", [name, constant], AddOptions(), suffix="raised")], suffix="inverse_deviation")


def _scale_and_center(b: Emitter, call: KerasCall, name: str) -> str:
    """A layer's trained gamma and beta, where it has them."""
    layer = call.operation
    gamma = call.weight("gamma") if layer.scale else np.ones(())
    return emit_affine(b, name, gamma, call.weight("beta") if layer.center else np.zeros(()))


def _without_leading_ones(array: np.ndarray) -> np.ndarray:
    """[1, 1, c] -> [c]; one element stays a dimension."""
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    return array


def _require_last_axis(b: Emitter, call: KerasCall, axes: list[int]) -> None:
    """Refuse a layer that normalizes along another dimension than the last.

    Raises:
        UnsupportedLayerError: naming the layer.
    """
    rank = len(b.shape(call.inputs[0]))
    if [axis % rank for axis in axes] != [rank - 1]:
        raise refuse(
            call.operation,
            got=f"axis={axes[0] if len(axes) == 1 else axes} of a tensor of {rank} dimensions",
            expected="axis=-1, the channels",
            fix="use axis=-1, and keras.layers.Permute to move the dimension there",
        )
