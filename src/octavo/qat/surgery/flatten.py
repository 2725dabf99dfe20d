"""An equal model in which what deployment rounds is, as far as layers can be split, the output of a Keras call.

    nested model            =>  its layers
    annotated layer         =>  the layer
    layer read by its code  =>  what the code calls
    layer(activation=f)     =>  layer -> Activation(f)
    SeparableConv           =>  DepthwiseConv -> Conv

Fake quantization can then stand between any two calls. What is still rounded inside one is `lowering`'s task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import keras

from octavo.errors import InputError
from octavo.ir.types import Graph
from octavo.load import not_a_model
from octavo.load.keras_graph.form_names import computing_class
from octavo.load.keras_graph.functional import functional_graph, is_graph_of_layers
from octavo.qat.layers.annotated import Annotated
from octavo.qat.layers.owned_variable import OwnedVariable
from octavo.qat.layers.transposed_convolution import runs_as
from octavo.qat.surgery.open_layers import must_open, open_layer
from octavo.qat.surgery.rebuild import rebuild, run_through

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
        InputError: for what is no model, and for a call on a variable of the model.
    """
    if not isinstance(model, keras.Model):
        raise not_a_model(model)
    clones: dict[int, tuple[keras.layers.Layer, list[keras.layers.Layer]]] = {}
    origins = dict(paths_of(model))
    taken: set[str] = set()
    # Operations are known by their `id`, which must not become another's.
    kept: list[Any] = []
    paths: dict[str, str] = {}
    # Copies of variables of opened layers, by `id` of the variable.
    owned: dict[int, tuple[Any, OwnedVariable]] = {}

    def call(node: Any, *args: Any, **kwargs: Any) -> Any:
        return run(marked(node.operation), *args, **kwargs)

    def run(operation: Any, *args: Any, **kwargs: Any) -> Any:
        check_operands(operation, (args, kwargs))
        path = origins[id(operation)]
        if is_graph_of_layers(operation):
            origins.update(paths_of(operation, f"{path}/"))
            return run_through(operation, args[0], call)
        if must_open(operation):
            return open_layer(operation, path, args, kwargs, inside(path), partial(variable, path))
        if not isinstance(operation, keras.layers.Layer):
            operation = runs_as(operation)
            paths.setdefault(operation.name, path)
            return operation(*args, **kwargs)
        if id(operation) not in clones:
            clones[id(operation)] = operation, split(operation, _unique(operation.name, taken))
            taken.update(piece.name for piece in clones[id(operation)][1])
        first, *rest = clones[id(operation)][1]
        result = first(*args, **kwargs)
        for piece in rest:
            result = piece(result)
        return result

    def inside(path: str) -> Callable[..., Any]:
        """What makes the calls of the code at a path."""

        def inner(operation: Any, *args: Any, **kwargs: Any) -> Any:
            layer = isinstance(operation, keras.layers.Layer)
            origins.setdefault(id(operation), f"{path}/{operation.name}" if layer else path)
            kept.append(operation)
            return run(operation, *args, **kwargs)

        return inner

    def variable(path: str, original: Any, tensor: Any) -> Any:
        """The value of a variable of the layer at a path, from a layer that owns a copy."""
        if id(original) not in owned:
            name = _unique(f"{path}/{original.name}".replace("/", "_"), taken)
            copy = OwnedVariable(original.shape, original.dtype, name=name, trainable=original.trainable)
            owned[id(original)] = original, copy
            paths[name] = path
        return owned[id(original)][1](tensor)

    flat: keras.Model = rebuild(model, call)
    held = []
    for original, copy in owned.values():
        copy.variable.assign(original.numpy())
    for layer, pieces in clones.values():
        paths |= {piece.name: origins[id(layer)] for piece in pieces}
        copies = [variable for piece in pieces for variable in piece.weights]
        # An activation layer that never ran has no variables yet; its copy keeps the initial ones.
        for weight, copy in zip(layer.weights, copies, strict=False):
            copy.assign(weight.numpy())
            held += [copy] if copy.trainable and not weight.trainable else []
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
        if is_graph_of_layers(operation):
            yield from paths_of(operation, f"{prefix}{operation.name}/")


def annotated_layers(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, Annotated]]:
    """(path, mark) of each marked layer, those of nested models included."""
    for operation in functional_graph(model, model.name).operations:
        if isinstance(operation, Annotated):
            yield f"{prefix}{operation.layer.name}", operation
        elif is_graph_of_layers(operation):
            yield from annotated_layers(operation, f"{prefix}{operation.name}/")


def marked(operation: Any) -> Any:
    """The layer under a mark; anything else as it is."""
    return operation.layer if isinstance(operation, Annotated) else operation


def split(layer: keras.layers.Layer, name: str) -> list[keras.layers.Layer]:
    """What to call, one after the other, instead of `layer`; the weights of these pieces, in order, are its own."""
    kind = computing_class(type(layer))
    config = {**kind.get_config(layer), "name": name}
    if kind.__name__ in _SEPARABLE:
        return _separate(kind.__name__, config)
    if isinstance(layer, keras.layers.Activation):
        return [_activation(layer.activation, name)]
    function = getattr(layer, "activation", None)
    if function in (None, keras.activations.linear) or "activation" not in config:
        return [kind.from_config(config)]
    return [kind.from_config({**config, "activation": "linear"}), _activation(function, f"{name}_activation")]


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
