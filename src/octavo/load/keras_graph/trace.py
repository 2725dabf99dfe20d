"""Walks a Keras functional graph and emits operators for every call in it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from octavo.config import LAYERS_SHOWN, unknown_name
from octavo.dtypes import DType
from octavo.errors import InputError, OctavoError, UnsupportedLayerError
from octavo.ir.graph import fresh_name
from octavo.ir.notes import Note
from octavo.ir.types import Shape
from octavo.load.batch import with_batch
from octavo.load.input_shape import InputShape
from octavo.load.keras_graph import refusals
from octavo.load.keras_graph.call import Call, flat, is_array, map_leaves, references, to_numpy
from octavo.load.keras_graph.channels import comes_first, lower_channels_last
from octavo.load.keras_graph.checks import check_call, check_ranks, mixes_batch
from octavo.load.keras_graph.form_names import form_name
from octavo.load.keras_graph.functional import (
    Traced,
    execution_order,
    functional_graph,
    graph_inputs,
    is_graph_of_layers,
    ordered_arguments,
    symbol,
    trace,
)
from octavo.load.keras_graph.integer_inputs import with_integer_inputs
from octavo.load.keras_graph.kept_states import KeptStates
from octavo.load.keras_graph.naming import named_as_in_keras
from octavo.load.keras_graph.shadow import Shadows
from octavo.load.keras_graph.without_tensors import without_tensors
from octavo.load.loaded import Loaded
from octavo.ops.build import GraphBuilder
from octavo.ops.own_lowerings import lowering_of
from octavo.ops.recurrent_layers import is_one_operator, lower_stateful_lstm
from octavo.ops.refuse import is_of_configuration
from octavo.ops.spec import TensorRef
from octavo.ops.states import KEEPS_STATE, ON_OWN_KERNELS
from octavo.ops.table import KERAS_FORMS

# Operations that join tensors and arrays alike.
JOINING = frozenset({"ops.Concatenate", "ops.Stack"})


def load_keras(
    model: Any,
    *,
    allow: Sequence[str] = (),
    values: Mapping[int, np.ndarray] = MappingProxyType({}),
    stored: bool = False,
    input_shape: InputShape | None = None,
) -> Loaded:
    """Read the float graph of a Keras model.

    Nested models are walked into: their layers are called "outer/inner". A layer called several times emits its
    operators at each call, on constants it emits once. The batch dimension becomes 1. A layer, operation or activation
    is read by the lowering registered for its class, else by its form in the op table; a layer with neither, and an
    activation function of one's own, run once on symbols, and the keras.ops calls and layers they call are read.

    Args:
        model: keras.Model, Sequential or Functional, built, on any backend; it is not changed.
        allow: Names of Lambda layers of a file whose function may run.
        values: What to read instead of a variable's own value, by `id` of the variable.
        stored: Whether the model was read from a file.
        input_shape: What the model leaves open of its inputs; a batch there is the graph's.

    Returns:
        The graph, notes, and in `names` the graph tensor of every symbolic tensor of the model, by `id`: model
        inputs, the result of every call, and the tensors inside nested models, which for a nested model that is
        called several times are those of its first call. A layer that does nothing at inference names its input's
        tensor. The ids hold as long as the model does. Graph inputs and outputs come in the order of `model.inputs`
        and `model.outputs`, which for dicts is that of their sorted keys.

    Raises:
        UnsupportedLayerError: for a layer, operation or configuration without a form.
        InputError: for an input of unknown size or of a type that is not a number.
        ConfigError: for an unknown name in `allow`, or an input shape that does not fit.
    """
    function = functional_graph(model, model.name)
    tracer = _Tracer(model.name, allow, values, stored)
    shapes, batch = graph_inputs(function, input_shape)
    outputs = tracer.walk(function, list(map(tracer.input, function.inputs, shapes)), lambda call: call.name)
    tracer.check_allowed()
    tracer.states.write()
    graph, cast = with_integer_inputs(tracer.builder.finish(outputs), tracer.dtypes)
    names = {key: cast.get(name, name) for key, name in tracer.names.items()}
    whole = {name for name in graph.inputs if graph.tensors[name].dtype is DType.INT32}
    notes = tuple(note for note in tracer.notes if note.subject not in whole)
    graph, renamed = named_as_in_keras(graph, tracer.results, function)
    names = {key: renamed.get(name, name) for key, name in names.items()}
    expected = (replace(each, tensor=renamed.get(each.tensor, each.tensor)) for each in tracer.builder.expected)
    integers = all("int" in tensor.dtype for tensor in function.inputs)
    return Loaded(with_batch(graph, batch), notes, names, expected=tuple(expected), takes_integers=integers)


# A result of a call: the name of a tensor of the graph or, where it depends on no input, its value.
Value = str | np.ndarray


class _Tracer:
    """State of one walk.

    Attributes:
        builder: Where operators go.
        names: Graph tensor by `id` of the Keras tensor.
        results: Graph tensor of each layer's first call, by layer path.
        notes, dtypes: Remarks in order, and what type a graph tensor has in Keras.
        states: What variables hold that layers assign.
    """

    def __init__(self, name: str, allow: Sequence[str], values: Mapping[int, np.ndarray], stored: bool) -> None:
        self.builder = GraphBuilder(name, self._activation, self._calls)
        self.names: dict[int, str] = {}
        self.results: dict[str, str] = {}
        self.notes: dict[Note, None] = {}
        self._allow = frozenset(allow)
        self._values = values
        self._stored = stored
        self._paths: dict[Any, str] = {}
        self.dtypes: dict[str, str] = {}
        self._shadows = Shadows(self._array)
        self.states = KeptStates(self.builder, self._shadows, self._value)

    def input(self, tensor: Any, shape: Shape) -> str:
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
        name = self.builder.input(name, shape)
        self.dtypes[name] = tensor.dtype
        return name

    def walk(self, function: Any, inputs: Sequence[str], path_of: Callable[[Any], str]) -> tuple[str, ...]:
        """Emit a whole `keras.Function`.

        Args:
            function: It.
            inputs: Graph tensors that stand for its inputs, in order.
            path_of: Layer path of each operation in it.

        Returns:
            Graph tensors that stand for its outputs, in order.
        """
        values: dict[int, Value] = dict(zip(map(id, function.inputs), inputs, strict=True))
        for node in execution_order(function):
            path = self._paths.setdefault(node.operation, path_of(node.operation))
            results = self._run(node, node.operation, path, values)
            if len(results) == 1 and isinstance(results[0], str):
                self.results.setdefault(path, results[0])
        for tensor in function.outputs:
            if not isinstance(values[id(tensor)], str):
                raise refusals.no_result(self._paths[tensor._keras_history.operation])
        shown = {key: name for key, name in values.items() if isinstance(name, str)}
        self.names = {**shown, **self.names}
        return tuple(shown[id(tensor)] for tensor in function.outputs)

    def _run(self, node: Any, operation: Any, path: str, values: dict[int, Value]) -> tuple[Value, ...]:
        """Emit one call and note what its results are in the graph."""
        args, kwargs = map_leaves(lambda leaf: self._in_graph_terms(leaf, values), _arguments(node))
        results = self._node(path, operation, args, kwargs)
        if mixes_batch(node):
            self._note(path, "mixes the samples of a batch; in the file a batch is one sample")
        for tensor, result in zip(node.outputs, results, strict=True):
            values[id(tensor)] = result
            if isinstance(result, str):
                self.dtypes.setdefault(result, tensor.dtype)
        return results

    def check_allowed(self) -> None:
        """Refuse names in `allow` that are no layer's: ConfigError, naming the closest layer."""
        for name in sorted(self._allow.difference(self._paths.values())):
            raise unknown_name("layer in allow", name, tuple(self._paths.values()), LAYERS_SHOWN)

    def _node(self, path: str, operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Value, ...]:
        """One call at `path`: of a nested model, or of a layer or operation."""
        if is_graph_of_layers(operation):
            function = functional_graph(operation, path)
            inputs = [self._operand(leaf) for leaf in ordered_arguments(function, args[0])]
            check_ranks(self.builder, path, function, inputs)
            return self.walk(function, inputs, lambda call: f"{path}/{call.name}")
        check_call(path, operation)
        computed = getattr(operation, "compute_dtype", None) or ""
        if "float" in computed and computed != "float32":
            self._note(path, f"computed in {computed} in Keras, in float32 here")
        self.builder.layer = path
        return self._call(operation, args, kwargs)

    def _call(self, operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Value, ...]:
        """A call of a layer or operation, by its lowering or, where it has none, by what its code does to symbols."""
        import keras

        path, name = self.builder.layer, form_name(operation)
        own = lowering_of(operation)
        if own is not None:
            return flat(own(self.builder, Call(operation, args, kwargs, self._values)))
        known = without_tensors(self.builder, Call(operation, args, kwargs, self._values), name)
        if known is not None:
            return known
        if name is not None and name in KERAS_FORMS and (kwargs.get("mask") is None or KERAS_FORMS[name].takes_mask):
            return self._by_form(name, Call(operation, args, kwargs, self._values))
        if kwargs.get("mask") is None and is_one_operator(operation, len(references((args, kwargs)))):
            self._note(path, KEEPS_STATE)
            return (lower_stateful_lstm(self.builder, operation, Call(operation.cell, args, kwargs, self._values)),)
        if not isinstance(operation, keras.layers.Layer) and type(operation).__module__.startswith("keras.src."):
            raise refusals.no_form(path, f"ops.{type(operation).__name__}", f"called on {self._shapes(args, kwargs)}")
        if self._stored and isinstance(operation, keras.layers.Lambda) and path not in self._allow:
            raise refusals.stored_lambda(path)
        return self._run_on_symbols(operation, args, kwargs)

    def _by_form(self, name: str, call: Call) -> tuple[Value, ...]:
        """A call by its form; of a layer's configuration that has none, by what its code does to symbols.

        Raises:
            UnsupportedLayerError: what the form says, if the code makes no graph either.
        """
        import keras

        if remark := KERAS_FORMS[name].remark(call.operation):
            self._note(self.builder.layer, remark)
        if comes_first(call.operation) and not KERAS_FORMS[name].takes_channels_first:
            return lower_channels_last(self.builder, call, lambda b, twin: self._lower(name, twin))
        try:
            return self._lower(name, call)
        except UnsupportedLayerError as error:
            if not isinstance(call.operation, keras.layers.Layer) or not is_of_configuration(error):
                raise
            try:
                return self._run_on_symbols(call.operation, call.args, call.kwargs)
            except OctavoError:
                raise error from None

    def _lower(self, name: str, call: Call) -> tuple[str, ...]:
        if name in JOINING or name.startswith("layers."):
            args = map_leaves(lambda leaf: TensorRef(self._operand(leaf)) if is_array(leaf) else leaf, call.args)
            call = Call(call.operation, args, call.kwargs, call.values)
        path, own_name = self.builder.layer, getattr(call.operation, "name", "")
        try:
            return flat(KERAS_FORMS[name].lower(self.builder, call))
        except UnsupportedLayerError as error:
            if path == own_name:
                raise
            what = error.what.replace(f"'{own_name}'", f"'{path}'")
            raise UnsupportedLayerError(what, got=error.got, expected=error.expected, fix=error.fix) from error
        except OctavoError:
            raise
        except Exception as error:
            raise refusals.unreadable(path, name, error) from error

    def _activation(self, builder: GraphBuilder, function: Any, name: str) -> str:
        """Emit what a layer's `activation` argument stands for: None, a function or a layer."""
        import keras

        if function is None:
            return name
        if isinstance(function, keras.layers.Layer):
            if not function.built:
                raise refusals.activation_not_built(builder.layer, function)
            return self._operand(self._call(function, (TensorRef(name),), {})[0])
        known = getattr(function, "__name__", "")
        if getattr(keras.activations, known, None) is function and f"activations.{known}" in KERAS_FORMS:
            return self._lower(f"activations.{known}", Call(function, (TensorRef(name),), {}, {}))[0]
        try:
            recorded = self._record(function, (TensorRef(name),), {})
        except TypeError as error:
            raise refusals.cannot_trace(builder.layer, function, str(error)) from error
        return self._operand(self._emit(*recorded)[0])

    def _calls(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
        """Emit the calls of a form that is written in keras.ops."""
        return tuple(map(self._operand, self._emit(*self._record(function, tuple(args), kwargs))))

    def _run_on_symbols(self, layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Value, ...]:
        """The calls that a layer's `call` makes at inference."""
        parameters = inspect.signature(layer.call).parameters
        if "training" in parameters and len(args) <= list(parameters).index("training"):
            kwargs = {**kwargs, "training": False}
        shadows = (self._shadows.of(layer, symbolic=symbolic) for symbolic in (True, False))
        try:
            recorded = self._record(next(shadows).call, args, kwargs)
        except TypeError as error:
            try:
                # Code that asks a variable for its value, as float(self.factor) does, takes no symbol in its place.
                recorded = self._record(next(shadows).call, args, kwargs)
            except TypeError:
                raise refusals.cannot_trace(self.builder.layer, layer, str(error)) from error
        return self._emit(*recorded)

    def _record(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[Traced, dict[int, Value]]:
        """The calls that `function` makes on symbols in the place of graph tensors, and what the symbols stand for.

        Raises:
            TypeError: if the function makes no graph.
        """
        symbols = {name: self._symbol(name) for name in references((args, dict(kwargs)))}
        args, kwargs = map_leaves(
            lambda leaf: symbols[leaf.name] if isinstance(leaf, TensorRef) else leaf, (args, dict(kwargs))
        )
        self._shadows.forget_assigned()
        traced = trace(function, symbols.values(), args, kwargs)
        return traced, {id(tensor): name for name, tensor in symbols.items()}

    def _emit(self, traced: Traced, values: dict[int, Value]) -> tuple[Value, ...]:
        """Emit calls that were recorded."""
        path, step = self.builder.layer, self.builder.step
        assigned = dict(self._shadows.assigned)
        if assigned:
            self._note(path, KEEPS_STATE + ON_OWN_KERNELS)
            values |= self.states.before()
        variables = tuple(tensor for tensor, _ in self._shadows.symbols.values())
        ends = Traced(traced.inputs + variables, (*traced.results, *(after for _, after in assigned.values())))
        for number, node in enumerate(execution_order(ends), start=1):
            original = self._shadows.original(node.operation)
            inner = self._inner_path(path, original)
            # A constant of each operation is one of its own: two that are equal now need not be after training.
            self.builder.step = "/".join(filter(None, (step, str(number)))) if inner == path else ""
            self._run(node, original, inner, values)
        self.builder.layer, self.builder.step = path, step
        self.states.assign(
            {key: self._operand(self._in_graph_terms(after, values)) for key, (_, after) in assigned.items()}
        )
        results = (self._in_graph_terms(result, values) for result in traced.results)
        return tuple(result.name if isinstance(result, TensorRef) else result for result in results)

    def _inner_path(self, path: str, operation: Any) -> str:
        """The path of what the code at `path` calls: of a layer its own, of an operation the same."""
        import keras

        if not isinstance(operation, keras.layers.Layer):
            return path
        if operation not in self._paths:
            self._paths[operation] = fresh_name({*self._paths.values()}, f"{path}/{operation.name}")
        return self._paths[operation]

    def _symbol(self, name: str) -> Any:
        """A symbol in the place of a graph tensor, of the type it has in Keras."""
        dtype = self.dtypes.get(name, "float32")
        return symbol(self.builder.shape(name), "float32" if "float" in dtype else dtype)

    def _array(self, variable: Any) -> Any:
        """What the code of a layer sees in the place of a variable."""
        import keras

        return keras.ops.convert_to_tensor(self._value(variable), dtype=variable.dtype)

    def _value(self, variable: Any) -> np.ndarray:
        """The number that is read of a variable."""
        return self._values[id(variable)] if id(variable) in self._values else to_numpy(variable)

    def _operand(self, value: Any) -> str:
        """The graph tensor that an argument or result stands for; an array becomes a constant."""
        if isinstance(value, str):
            return value
        return value.name if isinstance(value, TensorRef) else self.builder.constant(np.asarray(value), "operand")

    def _in_graph_terms(self, leaf: Any, values: Mapping[int, Value]) -> Any:
        """One argument of a call: a reference for a Keras tensor, numpy for an array, anything else as is."""
        import keras

        if id(leaf) in self._shadows.symbols and id(leaf) not in values:
            return self._value(self._shadows.symbols[id(leaf)][1])
        if isinstance(leaf, keras.KerasTensor):
            value = values[id(leaf)]
            return TensorRef(value) if isinstance(value, str) else value
        if isinstance(leaf, keras.Variable):
            return self._value(leaf)
        return to_numpy(leaf) if keras.ops.is_tensor(leaf) else leaf

    def _shapes(self, *arguments: Any) -> str:
        shapes = (self.builder.shape(name) for name in references(arguments))
        return ", ".join(f"(None{''.join(f', {size}' for size in shape[1:])})" for shape in shapes)

    def _note(self, subject: str, text: str) -> None:
        self.notes[Note("load", subject, text)] = None


def _arguments(node: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return node.arguments.args, node.arguments.kwargs
