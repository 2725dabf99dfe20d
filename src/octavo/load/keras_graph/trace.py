"""Walks a Keras functional graph and emits operators for every call in it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from octavo.config import unknown_name
from octavo.errors import InputError, UnsupportedLayerError
from octavo.ir.notes import Note
from octavo.load.keras_graph import refusals
from octavo.load.keras_graph.call import Call, map_leaves, references, to_numpy
from octavo.load.keras_graph.form_names import form_name
from octavo.load.keras_graph.functional import (
    execution_order,
    functional_graph,
    input_shape,
    ordered_arguments,
    symbol,
    trace,
)
from octavo.load.keras_graph.naming import output_names, rename_tensors, result_names
from octavo.load.loaded import Loaded
from octavo.ops.build import GraphBuilder
from octavo.ops.spec import TensorRef
from octavo.ops.table import KERAS_FORMS


def load_keras(
    model: Any, *, allow: Sequence[str] = (), values: Mapping[int, np.ndarray] = MappingProxyType({})
) -> Loaded:
    """Read the float graph of a Keras model.

    Nested models are walked into: their layers are called "outer/inner". A layer called several times emits its
    operators at each call, on constants it emits once. The batch dimension becomes 1. Only Keras's own layers,
    operations and activations that have a form in the op table are read.

    Args:
        model: keras.Model, Sequential or Functional, built, on any backend; it is not changed.
        allow: Names of Lambda layers, layers of own classes, and layers with own activation functions whose Python
            code may run once, on symbols, to record the keras.ops calls it makes.
        values: What to read instead of a variable's own value, by `id` of the variable.

    Returns:
        The graph, notes, and in `names` the graph tensor of every symbolic tensor of the model, by `id`: model
        inputs, the result of every call, and the tensors inside nested models, which for a nested model that is
        called several times are those of its first call. A layer that does nothing at inference names its input's
        tensor. The ids hold as long as the model does. Graph inputs and outputs come in the order of `model.inputs`
        and `model.outputs`, which for dicts is that of their sorted keys.

    Raises:
        UnsupportedLayerError: for a layer, operation or configuration without a form.
        InputError: for an input of unknown size or of a type that is not a number.
        ConfigError: for an unknown name in `allow`.
    """
    function = functional_graph(model, model.name)
    tracer = _Tracer(model.name, allow, values)
    outputs = tracer.walk(function, [tracer.input(tensor) for tensor in function.inputs], lambda call: call.name)
    tracer.check_allowed()
    graph, names = tracer.builder.finish(outputs), tracer.names
    for renaming in (result_names(graph, tracer.results), output_names(graph, function._outputs_struct)):
        graph = rename_tensors(graph, renaming)
        names = {key: renaming.get(name, name) for key, name in names.items()}
    return Loaded(graph, tuple(tracer.notes.values()), names)


class _Tracer:
    """State of one walk.

    Attributes:
        builder: Where operators go.
        names: Graph tensor by `id` of the Keras tensor.
        results: Graph tensor of each layer's first call, by layer path.
        notes: Remarks by subject.
    """

    def __init__(self, name: str, allow: Sequence[str], values: Mapping[int, np.ndarray]) -> None:
        self.builder = GraphBuilder(name, self._activation)
        self.names: dict[int, str] = {}
        self.results: dict[str, str] = {}
        self.notes: dict[str, Note] = {}
        self._allow = frozenset(allow)
        self._values = values
        self._paths: dict[Any, str] = {}

    def input(self, tensor: Any) -> str:
        """Add a graph input; any number type is read as float32."""
        name = tensor._keras_history.operation.name
        if tensor.dtype in ("string", "bool"):
            raise InputError(
                f"input '{name}' does not hold numbers.",
                got=f"dtype {tensor.dtype}",
                expected="a float or integer type",
                fix="turn it into numbers before the model, and begin the model with keras.Input(..., dtype='float32')",
            )
        if "float" not in tensor.dtype:
            self._note(name, f"an input of {tensor.dtype} in Keras is one of float32 here; its values stay the same")
        return self.builder.input(name, input_shape(tensor))

    def walk(
        self, function: Any, inputs: Sequence[str], path_of: Callable[[Any], str], *, keep: bool = True
    ) -> tuple[str, ...]:
        """Emit a whole `keras.Function`.

        Args:
            function: It.
            inputs: Graph tensors that stand for its inputs, in order.
            path_of: Layer path of each operation in it.
            keep: Whether its calls and symbolic tensors are the model's own, for `results` and `names`.

        Returns:
            Graph tensors that stand for its outputs, in order.
        """
        values = {id(tensor): name for tensor, name in zip(function.inputs, inputs, strict=True)}
        for node in execution_order(function):
            path = self._paths.setdefault(node.operation, path_of(node.operation))
            args, kwargs = map_leaves(lambda leaf: _in_graph_terms(leaf, values), _arguments(node))
            results = self._node(path, node.operation, args, kwargs)
            values.update(zip(map(id, node.outputs), results, strict=True))
            if keep and len(results) == 1:
                self.results.setdefault(path, results[0])
        if keep:
            self.names = {**values, **self.names}
        return tuple(values[id(tensor)] for tensor in function.outputs)

    def check_allowed(self) -> None:
        """Refuse names in `allow` that are no layer's.

        Raises:
            ConfigError: naming the closest layer.
        """
        for name in sorted(self._allow.difference(self._paths.values())):
            raise unknown_name("layer in allow", name, tuple(self._paths.values()))

    def _node(self, path: str, operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
        """One call at `path`: of a nested model, or of a layer or operation."""
        import keras

        if isinstance(operation, keras.Model):
            function = functional_graph(operation, path)
            inputs = [reference.name for reference in ordered_arguments(function, args[0])]
            self._check_ranks(path, function, inputs)
            return self.walk(function, inputs, lambda call: f"{path}/{call.name}")
        _check_call(path, operation, kwargs)
        if getattr(operation, "compute_dtype", "float32") not in ("float32", None):
            self._note(path, f"computed in {operation.compute_dtype} in Keras, in float32 here")
        self.builder.layer = path
        return self._call(operation, args, kwargs)

    def _call(self, operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
        """A call of a layer or operation, by its form or, where allowed, by what its code does to symbols."""
        path, name = self.builder.layer, form_name(operation)
        if name is not None and name in KERAS_FORMS:
            return self._lower(name, Call(operation, args, kwargs, self._values))
        if path in self._allow:
            return self._run_on_symbols(operation, args, kwargs)
        if name is None:
            raise refusals.own_class(path, type(operation))
        raise refusals.no_form(path, name, f"keras.{name}, called on {self._shapes(args, kwargs)}")

    def _lower(self, name: str, call: Call) -> tuple[str, ...]:
        try:
            result = KERAS_FORMS[name].lower(self.builder, call)
        except UnsupportedLayerError as error:
            path, own_name = self.builder.layer, getattr(call.operation, "name", "")
            if path == own_name:
                raise
            what = error.what.replace(f"'{own_name}'", f"'{path}'")
            raise UnsupportedLayerError(what, got=error.got, expected=error.expected, fix=error.fix) from error
        return (result,) if isinstance(result, str) else tuple(result)

    def _activation(self, builder: GraphBuilder, function: Any, name: str) -> str:
        """Emit what a layer's `activation` argument stands for: None, a function or a layer."""
        import keras

        if function is None:
            return name
        if isinstance(function, keras.layers.Layer):
            if not function.built:
                raise refusals.activation_not_built(builder.layer, function)
            return self._call(function, (TensorRef(name),), {})[0]
        known = getattr(function, "__name__", "")
        if getattr(keras.activations, known, None) is function and f"activations.{known}" in KERAS_FORMS:
            return self._lower(f"activations.{known}", Call(function, (TensorRef(name),), {}, {}))[0]
        if builder.layer not in self._allow and not getattr(function, "__module__", "").startswith("keras.src."):
            raise refusals.unknown_activation(builder.layer, function)
        return self._trace(function, (TensorRef(name),))[0]

    def _run_on_symbols(self, layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
        """The calls an allowed layer's `call` makes; its own layers would keep a record of theirs, so it has none."""
        if len(list(layer._flatten_layers())) > 1:
            raise refusals.cannot_trace(self.builder.layer, "the layer holds other layers")
        takes_training = "training" in inspect.signature(layer.call).parameters
        kwargs = {**kwargs, "training": False} if takes_training else kwargs
        return self._trace(lambda *values: layer.call(*values, **kwargs), args)

    def _trace(self, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[str, ...]:
        """Emit the keras.ops calls that `function` makes on symbols in the place of graph tensors."""
        path = self.builder.layer
        symbols = {name: symbol(self.builder.shape(name)) for name in references(args)}
        arguments = map_leaves(lambda leaf: symbols[leaf.name] if isinstance(leaf, TensorRef) else leaf, args)
        try:
            traced = trace(function, tuple(symbols.values()), arguments)
        except TypeError as error:
            raise refusals.cannot_trace(path, str(error)) from error
        return self.walk(traced, list(symbols), lambda call: path, keep=False)

    def _check_ranks(self, path: str, function: Any, inputs: Sequence[str]) -> None:
        """Keras adds or drops a last dimension of 1 where a nested model is called on another rank."""
        for tensor, name in zip(function.inputs, inputs, strict=True):
            shape = self.builder.shape(name)
            if len(shape) != len(tensor.shape):
                raise InputError(
                    f"model '{path}' is called on a tensor of another rank than its input's.",
                    got=f"shape {shape}",
                    expected=f"shape {tuple(tensor.shape)}",
                    fix="reshape the tensor with keras.layers.Reshape before the call",
                )

    def _shapes(self, *arguments: Any) -> str:
        shapes = (self.builder.shape(name) for name in references(arguments))
        return ", ".join(f"(None{''.join(f', {size}' for size in shape[1:])})" for shape in shapes)

    def _note(self, subject: str, text: str) -> None:
        self.notes.setdefault(subject, Note("load", subject, text))


def _arguments(node: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return node.arguments.args, node.arguments.kwargs


def _in_graph_terms(leaf: Any, values: Mapping[int, str]) -> Any:
    """One argument of a call: a reference for a Keras tensor, numpy for the backend's arrays, anything else as is."""
    import keras

    if isinstance(leaf, keras.KerasTensor):
        return TensorRef(values[id(leaf)])
    return to_numpy(leaf) if keras.ops.is_tensor(leaf) or isinstance(leaf, keras.Variable) else leaf


def _check_call(path: str, operation: Any, kwargs: Mapping[str, Any]) -> None:
    """Refuse what no lowering looks at, and what would be read wrongly.

    Raises:
        UnsupportedLayerError: for a mask, or weights that Keras has quantized.
    """
    kind = type(operation)
    if kwargs.get("mask") is not None:
        raise refusals.needs_mask(path, kind)
    if getattr(operation, "quantization_mode", None) is not None:
        raise refusals.already_quantized(path, kind, operation.quantization_mode)
