"""From a Keras model to the functional graph behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from octavo.errors import OctavoError, UnsupportedLayerError
from octavo.ir.types import Shape
from octavo.load.input_shape import InputShape, fixed_shapes


def functional_graph(model: Any, path: str) -> Any:
    """The `keras.Function` that a Functional or Sequential model runs.

    Args:
        model: keras.Model.
        path: The model's name as errors give it.

    Raises:
        UnsupportedLayerError: for a model that is not built, or computes something in a `call` of its own.
    """
    function = getattr(model, "_functional", model)
    if has_own_call(model):
        raise UnsupportedLayerError(
            f"model '{path}' ({type(model).__name__}) computes its outputs in Python code, which has no graph to read.",
            got=f"a subclass of keras.Model with its own call(), from {_author(model).__module__}",
            expected="a Sequential or Functional model",
            fix="wrap its call: x = keras.Input(shape=...); keras.Model(x, model(x)); or work on Keras's "
            "TensorFlow backend, whose converter reads such models (pip install 'octavo[tensorflow]')",
        )
    if function is None:
        raise UnsupportedLayerError(
            f"model '{path}' is not built, so its shapes and weights do not exist yet.",
            got="a Sequential model that was never called and has no input shape",
            expected="a built model",
            fix="begin it with keras.Input(shape=...), or call it once on a batch of data",
        )
    return function


def has_own_call(model: Any) -> bool:
    """Whether a model computes its outputs in Python code of its own, and so has no graph of layers."""
    import keras

    function = getattr(model, "_functional", model)
    return not _author(model).__module__.startswith("keras.src.") or not isinstance(function, keras.Function | None)


def as_graph(model: Any) -> Any:
    """Of a model with a `call` of its own, the Functional model around a call of it on symbols; any other as it is.

    Raises:
        UnsupportedLayerError: if it was never called, or its call cannot be traced.
    """
    import keras

    if not isinstance(model, keras.Model) or not has_own_call(model):
        return model
    shapes = (model.get_build_config() or {}).get("input_shape")
    if shapes is None:
        raise _without_graph(model, "a model that was never called", "call it once on a batch of data, model(x[:1])")
    try:
        inputs = _symbols(shapes)
        return keras.Model(inputs, model(inputs), name=model.name)
    except Exception as error:  # whatever the model's own code raises
        # Keras says first which call it was, and then, in bold, what the code raised.
        lines = re.sub(r"\x1b\[\d*m", "", str(error)).split("\n\n")
        got = f"{type(error).__name__}: {lines[min(1, len(lines) - 1)].strip() or 'no message'}"
        fix = "compute with keras.ops and layers in call(), on one argument that holds all inputs"
        raise _without_graph(model, got, fix) from error


def _symbols(shapes: Any, name: str | None = None) -> Any:
    """Inputs of these shapes, batch included, in lists and dicts as they are; in a dict they bear its names."""
    import keras

    if isinstance(shapes, dict):
        return {key: _symbols(shape, key) for key, shape in shapes.items()}
    if all(isinstance(size, int | None) for size in shapes):
        return keras.Input(tuple(shapes)[1:], name=name)
    return [_symbols(shape) for shape in shapes]


def _without_graph(model: Any, got: str, fix: str) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"model '{model.name}' ({type(model).__name__}) computes its outputs in Python code, which cannot be traced.",
        got=got,
        expected="a model whose call() runs on symbols, of shapes that are known",
        fix=f"{fix}; or work on Keras's TensorFlow backend, whose converter reads such models "
        "(pip install 'octavo[tensorflow]')",
    )


def is_graph_of_layers(operation: Any) -> bool:
    """Whether an operation is a model that is read as a graph, and whose own code never runs."""
    import keras

    return isinstance(operation, keras.Model) and not has_own_call(operation)


def _author(model: Any) -> type:
    """The class whose `call` a model runs."""
    return next(kind for kind in type(model).__mro__ if "call" in vars(kind))


def execution_order(function: Any) -> list[Any]:
    """The call nodes of a `keras.Function`, inputs left out, each after those it depends on.

    A branch is finished before the next begins, in the order of arguments, so that few tensors wait for their readers;
    Keras's own order goes breadth first.
    """
    given = {id(tensor) for tensor in function.inputs}
    finished: dict[Any, None] = {}
    pending = _makers(reversed(function.outputs), given)
    while pending:
        waiting = [node for node in _makers(reversed(pending[-1].input_tensors), given) if node not in finished]
        if waiting and pending[-1] not in finished:
            pending += waiting
        else:
            finished.setdefault(pending.pop())
    return list(finished)


def _makers(tensors: Iterable[Any], given: set[int]) -> list[Any]:
    """The call nodes that make the tensors that are not given."""
    histories = [tensor._keras_history for tensor in tensors if id(tensor) not in given]
    return [history.operation._inbound_nodes[history.node_index] for history in histories]


def graph_inputs(function: Any, given: InputShape | None) -> tuple[tuple[Shape, ...], int | None]:
    """Shapes of a graph's inputs with batch 1, and the batch that is asked for.

    Args:
        function: The `keras.Function`.
        given: What the caller says of open dimensions.

    Raises:
        OpenShapeError: for a dimension of unknown size.
        ConfigError: if what the caller says does not fit.
    """
    known = {tensor._keras_history.operation.name: tuple(tensor.shape) for tensor in function.inputs}
    fixed = fixed_shapes(given, known)
    return tuple((1, *sizes) for sizes in fixed.samples().values()), fixed.batch


def ordered_arguments(function: Any, argument: Any) -> list[Any]:
    """What a nested model is called on, in the order of its inputs: names decide where only the call has them."""
    import keras

    if isinstance(argument, dict) and not isinstance(function._inputs_struct, dict):
        return [argument[tensor.name] for tensor in function.inputs]
    return keras.tree.flatten(argument)


def symbol(shape: tuple[int, ...], dtype: str) -> Any:
    """A symbolic tensor of this shape, batch included, that no call has made."""
    import keras
    from keras.src.ops.node import KerasHistory

    tensor = keras.KerasTensor(shape, dtype)
    tensor._keras_history = KerasHistory(operation=None, node_index=0, tensor_index=0)
    return tensor


@dataclass(frozen=True, slots=True)
class Traced:
    """The calls that Python code made on symbols.

    Attributes:
        inputs: The symbols.
        results: What the code returned, flat: symbolic tensors, or arrays where a result depends on no input.
    """

    inputs: tuple[Any, ...]
    results: tuple[Any, ...]

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The symbolic tensors among the results."""
        import keras

        return tuple(result for result in self.results if isinstance(result, keras.KerasTensor))


def trace(function: Callable[..., Any], symbols: Iterable[Any], args: Any, kwargs: Any) -> Traced:
    """Run Python code on symbols and find the calls of keras.ops and of layers that it makes.

    Args:
        function: What to run.
        symbols: The symbols among the arguments, in order.
        args, kwargs: What to call it on.

    Raises:
        TypeError: if it makes no graph, as it left keras.ops.
    """
    import keras

    try:
        results = keras.tree.flatten(function(*args, **kwargs))
    except OctavoError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise TypeError(f"{type(error).__name__}: {lines[0] if lines else 'no message'}") from error
    for result in results:
        if not isinstance(result, keras.KerasTensor) and not keras.ops.is_tensor(result):
            raise TypeError(f"a result of {type(result).__name__}, which is no tensor")
    return Traced(tuple(symbols), tuple(results))
