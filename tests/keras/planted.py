"""Four networks, and faults planted in them on purpose, each with the layer and the cause that diagnosis must name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import keras
import numpy as np

import octavo
from keras_networks import draw_weights
from octavo.config import LayerConfig
from octavo.dtypes import DType
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph, Quantization
from octavo.numerics.affine import quantize, symmetric
from octavo.write.tflite import write_tflite

layers = keras.layers
Arrays = np.ndarray


@dataclass(frozen=True)
class Planted:
    """A fault.

    Attributes:
        cause, layer: What is wrong, and where.
        model: The float model.
        data, test: To calibrate on, and to judge by.
        options: Of `octavo.diagnose`.
    """

    cause: str
    layer: tuple[str, ...]
    model: Any
    data: np.ndarray
    test: np.ndarray
    options: Mapping[str, Any] = field(default_factory=dict)


def chain() -> Any:
    """Convolution, normalization, depthwise and dense layers one behind the other: 8x8x3 -> 10 logits."""
    inputs = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(12, 3, padding="same", activation="relu", name="first")(inputs)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise")(x)
    x = layers.Conv2D(16, 1, activation="relu", name="pointwise")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return draw_weights(keras.Model(inputs, layers.Dense(10, name="logits")(x), name="chain"), seed=1)


def branches() -> Any:
    """Two branches, concatenated: 8x8x3 -> 6."""
    inputs = layers.Input((8, 8, 3), name="image")
    left = layers.Conv2D(8, 3, padding="same", activation="relu", name="left")(inputs)
    right = layers.Conv2D(8, 1, activation="relu", name="right")(inputs)
    x = layers.Concatenate(name="concat")([left, right])
    x = layers.Conv2D(12, 3, activation="relu", name="after")(x)
    x = layers.Flatten(name="flatten")(x)
    return draw_weights(keras.Model(inputs, layers.Dense(6, name="out")(x), name="branches"), seed=2)


def residual(units: int = 5, last: str | None = None) -> Any:
    """Dense layers with a residual sum: 24 -> units."""
    inputs = layers.Input((24,), name="features")
    x = layers.Dense(32, activation="relu", name="wide")(inputs)
    y = layers.Dense(32, activation="relu", name="inner")(x)
    x = layers.Add(name="sum")([x, y])
    x = layers.Dense(units, activation=last, name="out")(x)
    return draw_weights(keras.Model(inputs, x, name="residual"), seed=3)


def samples(count: int, seed: int, shape: tuple[int, ...] = (8, 8, 3)) -> np.ndarray:
    """Numbers between 0 and 1."""
    return np.random.default_rng(seed).random((count, *shape)).astype(np.float32)


FEATURES = (24,)


def edit(model: Any, layer: str, change: Callable[..., Any]) -> Any:
    """The model, with the weights of a layer changed."""
    own = model.get_layer(layer)
    own.set_weights(change(*own.get_weights()))
    return model


def scaled_channel(model: Any, layer: str, after: str, channel: int, factor: float) -> Any:
    """One channel of a layer made larger, and the next layer's weights on it smaller: the same function."""

    def larger(kernel: Arrays, bias: Arrays) -> list[Arrays]:
        kernel, bias = kernel.copy(), bias.copy()
        kernel[..., channel] *= factor
        bias[channel] *= factor
        return [kernel, bias]

    def smaller(kernel: Arrays, bias: Arrays) -> list[Arrays]:
        kernel = kernel.copy()
        kernel[..., channel, :] /= factor
        return [kernel, bias]

    return edit(edit(model, layer, larger), after, smaller)


def scaled_branch(model: Any, factor: float) -> Any:
    """The left branch made smaller, and what reads it larger: the same function."""

    def smaller(kernel: Arrays, bias: Arrays) -> list[Arrays]:
        return [kernel / factor, bias / factor]

    def larger(kernel: Arrays, bias: Arrays) -> list[Arrays]:
        kernel = kernel.copy()
        kernel[..., :8, :] *= factor
        return [kernel, bias]

    return edit(edit(model, "left", smaller), "after", larger)


def behind_a_dead_unit() -> Any:
    """The residual network with weights far beyond the others that do nothing: what they read is always zero."""

    def dead(kernel: Arrays, bias: Arrays) -> list[Arrays]:
        kernel, bias = kernel.copy(), bias.copy()
        kernel[..., 0], bias[0] = 0, -1
        return [kernel, bias]

    def large(kernel: Arrays, bias: Arrays) -> list[Arrays]:
        kernel = kernel.copy()
        kernel[0] += 300 * np.abs(kernel).mean()
        return [kernel, bias]

    return edit(edit(residual(), "wide", dead), "inner", large)


def foreign(model: Any, data: np.ndarray, change: Callable[[Graph], Graph], **options: Any) -> bytes:
    """The int8 file of a model, edited."""
    return write_tflite(change(octavo.quantize(model, "int8", data, verify="off", **options).graph))


def activation_scaled(graph: Graph, layer: str, factor: float) -> Graph:
    """The graph with the range of a layer's result made wider or narrower."""
    name = next(node.outputs[0] for node in graph.nodes if node.layer == layer)
    tensor = graph.tensors[name]
    changed = Quantization(tensor.parameters.scale * np.float32(factor), tensor.parameters.zero_point)
    return with_tensors(graph, [replace(tensor, quantization=changed)])


def constant_changed(graph: Graph, layer: str, index: int, change: Callable[[Any], Any]) -> Graph:
    """The graph with a constant of a layer's first operator changed."""
    node = next(node for node in graph.nodes if node.layer == layer)
    return with_tensors(graph, [change(graph.tensors[str(node.inputs[index])])])


def other_half(tensor: Any) -> Any:
    """Half of the weights another model's."""
    drawn = np.random.default_rng(9).integers(-127, 128, tensor.shape).astype(tensor.data.dtype)
    return replace(tensor, data=np.where(np.random.default_rng(8).random(tensor.shape) < 0.5, drawn, tensor.data))


def no_bias(tensor: Any) -> Any:
    """Zeros."""
    return replace(tensor, data=np.full_like(tensor.data, 400_000))


def odd_sample(data: np.ndarray, index: int, factor: float) -> np.ndarray:
    """The data with one sample far too large."""
    data = data.copy()
    data[index] *= factor
    return data


def far_from_zero() -> Any:
    """A chain of dense layers with units around sixty, which what reads them takes back: 24 -> 5."""
    inputs = layers.Input(FEATURES, name="features")
    x = layers.Dense(16, activation="tanh", name="decode")(layers.Dense(6, name="code")(inputs))
    model = draw_weights(keras.Model(inputs, layers.Dense(5, name="out")(x), name="far"), seed=6)
    edit(model, "code", lambda kernel, bias: [kernel, bias + 60])
    return edit(model, "decode", lambda kernel, bias: [kernel, bias - 60 * kernel.sum(axis=0)])


def joined() -> Any:
    """A tanh beside numbers two hundred times as large, joined and taken apart again: 24 -> 4."""
    inputs = layers.Input(FEATURES, name="features")
    small = layers.Dense(8, activation="tanh", name="small")(inputs)
    joined = layers.Concatenate(name="join")([small, layers.Dense(8, name="large")(inputs)])
    left, right = layers.Dense(4, name="left")(joined[:, :8]), layers.Dense(4, name="right")(joined[:, 8:])
    model = draw_weights(keras.Model(inputs, layers.Add(name="sum")([left, right]), name="joined"), seed=5)
    edit(model, "large", lambda kernel, bias: [kernel * 200, bias * 200])
    return edit(model, "right", lambda kernel, bias: [kernel / 200, bias])


@cache
def planted() -> dict[str, Planted]:
    """Faults by name."""
    x, t = samples(64, 1), samples(96, 2)
    f, g = samples(64, 3, FEATURES), samples(96, 4, FEATURES)
    chained, branched, summed = chain(), branches(), residual()

    def of_chain(change: Callable[[Graph], Graph]) -> Mapping[str, Any]:
        return {"file": foreign(chained, x, change)}

    return {
        "outlier sample": Planted("outlier_samples", ("image",), chained, odd_sample(x, 11, 500), t),
        "outlier sample in features": Planted("outlier_samples", ("features",), summed, odd_sample(f, 5, 1000), g),
        "data in 0..255": Planted("mis_scaled_data", ("image",), branched, x * 255, t),
        "data divided twice": Planted("mis_scaled_data", ("features",), summed, f / 255, g),
        "dim data": Planted("narrow_data", ("image",), branched, np.clip(x, 0, 0.4), t),
        "narrow features": Planted("narrow_data", ("features",), summed, np.clip(f, 0, 0.4), g),
        "cut by percentile": Planted(
            "cut_ranges", (), summed, f, g, {"estimator": "percentile", "percentile": 80.0}
        ),
        "four bits in one layer": Planted(
            "few_bits", ("out",), branched, x, t, {"layers": [LayerConfig("out", weights="int4")]}
        ),
        "four bits in a dense layer": Planted(
            "few_bits", ("out",), summed, f, g, {"layers": [LayerConfig("out", weights="int4")], "effort": "fast"}
        ),
        "outlier channel": Planted(
            "outlier_channels", ("pointwise",), pooled(), x, t
        ),
        "outlier channel before a sum": Planted(
            "outlier_channels", ("wide",), outlier_features(), f, g
        ),
        "concatenated branches": Planted("shared_scale", ("concat",), scaled_branch(branches(), 300.0), x, t),
        "operand of a coarse scale": Planted("shared_scale", ("join",), joined(), f, g),
        "units around sixty": Planted("far_from_zero", ("code",), far_from_zero(), f, g),
        "softmax of many classes": Planted("fixed_range", ("out",), residual(400, "softmax"), f, g),
        "small probabilities": Planted("fixed_range", ("out",), small_probabilities(), f, g),
        "large weights": Planted("outlier_weights", ("inner",), behind_a_dead_unit(), f, g),
        "a range too wide": Planted(
            "wide_range", ("first",), chained, x, t, of_chain(lambda graph: activation_scaled(graph, "first", 40.0))
        ),
        "a range too narrow": Planted(
            "cut_ranges", ("first",), chained, x, t, of_chain(lambda graph: activation_scaled(graph, "first", 0.2))
        ),
        "weights of another model": Planted(
            "other_weights", ("pointwise",), chained, x, t,
            of_chain(lambda graph: constant_changed(graph, "pointwise", 1, other_half)),
        ),
        "biases of another model": Planted(
            "other_weights", ("first",), chained, x, t,
            of_chain(lambda graph: constant_changed(graph, "first", 2, no_bias)),
        ),
        "one scale for uneven channels": Planted(
            "one_scale", ("wide",), cancelling(), twice(f), twice(g), {"layers": [LayerConfig("wide", per_axis=False)]}
        ),
    }  # fmt: skip


def pooled() -> Any:
    """The chain with one channel of its last convolution far beyond the others."""
    return scaled_channel(chain(), "pointwise", "logits", 3, 200.0)


def outlier_features() -> Any:
    """The residual network with a unit far beyond the others."""
    model = residual()

    def larger(kernel: Arrays, bias: Arrays) -> list[Arrays]:
        kernel, bias = kernel.copy(), bias.copy()
        kernel[:, 4] *= 300
        bias[4] *= 300
        return [kernel, bias]

    def smaller(kernel: Arrays, bias: Arrays) -> list[Arrays]:
        kernel = kernel.copy()
        kernel[4] /= 300
        return [kernel, bias]

    return edit(edit(edit(model, "wide", larger), "inner", smaller), "out", smaller)


def cancelling() -> Any:
    """The residual network with two large weights of one unit that cancel each other where two features are equal."""

    def change(kernel: Arrays, bias: Arrays) -> list[Arrays]:
        kernel = kernel.copy()
        kernel[:2, 0] = 60.0, -60.0
        return [kernel, bias]

    return edit(residual(), "wide", change)


def twice(features: np.ndarray) -> np.ndarray:
    """Features of which the second is the first."""
    features = features.copy()
    features[:, 1] = features[:, 0]
    return features


def small_probabilities() -> Any:
    """Sigmoids that stay far below a step."""
    return edit(residual(8, "sigmoid"), "out", lambda kernel, bias: [kernel, bias - 7])


def cut_bias() -> tuple[Any, bytes]:
    """The residual network with a unit of nothing but bias, and a file whose scales leave that bias no room."""

    def constant(kernel: Arrays, bias: Arrays) -> list[Arrays]:
        kernel, bias = kernel.copy(), bias.copy()
        kernel[:, 0] *= 1e-9
        bias[0] = 3.0
        return [kernel, bias]

    model = edit(residual(), "wide", constant)
    graph = octavo.quantize(model, "int8", samples(64, 3, FEATURES), verify="off").graph
    node = next(node for node in graph.nodes if node.layer == "wide")
    data, weight, bias = (graph.tensors[str(name)] for name in node.inputs)
    real = model.get_layer("wide").get_weights()[0].T
    narrow = symmetric(np.abs(real).max(axis=1), DType.INT8, weight.parameters.granularity)
    scale = data.scale * narrow.scale.astype(np.float64)
    steps = np.clip(model.get_layer("wide").get_weights()[1] / scale, -(2.0**31), 2.0**31 - 1).astype(np.int32)
    changed = (
        replace(weight, data=quantize(real, narrow, DType.INT8, narrow=True), quantization=narrow),
        replace(
            bias, data=steps, quantization=Quantization(scale, bias.parameters.zero_point, bias.parameters.granularity)
        ),
    )
    return model, write_tflite(with_tensors(graph, changed))
