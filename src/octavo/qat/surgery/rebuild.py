"""Walk the graph of a functional Keras model, nested models opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import keras
from keras import tree

from octavo.load.keras_graph.functional import functional_graph, is_graph_of_layers

Call = Callable[..., Any]
Model = TypeVar("Model", bound=keras.Model)


def run_through(model: keras.Model, inputs: Any, call: Call) -> Any:
    """Run every operation of a model by `call(node, *args, **kwargs)`, those of nested models in their place.

    Args:
        model: Sequential or Functional.
        inputs: A tensor for each input, in any structure whose order is the model's.
        call: Given the Keras node, whose `operation` is to be run, returns the operation's results.

    Returns:
        The outputs, in the model's structure.
    """
    graph = functional_graph(model, model.name)
    values = {id(x): y for x, y in zip(graph.inputs, tree.flatten(inputs), strict=True)}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            args, kwargs = node.arguments.fill_in(values)
            if is_graph_of_layers(node.operation):
                results = run_through(node.operation, args[0], call)
            else:
                results = call(node, *args, **kwargs)
            values.update((id(x), y) for x, y in zip(node.outputs, tree.flatten(results), strict=True))
    return tree.pack_sequence_as(graph._outputs_struct, [values[id(x)] for x in graph.outputs])


def rebuild(
    model: keras.Model,
    call: Call,
    *,
    kind: type[Model] = keras.Model,
    on_input: Callable[[Any, Any], Any] = lambda original, tensor: tensor,
) -> Model:
    """A functional model with `model`'s inputs and name whose operations are run by `call`.

    Args:
        model: Sequential or Functional.
        call: As for `run_through`.
        kind: Class of the result.
        on_input: Given an input of `model` and its new counterpart, returns what the first operations read.
    """
    graph = functional_graph(model, model.name)
    inputs = [
        keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x._keras_history.operation.name) for x in graph.inputs
    ]
    entering = [on_input(original, tensor) for original, tensor in zip(graph.inputs, inputs, strict=True)]
    outputs = run_through(model, entering, call)
    return kind(tree.pack_sequence_as(graph._inputs_struct, inputs), outputs, name=model.name)
