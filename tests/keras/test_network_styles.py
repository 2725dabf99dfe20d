"""Small networks in the styles that people build: fully integer, proven, and as close to float as int8 comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest

import octavo

layers, ops = keras.layers, keras.ops

Network = tuple[keras.Model, Sequence[np.ndarray]]
SAMPLES = 64
# An error of a hundredth of the outputs' power.
FLOOR_DB = 20.0
RNG = np.random.default_rng(0)


def smooth(*shape: int) -> np.ndarray:
    """Samples of this shape whose neighbours along the first axes are alike, of deviation 1."""
    x = RNG.normal(size=(SAMPLES, *shape))
    for axis in range(1, len(shape)):
        x = np.cumsum(x, axis)
    x -= x.mean(tuple(range(1, x.ndim)), keepdims=True)
    return (x / x.std(tuple(range(1, x.ndim)), keepdims=True)).astype(np.float32)


def words(length: int, vocabulary: int) -> np.ndarray:
    return RNG.integers(1, vocabulary, (SAMPLES, length)).astype(np.int32)


def convolved(x: Any, filters: int, size: int = 3, strides: int = 1, activation: str = "relu") -> Any:
    x = layers.Conv2D(filters, size, strides, "same", use_bias=False)(x)
    return layers.Activation(activation)(layers.BatchNormalization()(x))


def vision_transformer() -> Network:
    inputs = keras.Input((16, 16, 3))
    x = layers.Reshape((16, 16))(layers.Conv2D(16, 4, 4)(inputs))
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(2, 8)(y, y)
        y = layers.Dense(32, activation="gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(16)(y)
    return keras.Model(inputs, layers.Dense(10)(layers.LayerNormalization()(x)[:, 0])), [smooth(16, 16, 3)]


def decoder_with_rotary_embedding() -> Network:
    """Grouped queries, a mask by `where`, gated units, root mean square normalization."""
    length, heads, depth = 10, 4, 4
    angles = np.arange(length)[:, None] * 10000.0 ** (-np.arange(0, depth, 2) / depth)
    cosines, sines = (np.tile(f(angles), 2).astype(np.float32) for f in (np.cos, np.sin))

    def by_head(y: Any, count: int) -> Any:
        y = layers.Reshape((length, count, depth))(layers.Dense(count * depth, use_bias=False)(y))
        return ops.transpose(y, (0, 2, 1, 3))

    def turned(y: Any) -> Any:
        first, second = ops.split(y, 2, -1)
        return y * cosines + ops.concatenate([-second, first], -1) * sines

    inputs = keras.Input((length,), dtype="int32")
    x = layers.Embedding(40, 16)(inputs)
    for _ in range(2):
        y = layers.RMSNormalization()(x)
        query, key, value = by_head(y, heads), *(ops.repeat(by_head(y, heads // 2), 2, 1) for _ in range(2))
        scores = ops.matmul(turned(query), ops.swapaxes(turned(key), 2, 3)) / depth**0.5
        shares = ops.softmax(ops.where(np.tri(length, dtype=bool), scores, -1e9))
        y = layers.Reshape((length, 16))(ops.transpose(ops.matmul(shares, value), (0, 2, 1, 3)))
        x = x + layers.Dense(16, use_bias=False)(y)
        y = layers.RMSNormalization()(x)
        x = x + layers.Dense(16)(ops.silu(layers.Dense(32)(y)) * layers.Dense(32)(y))
    return keras.Model(inputs, layers.Dense(40)(layers.RMSNormalization()(x))), [words(length, 40)]


def diffusion_u_net() -> Network:
    images, time = keras.Input((8, 8, 2)), keras.Input((1,))
    waves = time * np.exp(-np.log(1000) * np.arange(8) / 8).astype(np.float32)
    step = ops.silu(layers.Dense(16)(ops.concatenate([ops.sin(waves), ops.cos(waves)], -1)))

    def residual(x: Any) -> Any:
        y = layers.Conv2D(8, 3, padding="same")(ops.silu(layers.GroupNormalization(4)(x)))
        y = y + layers.Dense(8)(step)[:, None, None, :]
        return x + layers.Conv2D(8, 3, padding="same")(ops.silu(layers.GroupNormalization(4)(y)))

    x = residual(layers.Conv2D(8, 3, padding="same")(images))
    y = residual(layers.Conv2D(8, 3, 2, padding="same")(x))
    x = residual(x + layers.UpSampling2D()(y))
    times = RNG.uniform(0, 100, (SAMPLES, 1)).astype(np.float32)
    return keras.Model([images, time], layers.Conv2D(2, 3, padding="same")(x)), [smooth(8, 8, 2), times]


def radiance_field() -> Network:
    """Positions as sines and cosines, and colours mixed by what is seen along a ray."""
    inputs = keras.Input((16, 3))
    waves = inputs[..., None] * (np.pi * 2.0 ** np.arange(4)).astype(np.float32)
    encoded = ops.reshape(ops.concatenate([ops.sin(waves), ops.cos(waves)], -1), (-1, 16, 24))
    x = layers.Dense(32, activation="relu")(encoded)
    x = layers.Dense(32, activation="relu")(layers.Concatenate()([x, encoded]))
    through = ops.exp(ops.relu(layers.Dense(1)(x)) * -0.1)
    seen = ops.cumprod(through, 1) * (1 - through)
    colours = ops.sum(seen * layers.Dense(3, activation="sigmoid")(x), 1)
    return keras.Model(inputs, colours), [RNG.uniform(-1, 1, (SAMPLES, 16, 3)).astype(np.float32)]


def ghost_modules() -> Network:
    inputs = keras.Input((16, 16, 3))

    def ghost(x: Any, filters: int) -> Any:
        x = convolved(x, filters // 2, 1)
        return layers.Concatenate()([x, layers.ReLU()(layers.DepthwiseConv2D(3, padding="same")(x))])

    x = convolved(inputs, 8, strides=2)
    y = ghost(x, 16)
    weights = layers.Conv2D(4, 1, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    y = y * layers.Conv2D(16, 1, activation="hard_sigmoid")(weights)
    x = layers.Add()([x, ghost(y, 8)])
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x))), [smooth(16, 16, 3)]


def patches_of_series() -> Network:
    """Series normalized by their own mean and deviation, cut into patches, and scaled back."""
    inputs = keras.Input((48, 2))
    mean, deviation = ops.mean(inputs, 1, keepdims=True), ops.std(inputs, 1, keepdims=True) + 1e-5
    x = ops.transpose((inputs - mean) / deviation, (0, 2, 1))
    x = layers.Dense(16)(layers.Reshape((2, 6, 8))(x))
    x = layers.BatchNormalization()(x + layers.MultiHeadAttention(2, 8, attention_axes=(2,))(x, x))
    x = layers.Dense(12)(layers.Reshape((2, 96))(x))
    series = 5 + 3 * smooth(48, 2) * RNG.uniform(0.5, 2, (SAMPLES, 1, 1))
    return keras.Model(inputs, ops.transpose(x, (0, 2, 1)) * deviation + mean), [series.astype(np.float32)]


def points_of_maps() -> Network:
    inputs = keras.Input((16, 16, 1))
    x = ops.transpose(layers.Conv2D(4, 1)(convolved(convolved(inputs, 8), 8)), (0, 3, 1, 2))
    shares = ops.reshape(ops.softmax(ops.reshape(x, (-1, 4, 256))), (-1, 4, 16, 16))
    places = np.linspace(0, 1, 16, dtype=np.float32)
    found = [ops.sum(ops.sum(shares, axis) * places, -1) for axis in (2, 3)]
    return keras.Model(inputs, ops.stack(found, -1)), [smooth(16, 16, 1)]


def crossed_features() -> Network:
    numbers, kinds = keras.Input((6,)), keras.Input((4,), dtype="int32")
    first = x = layers.Concatenate()([numbers, layers.Flatten()(layers.Embedding(30, 4)(kinds))])
    for _ in range(3):
        x = first * layers.Dense(22)(x) + x
    deep = layers.Dense(8, activation="relu")(layers.Dense(16, activation="relu")(first))
    answer = layers.Dense(1, activation="sigmoid")(layers.Concatenate()([x, deep]))
    return keras.Model([numbers, kinds], answer), [smooth(6), words(4, 30)]


def linear_attention() -> Network:
    """Queries and keys as `elu(x) + 1`, and sums divided by theirs."""
    inputs = keras.Input((16, 16))
    x = layers.Dense(24)(inputs)
    query, key, value = ops.elu(layers.Dense(24)(x)) + 1, ops.elu(layers.Dense(24)(x)) + 1, layers.Dense(24)(x)
    seen = ops.matmul(ops.transpose(key, (0, 2, 1)), value)
    total = ops.matmul(query, ops.transpose(ops.sum(key, 1, keepdims=True), (0, 2, 1)))
    return keras.Model(inputs, layers.Dense(5)(x + ops.matmul(query, seen) / total)), [smooth(16, 16)]


def mixture_of_experts() -> Network:
    inputs = keras.Input((16,))
    scores = layers.Dense(4)(inputs)
    shares = ops.softmax(ops.where(scores >= ops.top_k(scores, 2)[0][:, 1:], scores, -1e9))
    answers = [layers.Dense(16)(layers.Dense(32, activation="gelu")(inputs)) for _ in range(4)]
    return keras.Model(inputs, ops.einsum("be,bed->bd", shares, ops.stack(answers, 1))), [smooth(16)]


def translator() -> Network:
    source, target = keras.Input((12,), dtype="int32"), keras.Input((10,), dtype="int32")
    read, state = layers.GRU(24, return_sequences=True, return_state=True)(layers.Embedding(30, 16)(source))
    written = layers.GRU(24, return_sequences=True)(layers.Embedding(30, 16)(target), initial_state=state)
    seen = layers.Concatenate()([written, layers.Attention()([written, read])])
    answer = layers.Dense(30)(layers.Dense(24, activation="tanh")(seen))
    return keras.Model([source, target], answer), [words(12, 30), words(10, 30)]


def boxes_on_a_grid() -> Network:
    """Centres by sigmoids about the cells of a grid, sizes by exponentials of anchors."""
    inputs = keras.Input((32, 32, 3))
    x = inputs
    for filters in (16, 24, 32):
        x = convolved(x, filters, strides=2, activation="silu")
    found = layers.Reshape((4, 4, 3, 7))(layers.Conv2D(21, 1)(x))
    grid = np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1)[None, :, :, None].astype(np.float32)
    anchors = np.array([[10, 13], [16, 30], [33, 23]], np.float32)
    centres = (ops.sigmoid(found[..., :2]) * 2 - 0.5 + grid) * 8
    boxes = [centres, ops.exp(found[..., 2:4]) * anchors, ops.sigmoid(found[..., 4:])]
    return keras.Model(inputs, layers.Reshape((48, 7))(layers.Concatenate()(boxes))), [smooth(32, 32, 3)]


def gated_convolutions_in_time() -> Network:
    inputs = keras.Input((64, 4))
    x, skipped = layers.Conv1D(16, 2, padding="causal")(inputs), []
    for rate in (1, 2, 4, 8):
        wave, gate = (
            layers.Conv1D(16, 2, padding="causal", dilation_rate=rate, activation=name)(x)
            for name in ("tanh", "sigmoid")
        )
        skipped.append(layers.Conv1D(16, 1)(wave * gate))
        x = x + layers.Conv1D(16, 1)(wave * gate)
    x = layers.Conv1D(16, 1, activation="relu")(layers.ReLU()(layers.Add()(skipped)))
    return keras.Model(inputs, layers.Conv1D(8, 1, activation="softmax")(x)), [smooth(64, 4)]


def moves_and_their_value() -> Network:
    """A tower of residual blocks on planes of a board; the moves are a softmax of many, all of them small."""
    inputs = keras.Input((8, 8, 12))
    x = convolved(inputs, 32)
    for _ in range(2):
        y = layers.BatchNormalization()(layers.Conv2D(32, 3, padding="same", use_bias=False)(convolved(x, 32)))
        x = layers.ReLU()(x + y)
    moves = layers.Dense(400, activation="softmax")(layers.Flatten()(convolved(x, 2, 1)))
    return keras.Model(inputs, moves), [(RNG.random((SAMPLES, 8, 8, 12)) < 0.06).astype(np.float32)]


NETWORKS: tuple[Callable[[], Network], ...] = (
    vision_transformer,
    decoder_with_rotary_embedding,
    diffusion_u_net,
    radiance_field,
    ghost_modules,
    patches_of_series,
    points_of_maps,
    crossed_features,
    linear_attention,
    mixture_of_experts,
    translator,
    boxes_on_a_grid,
    gated_convolutions_in_time,
    moves_and_their_value,
)


@pytest.mark.exhaustive
@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_a_network_is_integer_proven_and_close_to_float(make: Callable[[], Network]) -> None:
    keras.utils.set_random_seed(0)
    model, samples = make()
    data = list(samples) if len(samples) > 1 else samples[0]
    made = octavo.quantize(model, "int8", data)
    wanted, found = np.asarray(model.predict(data, verbose=0)), np.asarray(made.predict(data))
    assert made.islands == ()
    assert made.verification is not None
    assert made.verification.ok
    assert 10 * np.log10(np.square(wanted).sum() / np.square(found - wanted).sum()) > FLOOR_DB
