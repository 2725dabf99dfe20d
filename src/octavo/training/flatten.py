"""An equal model in which what deployment rounds is, as far as layers can be split, the output of a Keras call.

    nested model            =>  its layers
    layer(activation=f)     =>  layer -> Activation(f)
    SeparableConv           =>  DepthwiseConv -> Conv

Fake quantization can then stand between any two calls. What is still rounded inside one is `lowering`'s task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras

from octavo.plan.make import matches
from octavo.training.functional import rebuild

Piece = Callable[..., Any]
Config = dict[str, Any]


def flatten(model: keras.Model, skip: Sequence[str] = ()) -> tuple[keras.Model, tuple[str, ...]]:
    """Clone `model` flat; weights are copied, layer names kept (made unique where nested models repeat them).

    Args:
        model: Built, Sequential or Functional.
        skip: Names or shell patterns of layers that stay in float and so in one piece.

    Returns:
        A functional model with variables of its own that computes the same; and the names its skipped layers have,
        followed by the patterns that no layer fits.
    """
    clones: dict[int, tuple[keras.layers.Layer, list[Piece]]] = {}
    taken: set[str] = set()
    skipped: list[str] = []
    unused = list(skip)

    def call(node: Any, *args: Any, **kwargs: Any) -> Any:
        operation = node.operation
        if not isinstance(operation, keras.layers.Layer):
            return operation(*args, **kwargs)
        if id(operation) not in clones:
            name = _unique(operation.name, taken)
            fitting = [pattern for pattern in skip if matches(operation.name, (pattern.rpartition("/")[2],))]
            unused[:] = [pattern for pattern in unused if pattern not in fitting]
            skipped.extend([name] if fitting else [])
            clones[id(operation)] = operation, _whole(operation, name) if fitting else split(operation, name)
        first, *rest = clones[id(operation)][1]
        result = first(*args, **kwargs)
        for piece in rest:
            result = piece(result)
        return result

    flat: keras.Model = rebuild(model, call)
    for layer, pieces in clones.values():
        values = layer.get_weights()
        for piece in pieces:
            if isinstance(piece, keras.layers.Layer):
                piece.set_weights(values[: len(piece.weights)])
                values = values[len(piece.weights) :]
    return flat, (*skipped, *unused)


def _whole(layer: keras.layers.Layer, name: str) -> list[Piece]:
    return [type(layer).from_config({**layer.get_config(), "name": name})]


def split(layer: keras.layers.Layer, name: str) -> list[Piece]:
    """What to call, one after the other, instead of `layer`; the weights of these pieces, in order, are its own."""
    config = {**layer.get_config(), "name": name}
    if type(layer).__name__ in _SEPARABLE:
        return _separate(type(layer).__name__, config)
    if isinstance(layer, keras.layers.Activation):
        return [_activation(layer.activation, name)]
    function = getattr(layer, "activation", None)
    if function in (None, keras.activations.linear):
        return _whole(layer, name)
    return [type(layer).from_config({**config, "activation": "linear"}), _activation(function, f"{name}_activation")]


# By the class of the layer: those of its depthwise and its pointwise half.
_SEPARABLE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"SeparableConv1D": ("DepthwiseConv1D", "Conv1D"), "SeparableConv2D": ("DepthwiseConv2D", "Conv2D")}
)


def _separate(kind: str, config: Config) -> list[Piece]:
    """SeparableConv => DepthwiseConv without bias -> Conv with kernel 1 -> Activation."""
    depthwise, pointwise = (getattr(keras.layers, half) for half in _SEPARABLE[kind])
    shared = {key: config[key] for key in ("trainable", "dtype", "data_format")}
    first = {key: config[key] for key in ("kernel_size", "strides", "padding", "depth_multiplier", "dilation_rate")}
    second = {key: config[key] for key in ("filters", "use_bias")}
    return [
        depthwise(**first, **shared, use_bias=False, name=f"{config['name']}_depthwise"),
        pointwise(**second, **shared, kernel_size=1, name=config["name"]),
        _activation(keras.activations.get(config["activation"]), f"{config['name']}_activation"),
    ]


def _activation(function: Any, name: str) -> Piece:
    """An activation as a call of its own."""
    return keras.layers.Activation(function, name=name)


def _unique(name: str, taken: set[str]) -> str:
    count, unique = 0, name
    while unique in taken:
        count += 1
        unique = f"{name}_{count}"
    taken.add(unique)
    return unique
