"""Layers and operations that move, cut, repeat or resize, loaded from Keras, compute what Keras computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras import layers, ops
from layer_calls import assert_computes_the_same

from keras_agreement import differs_on

IMAGE, SEQUENCE, VECTOR = (6, 5, 3), (6, 3), (6,)
# Interpolating down and across takes eight products of values below 5.
RESIZED = 8 * 5 * float(np.finfo(np.float32).eps)

MOVING_LAYERS = (
    (layers.Flatten(), IMAGE),
    (layers.Flatten(), VECTOR),
    (layers.Reshape((3, -1)), IMAGE),
    (layers.Permute((3, 1, 2)), IMAGE),
    (layers.ZeroPadding1D(2), SEQUENCE),
    (layers.ZeroPadding1D((0, 3)), SEQUENCE),
    (layers.ZeroPadding2D(1), IMAGE),
    (layers.ZeroPadding2D(((0, 1), (2, 0))), IMAGE),
    (layers.Cropping1D((1, 0)), SEQUENCE),
    (layers.Cropping1D(2), SEQUENCE),
    (layers.Cropping2D(((1, 2), (0, 1))), IMAGE),
    (layers.UpSampling1D(3), SEQUENCE),
    (layers.UpSampling2D((2, 3)), IMAGE),
    (layers.RepeatVector(4), VECTOR),
    (layers.Resizing(9, 4, interpolation="nearest"), IMAGE),
)
BACKWARDS = (lambda x: x[:, ::-1], lambda x: x[:, 4:0:-2])
INDICES: tuple[Any, ...] = (
    lambda x: x[:, 1],
    lambda x: x[:, -1],
    lambda x: x[:, 1:3],
    lambda x: x[:, :-2, 1:],
    lambda x: x[:, ::2],
    *(
        pytest.param(backwards, marks=differs_on("torch", reason="PyTorch counts no indices backwards"))
        for backwards in BACKWARDS
    ),
    lambda x: x[..., 0],
    lambda x: x[..., -2:],
    lambda x: x[:, None],
    lambda x: x[:, None, 2, ..., None],
)
OPERATIONS: tuple[Any, ...] = (
    lambda x: ops.reshape(x, (-1, 3)),
    lambda x: ops.reshape(x, (-1, 9, 2)),
    lambda x: ops.transpose(x, (0, -1, 1)),
    lambda x: ops.expand_dims(x, 1),
    lambda x: ops.expand_dims(x, (1, -1)),
    lambda x: ops.squeeze(ops.expand_dims(x, 2)),
    lambda x: ops.squeeze(ops.expand_dims(x, 2), axis=-2),
    lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1))),
    lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1)), constant_values=2.5),
    lambda x: ops.pad(x, ((0, 0), (5, 2), (0, 1)), mode="reflect"),
    pytest.param(
        lambda x: ops.pad(x, ((0, 0), (6, 2), (0, 1)), mode="symmetric"),
        marks=differs_on("torch", reason="Keras's torch backend repeats the whole in place of mirroring it"),
    ),
    lambda x: ops.split(x, 3, axis=1),
    lambda x: ops.split(x, [1, 4], axis=-2),
)


@pytest.mark.parametrize(("layer", "shape"), MOVING_LAYERS, ids=lambda value: getattr(value, "name", None))
def test_a_layer_moves_the_same_values(layer: Callable[..., Any], shape: tuple[int, ...]) -> None:
    assert_computes_the_same(layer, shape)


@pytest.mark.parametrize("call", [*INDICES, *OPERATIONS])
def test_an_operation_moves_the_same_values(call: Callable[..., Any]) -> None:
    assert_computes_the_same(call, SEQUENCE)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, y: layers.Concatenate()([x, y]),
        lambda x, y: layers.Concatenate(axis=1)([x, y, x]),
        lambda x, y: ops.concatenate([x, y], axis=-2),
        lambda x, y: ops.stack([x, y], axis=1),
        lambda x, y: ops.stack([x, y, x], axis=-1),
    ],
)
def test_joining_puts_the_values_in_the_same_places(call: Callable[..., Any]) -> None:
    assert_computes_the_same(call, SEQUENCE, SEQUENCE)


@pytest.mark.parametrize(
    "call",
    [
        layers.UpSampling2D((2, 3), interpolation="bilinear"),
        layers.Resizing(9, 4),
        lambda x: ops.image.resize(x, (4, 9)),
    ],
)
def test_bilinear_resizing_interpolates_the_same(call: Callable[..., Any]) -> None:
    assert_computes_the_same(call, IMAGE, rounding=RESIZED)


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (layers.UpSampling2D(2, interpolation="bicubic"), IMAGE),
        (layers.Resizing(4, 4, antialias=True), IMAGE),
        (layers.Resizing(4, 4, crop_to_aspect_ratio=True), IMAGE),
        *(
            pytest.param(
                call, SEQUENCE, marks=differs_on("tensorflow", "torch", reason="Keras has no such padding there")
            )
            for call in (
                lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0)), mode="edge"),
                lambda x: ops.pad(x, ((0, 0), (6, 0), (0, 0)), mode="reflect"),
            )
        ),
    ],
)
def test_other_ways_to_resize_and_pad_compute_the_same(call: Callable[..., Any], shape: tuple[int, ...]) -> None:
    assert_computes_the_same(call, shape, rounding=RESIZED)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Flatten(data_format="channels_first"), IMAGE),
        (layers.ZeroPadding2D(data_format="channels_first"), IMAGE),
        (layers.Cropping2D(data_format="channels_first"), IMAGE),
        (layers.UpSampling2D(data_format="channels_first"), IMAGE),
        (layers.Resizing(4, 4, data_format="channels_first"), IMAGE),
    ],
)
def test_channels_first_are_read_between_transposes(layer: Any, shape: tuple[int, ...]) -> None:
    assert_computes_the_same(layer, shape, rounding=1e-6)


@pytest.mark.every_backend
@pytest.mark.parametrize(("name", "shape"), [("space_to_depth", (2, 4, 6)), ("depth_to_space", (8, 2, 3))])
def test_blocks_of_images_whose_channels_come_first_are_ordered_as_the_backend_does(
    name: str, shape: tuple[int, ...]
) -> None:
    assert_computes_the_same(lambda x: getattr(ops, name)(x, 2, data_format="channels_first"), shape)
