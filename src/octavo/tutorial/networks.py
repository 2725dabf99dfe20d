"""The tutorial's networks in sizes that a desk trains: images of about 32x32 in 0..255 become logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Build = Callable[[tuple[int, int, int], int], Any]
WIDTHS_V1 = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2), (256, 1))
# Filters, stride and expansion.
BLOCKS_V2 = ((8, 1, 1), (8, 2, 6), (8, 1, 6), (16, 2, 6), (16, 1, 6), (24, 1, 6), (32, 2, 6), (32, 1, 6), (56, 1, 6))
STACKS_RESNET = ((16, 1), (32, 2), (64, 2))


def mobilenet_v1(shape: tuple[int, int, int], classes: int) -> Any:
    """MobileNetV1 of width 0.25: depthwise and pointwise convolutions (Howard et al., 2017)."""
    from keras import layers

    inputs, x = _entrance(shape)
    x = activated(x, layers.Conv2D(16, 3, padding="same", use_bias=False))
    for filters, stride in WIDTHS_V1:
        x = activated(x, layers.DepthwiseConv2D(3, stride, "same", use_bias=False))
        x = activated(x, layers.Conv2D(filters, 1, use_bias=False))
    return _classifier(inputs, x, classes, "mobilenet_v1")


def mobilenet_v2(shape: tuple[int, int, int], classes: int) -> Any:
    """MobileNetV2 of width 0.35: inverted residuals and linear bottlenecks (Sandler et al., 2018)."""
    from keras import layers

    inputs, x = _entrance(shape)
    x = activated(x, layers.Conv2D(16, 3, padding="same", use_bias=False))
    for filters, stride, expansion in BLOCKS_V2:
        entering = x
        if expansion > 1:
            x = activated(x, layers.Conv2D(expansion * entering.shape[-1], 1, use_bias=False))
        x = activated(x, layers.DepthwiseConv2D(3, stride, "same", use_bias=False))
        x = layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(x))
        if stride == 1 and entering.shape[-1] == filters:
            x = layers.Add()([entering, x])
    x = activated(x, layers.Conv2D(160, 1, use_bias=False))
    return _classifier(inputs, x, classes, "mobilenet_v2")


def resnet8(shape: tuple[int, int, int], classes: int) -> Any:
    """ResNet of three stacks of one residual block (He et al., 2015), the network of MLPerf Tiny."""
    from keras import layers

    inputs, x = _entrance(shape)
    x = activated(x, layers.Conv2D(16, 3, padding="same", use_bias=False))
    for filters, stride in STACKS_RESNET:
        entering = x
        x = activated(x, layers.Conv2D(filters, 3, stride, padding="same", use_bias=False))
        x = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(x))
        if entering.shape[-1] != filters:
            entering = layers.Conv2D(filters, 1, stride, padding="same")(entering)
        x = layers.ReLU()(layers.Add()([entering, x]))
    return _classifier(inputs, x, classes, "resnet8")


def _entrance(shape: tuple[int, int, int]) -> tuple[Any, Any]:
    """The input, and its pixels in -1..1."""
    import keras

    inputs = keras.Input(shape, name="image")
    return inputs, keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)


def activated(x: Any, layer: Any) -> Any:
    """Convolution -> batch normalization -> ReLU6."""
    from keras import layers

    return layers.ReLU(6.0)(layers.BatchNormalization()(layer(x)))


def _classifier(inputs: Any, x: Any, classes: int, name: str) -> Any:
    import keras

    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name=name)


NETWORKS: Mapping[str, Build] = MappingProxyType(
    {"mobilenet_v1": mobilenet_v1, "mobilenet_v2": mobilenet_v2, "resnet8": resnet8}
)
