"""What Keras forms of element-by-element operators share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from octavo.ir.types import NoOptions, Options, Shape
from octavo.ops.spec import Emitter, KerasCall, KerasForm

Lower = Callable[[Emitter, KerasCall], str | tuple[str, ...]]


def emits(op: str, options: Options = NoOptions()) -> Lower:
    """The lowering of a call on one tensor that is exactly one operator."""

    def lower(b: Emitter, call: KerasCall) -> str:
        return b.emit(op, call.inputs[:1], options)

    return lower


def function_forms(name: str, operation: str, lower: Lower, shape: Shape = (6, 4)) -> dict[str, KerasForm]:
    """The forms of `keras.activations.name` and of the operation class that `keras.ops.name` puts into a graph."""
    return {
        f"activations.{name}": activation_form(name, lower, shape),
        f"ops.{operation}": operation_form(name, lower, shape),
    }


def activation_form(name: str, lower: Lower, shape: Shape = (6, 4)) -> KerasForm:
    """The form of `keras.activations.name`."""
    return KerasForm(lower, lambda keras: (keras.layers.Activation(name), (shape,)))


def operation_form(name: str, lower: Lower, shape: Shape = (6, 4)) -> KerasForm:
    """The form of the operation class that `keras.ops.name`, called on one tensor, puts into a graph."""
    return KerasForm(lower, lambda keras: (getattr(keras.ops, name), (shape,)))


def layer_form(lower: Lower, make: Callable[[Any], Any], shape: Shape = (6, 4)) -> KerasForm:
    """The form of a layer that takes one tensor; `make` makes an example of it, given the `keras` module."""
    return KerasForm(lower, lambda keras: (make(keras), (shape,)))


def parameter(call: KerasCall, name: str) -> Any:
    """A parameter of a layer or operation; an activation function has the default value of its argument."""
    if inspect.isfunction(call.operation):
        return inspect.signature(call.operation).parameters[name].default
    return getattr(call.operation, name)
