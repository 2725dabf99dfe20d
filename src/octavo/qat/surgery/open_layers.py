"""Opens layers that are read by what their code calls: those calls, made anew in a flat model, stand for the layer.

    own layer  =>  the layers and keras.ops calls that its code calls, variables as the results of layers

Fake quantization can then stand between them. As in deployment, they are those of inference.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from octavo.errors import UnsupportedLayerError
from octavo.load.keras_graph import refusals
from octavo.load.keras_graph.call import map_leaves
from octavo.load.keras_graph.form_names import form_name
from octavo.load.keras_graph.functional import Traced, execution_order, is_graph_of_layers, symbol, trace
from octavo.load.keras_graph.shadow import Shadows
from octavo.ops.own_lowerings import lowering_of
from octavo.ops.table import KERAS_FORMS

Call = Callable[..., Any]


def must_open(operation: Any) -> bool:
    """Whether a layer has neither a lowering nor a form, so that its code is what is read."""
    known = lowering_of(operation) is not None or form_name(operation) in KERAS_FORMS
    return isinstance(operation, keras.layers.Layer) and not known and not is_graph_of_layers(operation)


def open_layer(
    layer: Any, path: str, args: Any, kwargs: Mapping[str, Any], call: Call, variable: Callable[[Any, Any], Any]
) -> Any:
    """Make the calls of a layer's code, on the tensors that it is called on.

    Args:
        layer: The layer.
        path: Of the layer, for errors.
        args, kwargs: What it is called on.
        call: Given an operation and arguments, makes a call in the flat model.
        variable: Given a variable of the layer and a tensor, returns a tensor of the flat model that holds its value.

    Raises:
        UnsupportedLayerError: if the code makes no graph, or one that reads other layers' variables.
    """
    tensors = [leaf for leaf in keras.tree.flatten((args, dict(kwargs))) if isinstance(leaf, keras.KerasTensor)]
    symbols = {id(tensor): symbol((tensor.shape[0] or 1, *tensor.shape[1:]), tensor.dtype) for tensor in tensors}
    traced_args, traced_kwargs = map_leaves(lambda leaf: symbols.get(id(leaf), leaf), (tuple(args), dict(kwargs)))
    parameters = inspect.signature(layer.call).parameters
    if "training" in parameters and len(traced_args) <= list(parameters).index("training"):
        traced_kwargs["training"] = False
    # What is computed of variables of the layers inside is known by being another number for other variables.
    (shadows, traced), (others, moved) = (
        _recorded(layer, path, symbols.values(), traced_args, traced_kwargs, factor) for factor in (1.0, 1.5)
    )
    if any(not np.array_equal(*pair) for pair in zip(_numbers(traced, shadows), _numbers(moved, others), strict=True)):
        raise _reads_another(path)
    values = {id(symbols[id(tensor)]): tensor for tensor in tensors}

    def value_of(leaf: Any) -> Any:
        if id(leaf) in shadows.symbols and id(leaf) not in values:
            values[id(leaf)] = variable(shadows.symbols[id(leaf)][1], tensors[0])
        if isinstance(leaf, keras.Variable):
            raise _reads_another(path)
        return values.get(id(leaf), leaf)

    for node in calls_of(traced, shadows):
        node_args, node_kwargs = map_leaves(value_of, (node.arguments.args, node.arguments.kwargs))
        operation = shadows.original(node.operation)
        if type(operation).__name__ == "Reshape" and not isinstance(operation, keras.layers.Layer):
            results = _reshape(node, node_args[0])
        else:
            results = call(operation, *node_args, **node_kwargs)
        values.update(zip(map(id, node.outputs), keras.tree.flatten(results), strict=True))
    results = [value_of(result) for result in traced.results]
    return results[0] if len(results) == 1 else results


def _recorded(
    layer: Any, path: str, symbols: Iterable[Any], args: Any, kwargs: Mapping[str, Any], factor: float
) -> tuple[Shadows, Traced]:
    """What a layer's code calls, where the variables of the layers inside are `factor` times their values, and more.

    Raises:
        UnsupportedLayerError: if it makes no graph, or keeps a state.
    """
    shadows = Shadows(lambda variable: keras.ops.convert_to_tensor(variable.value * factor + (factor - 1.0)))
    try:
        traced = trace(shadows.of(layer, symbolic=True).call, symbols, args, kwargs)
    except TypeError as error:
        raise refusals.cannot_trace(path, layer, str(error)) from error
    if shadows.assigned:
        raise _keeps_state(path, layer)
    return shadows, traced


def calls_of(traced: Traced, shadows: Shadows) -> list[Any]:
    """The nodes of the calls, in order."""
    variables = tuple(each for each, _ in shadows.symbols.values())
    return execution_order(replace(traced, inputs=traced.inputs + variables))


def _numbers(traced: Traced, shadows: Shadows) -> list[np.ndarray]:
    """The arrays among the arguments of the calls."""
    arguments = ((node.arguments.args, node.arguments.kwargs) for node in calls_of(traced, shadows))
    found = (leaf for each in arguments for leaf in keras.tree.flatten(each))
    return [keras.ops.convert_to_numpy(leaf) for leaf in found if keras.ops.is_tensor(leaf)]


def _reshape(node: Any, x: Any) -> Any:
    """A reshape that was recorded on a batch of 1, for a batch of any size."""
    before, after = node.input_tensors[0].shape, node.outputs[0].shape
    if x.shape[:1] == (None,) and before[:1] == after[:1]:
        after = (-1, *after[1:])
    return keras.ops.reshape(x, after)


def _keeps_state(path: str, layer: Any) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"layer '{path}' ({type(layer).__name__}) keeps its state from one call to the next, and cannot be trained.",
        got="a variable that its call assigns",
        expected="samples that do not depend on one another, as fit() mixes them",
        fix="quantize it after training, with octavo.quantize(..., data=...); or train a model of the same "
        "weights whose layers have stateful=False",
    )


def _reads_another(path: str) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"layer '{path}' reads a variable of another layer.",
        got="the variable among the arguments of a keras.ops call",
        expected="variables of the layer itself, and calls of the layers that it holds",
        fix=f"call the layer that owns the variable, or keep '{path}' out of the model while it is trained",
    )
