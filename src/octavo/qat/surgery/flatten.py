"""An equal model in which what deployment rounds is, as far as layers can be split, the output of a Keras call.

    nested model            =>  its layers
    annotated layer         =>  the layer
    layer(activation=f)     =>  layer -> Activation(f)
    SeparableConv           =>  DepthwiseConv -> Conv

Fake quantization can then stand between any two calls. What is still rounded inside one is `lowering`'s task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import keras

from octavo.errors import InputError
from octavo.ir.types import Graph
from octavo.load.keras_graph.functional import functional_graph
from octavo.qat.layers.annotated import Annotated
from octavo.qat.surgery.rebuild import rebuild

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Flat:
    """An equal model.

    Attributes:
        model: Functional, with variables of its own that hold the same values.
        paths: For each of its layers the path of the layer in the user's model that it came from, such as
            "encoder/conv_1".
        held: Variables whose counterparts the user holds one by one, by `variable.trainable = False`.
    """

    model: keras.Model
    paths: dict[str, str]
    held: tuple[Any, ...]


def flatten(model: keras.Model) -> Flat:
    """Clone `model` flat; weights are copied, layer names kept (made unique where nested models repeat them).

    Args:
        model: Built, Sequential or Functional.

    Raises:
        InputError: for a call on a variable of the model.
    """
    clones: dict[int, tuple[keras.layers.Layer, list[keras.layers.Layer]]] = {}
    origins = dict(paths_of(model))
    taken: set[str] = set()
    paths: dict[str, str] = {}

    def call(node: Any, *args: Any, **kwargs: Any) -> Any:
        operation = marked(node.operation)
        check_operands(operation, (args, kwargs))
        if not isinstance(operation, keras.layers.Layer):
            paths.setdefault(operation.name, origins[id(operation)])
            return operation(*args, **kwargs)
        if id(operation) not in clones:
            clones[id(operation)] = operation, split(operation, _unique(operation.name, taken))
            taken.update(piece.name for piece in clones[id(operation)][1])
        first, *rest = clones[id(operation)][1]
        result = first(*args, **kwargs)
        for piece in rest:
            result = piece(result)
        return result

    flat: keras.Model = rebuild(model, call)
    held = []
    for layer, pieces in clones.values():
        paths |= {piece.name: origins[id(layer)] for piece in pieces}
        copies = [variable for piece in pieces for variable in piece.weights]
        # An activation layer that never ran has no variables yet; its copy keeps the initial ones.
        for variable, copy in zip(layer.weights, copies, strict=False):
            copy.assign(variable.numpy())
            held += [copy] if copy.trainable and not variable.trainable else []
    return Flat(flat, paths, tuple(held))


def check_operands(operation: Any, arguments: Any) -> None:
    """Refuse a call on a variable of some layer: it would be the user's own, which training must not move.

    Raises:
        InputError: naming the call.
    """
    for variable in keras.tree.flatten(arguments):
        if isinstance(variable, keras.Variable):
            raise InputError(
                f"'{operation.name}' reads a variable of the model.",
                got=f"the variable '{variable.path}' among its arguments",
                expected="tensors and numbers",
                fix="read it by the layer that owns it, which may be called again on another tensor",
            )


def in_terms_of_user(graph: Graph, paths: Mapping[str, str]) -> Graph:
    """A graph loaded from a flat model whose nodes and tensors name the layers of the model it was made of."""
    tensors = {name: replace(t, layer=paths.get(t.layer, t.layer)) for name, t in graph.tensors.items()}
    nodes = tuple(replace(node, layer=paths.get(node.layer, node.layer)) for node in graph.nodes)
    return replace(graph, tensors=tensors, nodes=nodes)


def paths_of(model: keras.Model, prefix: str = "") -> Iterator[tuple[int, str]]:
    """(`id`, path) of each layer and operation of a model and of the models in it; of a mark, its layer's."""
    for operation in map(marked, functional_graph(model, model.name).operations):
        yield id(operation), f"{prefix}{operation.name}"
        if isinstance(operation, keras.Model):
            yield from paths_of(operation, f"{prefix}{operation.name}/")


def annotated_layers(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, Annotated]]:
    """(path, mark) of each marked layer, those of nested models included."""
    for operation in functional_graph(model, model.name).operations:
        if isinstance(operation, Annotated):
            yield f"{prefix}{operation.layer.name}", operation
        elif isinstance(operation, keras.Model):
            yield from annotated_layers(operation, f"{prefix}{operation.name}/")


def marked(operation: Any) -> Any:
    """The layer under a mark; anything else as it is."""
    return operation.layer if isinstance(operation, Annotated) else operation


def split(layer: keras.layers.Layer, name: str) -> list[keras.layers.Layer]:
    """What to call, one after the other, instead of `layer`; the weights of these pieces, in order, are its own."""
    config = {**layer.get_config(), "name": name}
    if type(layer).__name__ in _SEPARABLE:
        return _separate(type(layer).__name__, config)
    if isinstance(layer, keras.layers.Activation):
        return [_activation(layer.activation, name)]
    function = getattr(layer, "activation", None)
    if function in (None, keras.activations.linear):
        return [type(layer).from_config(config)]
    return [type(layer).from_config({**config, "activation": "linear"}), _activation(function, f"{name}_activation")]


# By the class of the layer: those of its depthwise and its pointwise half.
_SEPARABLE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"SeparableConv1D": ("DepthwiseConv1D", "Conv1D"), "SeparableConv2D": ("DepthwiseConv2D", "Conv2D")}
)


def _separate(kind: str, config: Config) -> list[keras.layers.Layer]:
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


def _activation(function: Any, name: str) -> keras.layers.Layer:
    """An activation as a call of its own; one that is a layer stays that layer."""
    if isinstance(function, keras.layers.Layer):
        return type(function).from_config({**function.get_config(), "name": name})
    return keras.layers.Activation(function, name=name)


def _unique(name: str, taken: set[str]) -> str:
    count, unique = 0, name
    while unique in taken:
        count += 1
        unique = f"{name}_{count}"
    taken.add(unique)
    return unique
