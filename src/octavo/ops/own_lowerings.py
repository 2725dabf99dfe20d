"""Lowerings that users register for layers of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from octavo.errors import ConfigError
from octavo.ops.forms import Lower
from octavo.ops.table import KERAS_FORMS

LowerFunction = TypeVar("LowerFunction", bound=Lower)

_LOWERINGS: dict[type, Lower] = {}


def lowering(kind: type) -> Callable[[LowerFunction], LowerFunction]:
    """Register how calls of a layer class become operators, for this process; a decorator.

    Needed only for what cannot be read by running the layer's `call` on symbols, or where other operators suit better:

        @octavo.lowering(Swish)
        def lower_swish(b, call):
            (x,) = call.inputs
            return b.emit("MUL", [x, b.emit("LOGISTIC", [x], suffix="gate")], MulOptions())

    Args:
        kind: The class, exactly; subclasses register their own. Given a class of keras.layers or keras.ops that
            has no form, that gets one.

    Returns:
        A decorator that hands the function back as it is. The function is given an `octavo.ops.spec.Emitter`, to which
        it emits operators and constants, and an `octavo.ops.spec.KerasCall`: the layer, the tensors it is called on
        and, by `call.weight("kernel")`, its variables. It returns the name of the result, or a tuple of names.

    Raises:
        ConfigError: for what is no class of layers, and for a class that has a lowering.
    """
    _check_class(kind)

    def register(function: LowerFunction) -> LowerFunction:
        if kind in _LOWERINGS:
            raise ConfigError(
                f"class {kind.__qualname__} has a lowering already.",
                got=f"a second one, {function.__module__}.{function.__qualname__}",
                expected=f"one; it has {_LOWERINGS[kind].__module__}.{_LOWERINGS[kind].__qualname__}",
                fix="keep one of them, or register the other for a subclass",
            )
        _LOWERINGS[kind] = function
        return function

    return register


def lowering_of(operation: Any) -> Lower | None:
    """The lowering that was registered for the class of a layer or operation."""
    return _LOWERINGS.get(type(operation))


def _check_class(kind: Any) -> None:
    """Refuse what calls cannot be of, and Keras's own classes that the op table knows.

    Raises:
        ConfigError: naming it.
    """
    import keras

    if not isinstance(kind, type) or not issubclass(kind, keras.Operation):
        raise ConfigError(
            "a lowering is registered for a class of layers.",
            got=repr(kind),
            expected="a subclass of keras.layers.Layer",
            fix="write @octavo.lowering(MyLayer), with the class and not a layer of it",
        )
    names = {f"layers.{kind.__name__}", f"ops.{kind.__name__}"}
    if kind.__module__.startswith("keras.src.") and not names.isdisjoint(KERAS_FORMS):
        raise ConfigError(
            f"{kind.__name__} is one of Keras's own and has its operators.",
            got=f"a lowering for keras's {kind.__name__}",
            expected="a class of your own, or one without a form",
            fix=f"derive a class from {kind.__name__}, use it in the model and register the lowering for it",
        )
