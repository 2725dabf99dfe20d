"""Convolutions, dense layers, poolings and reductions, loaded from Keras, compute what Keras computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from layer_calls import assert_computes_the_same, refusal_of

from keras_agreement import differs_on
from octavo.load.keras_graph import load_keras
from octavo.run import reference

# No result here sums more than 200 products of values and weights below 5.
ROUNDING = 200 * 25 * float(np.finfo(np.float32).eps)
IMAGE, SEQUENCE = (9, 8, 4), (9, 4)
UNEVEN = differs_on("torch", reason="where padding is uneven, Keras's torch backend averages repeated borders")
LAYERS = (
    (layers.Conv2D(4, 3, padding="same", strides=2, activation="relu"), IMAGE),
    (layers.Conv2D(4, (3, 2), dilation_rate=(2, 1)), IMAGE),
    (layers.Conv2D(6, 3, groups=2, use_bias=False), IMAGE),
    (layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu"), SEQUENCE),
    (layers.Conv1D(4, 3, padding="same", strides=2), SEQUENCE),
    (layers.Conv1D(6, 3, padding="causal", strides=2, groups=2), SEQUENCE),
    (layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2), IMAGE),
    (layers.DepthwiseConv2D(3, dilation_rate=2), IMAGE),
    (layers.DepthwiseConv1D(3, strides=2, padding="same", depth_multiplier=2, activation="relu"), SEQUENCE),
    (layers.SeparableConv2D(5, 3, strides=2, padding="same", depth_multiplier=2, activation="relu"), IMAGE),
    (layers.SeparableConv1D(5, 3, use_bias=False, dilation_rate=2), SEQUENCE),
    (layers.Conv2DTranspose(4, (3, 2), strides=(2, 3), use_bias=False, activation="relu"), IMAGE),
    (layers.Conv1DTranspose(4, 3, strides=2, padding="same"), SEQUENCE),
    (layers.Conv1DTranspose(4, 3, dilation_rate=2), SEQUENCE),
    (layers.Conv2DTranspose(4, (4, 3), dilation_rate=(3, 2), padding="same"), IMAGE),
    (layers.Conv3DTranspose(3, 3, dilation_rate=2, padding="same"), (3, 4, 4, 2)),
    (layers.Conv3D(4, 2, strides=(1, 2, 1), padding="same", groups=2, activation="relu"), (4, 4, 3, 4)),
    (layers.Dense(5, activation="relu"), (6,)),
    (layers.Dense(5, use_bias=False), IMAGE),
    *((pool(2), IMAGE) for pool in (layers.MaxPooling2D, layers.AveragePooling2D)),
    (layers.MaxPooling2D((2, 3), strides=(2, 1), padding="same"), IMAGE),
    pytest.param(layers.AveragePooling2D((2, 3), strides=(2, 1), padding="same"), IMAGE, marks=UNEVEN),
    *((pool(3, strides=2, padding="same"), SEQUENCE) for pool in (layers.MaxPooling1D, layers.AveragePooling1D)),
    *(
        (pool(keepdims=keep), IMAGE)
        for pool in (layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D)
        for keep in (False, True)
    ),
    *(
        (pool(keepdims=keep), SEQUENCE)
        for pool in (layers.GlobalMaxPooling1D, layers.GlobalAveragePooling1D)
        for keep in (False, True)
    ),
)
TRANSPOSED = [
    *((size, stride, padding, None) for size in (1, 2, 5) for stride in (1, 3) for padding in ("same", "valid")),
    *((3, 2, padding, extra) for padding in ("same", "valid") for extra in (None, 0, 1)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: getattr(value, "name", None))
def test_a_layer_computes_the_same(layer: keras.Layer, shape: tuple[int, ...]) -> None:
    assert_computes_the_same(layer, shape, rounding=ROUNDING)


@pytest.mark.parametrize(("size", "stride", "padding", "extra"), TRANSPOSED)
def test_a_transposed_convolution_computes_the_same(size: int, stride: int, padding: str, extra: int | None) -> None:
    layer = layers.Conv2DTranspose(2, size, strides=stride, padding=padding, output_padding=extra)
    assert_computes_the_same(layer, (5, 4, 3), rounding=ROUNDING)


def test_an_output_padding_that_no_convolution_reverses_is_refused() -> None:
    error = refusal_of(layers.Conv2DTranspose(2, 2, strides=2, padding="same", output_padding=0), IMAGE)
    assert "leave output_padding at None" in error.fix


@pytest.mark.parametrize(
    "call",
    [
        lambda x: ops.mean(x, axis=(1, -1)),
        lambda x: ops.sum(x, axis=-1, keepdims=True),
        lambda x: ops.max(x, axis=1),
        lambda x: ops.min(x, axis=(1, 2)),
        lambda x: ops.amax(x, axis=2),
        lambda x: ops.amin(x, axis=-2, keepdims=True),
        lambda x: ops.max_pool(x, (2, 3), strides=1, padding="same"),
        lambda x: ops.average_pool(x, 2, strides=2),
        lambda x: ops.matmul(x, np.ones((4, 3), np.float32)),
        lambda x: ops.matmul(np.ones((5, 8), np.float32), x),
        lambda x: x @ ops.transpose(x, (0, 1, 3, 2)),
    ],
)
def test_an_operation_computes_the_same(call: Callable[..., Any]) -> None:
    assert_computes_the_same(call, IMAGE, rounding=ROUNDING)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv2D(2, 3, data_format="channels_first"), IMAGE),
        (layers.MaxPooling2D(2, data_format="channels_first"), IMAGE),
        (layers.GlobalAveragePooling2D(data_format="channels_first"), IMAGE),
        (layers.GlobalMaxPooling1D(data_format="channels_first"), SEQUENCE),
    ],
)
def test_channels_first_are_read_between_transposes(layer: keras.Layer, shape: tuple[int, ...]) -> None:
    inputs = keras.Input(shape)
    graph = load_keras(keras.Model(inputs, layer(inputs))).graph
    assert graph.tensors[graph.outputs[0]].shape == (1, *layer.compute_output_shape((None, *shape))[1:])
    assert graph.nodes[0].op == "TRANSPOSE"


@pytest.mark.parametrize("axis", [None, 0, (-3, 1)])
def test_reducing_the_batch_is_reducing_one_sample_and_is_told(axis: object) -> None:
    inputs = keras.Input(SEQUENCE)
    model = keras.Model(inputs, ops.mean(inputs, axis=axis))
    loaded = load_keras(model)
    assert any("mixes the samples of a batch" in note.text for note in loaded.notes)
    x = np.random.default_rng(0).normal(size=(1, *SEQUENCE)).astype(np.float32)
    (found,) = (reference.run(loaded.graph, {loaded.graph.inputs[0]: x})[name] for name in loaded.graph.outputs)
    wanted = ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=0, atol=ROUNDING)


def test_a_product_with_a_vector_computes_the_same() -> None:
    assert_computes_the_same(lambda x: ops.matmul(x, np.ones(SEQUENCE[-1], np.float32)), SEQUENCE, rounding=ROUNDING)


VOLUME = (5, 4, 6, 2)


VOLUMES = (
    lambda padding: layers.Conv3D(3, (3, 2, 2), strides=(2, 1, 2), padding=padding),
    lambda padding: layers.Conv3DTranspose(3, (3, 2, 2), strides=(2, 1, 3), padding=padding),
    lambda padding: layers.Conv3DTranspose(3, (2, 3, 3), strides=(3, 2, 2), padding=padding),
    lambda padding: layers.MaxPooling3D((2, 3, 2), strides=2, padding=padding),
)


def averages_of_volumes(padding: str) -> keras.Layer:
    return layers.AveragePooling3D((2, 3, 2), strides=2, padding=padding)


@pytest.mark.parametrize(
    ("layer", "padding"),
    [
        *((layer, padding) for layer in VOLUMES for padding in ("valid", "same")),
        (averages_of_volumes, "valid"),
        pytest.param(averages_of_volumes, "same", marks=UNEVEN),
    ],
)
def test_volumes_compute_the_same_on_operators_for_images(layer: Callable[[str], Any], padding: str) -> None:
    assert_computes_the_same(layer(padding), VOLUME, rounding=ROUNDING)
