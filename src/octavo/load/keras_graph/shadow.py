"""Stand-ins of layers whose code can run on symbols without leaving a trace in the layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from octavo.load.keras_graph.functional import is_graph_of_layers, symbol
from octavo.load.keras_graph.recurrence import SymbolicBackend, at_each_time, unrolled

# What Keras itself lists of a layer; no `call` computes with it.
BOOKKEEPING = frozenset(
    {"_tracker", "_trainable_variables", "_non_trainable_variables", "_seed_generators", "_metrics"}
)
# What a graph holds as float32.
HALF = frozenset({"float16", "bfloat16"})
# Where Keras notes each symbolic call of an operation.
RECORDS = frozenset({"_inbound_nodes", "_outbound_nodes"})


class Shadows:
    """Makes stand-ins, and knows whose they are.

    A stand-in is of the layer's class and has its attributes, but for variables and layers. Calls on symbols are noted
    in the stand-ins alone, so that the model does not change; and what Python code computes of variables follows from
    values that may be other ones than the variables' own.

    Args:
        value_of: The array of the backend that stands for a variable.

    Attributes:
        symbols: (symbol, variable) by `id` of the symbol, of each variable that a symbol stands for.
        assigned: (variable, symbol) by `id` of the variable, of each one that code assigned: what it is afterwards.
    """

    def __init__(self, value_of: Callable[[Any], Any]) -> None:
        self.symbols: dict[int, tuple[Any, Any]] = {}
        self.assigned: dict[int, tuple[Any, Any]] = {}
        self._value_of = value_of
        self._recurrent: set[int] = set()
        self._made: dict[tuple[int, bool], Any] = {}
        self._originals: dict[int, Any] = {}

    def of(self, layer: Any, *, symbolic: bool) -> Any:
        """The stand-in of a layer; always the same one.

        Args:
            layer: It.
            symbolic: Whether symbols stand for its own variables, on which keras.ops calls are noted, or arrays, which
                Keras can compute with. Arrays stand for those of the layers in it.
        """
        import keras

        key = id(layer), symbolic
        if key not in self._made:
            self._made[key] = shadow = object.__new__(type(layer))
            self._originals[id(shadow)] = layer
            records: dict[str, Any] = {name: [] for name in RECORDS}
            attributes = dict(vars(layer))
            if not is_graph_of_layers(layer):
                kept = BOOKKEEPING | RECORDS
                attributes = {k: v if k in kept else self._stand_in(v, symbolic) for k, v in attributes.items()}
            vars(shadow).update({**attributes, **records, **_on_symbols(layer, shadow), **_in_float32(layer)})
            if symbolic and is_stateful(layer):
                vars(shadow)["states"] = keras.tree.map_structure(self._state, layer.states)
        return self._made[key]

    def original(self, operation: Any) -> Any:
        """The layer that an operation stands for; the operation itself if it stands for none."""
        return self._originals.get(id(operation), operation)

    def symbol_of(self, variable: Any) -> Any:
        """The symbol that stands for a variable before any code runs."""
        return self._made[id(variable), True]

    def starts_from_zero(self, variable: Any) -> bool:
        """Whether a variable is a state of a recurrent layer, which it sets to zeros for a new sequence."""
        return id(variable) in self._recurrent

    def forget_assigned(self) -> None:
        """Let every variable be what it was before any code ran."""
        for variable, after in self.assigned.values():
            self._replace(after, self.symbol_of(variable))
        self.assigned.clear()

    def _replace(self, old: Any, new: Any) -> None:
        """Let the code of stand-ins find another symbol in the place of one."""
        for (_, symbolic), shadow in self._made.items():
            if symbolic and id(shadow) in self._originals:
                vars(shadow).update({key: _replaced(value, old, new) for key, value in vars(shadow).items()})

    def _stand_in(self, value: Any, symbolic: bool) -> Any:
        """What stands for the value of an attribute: lists, tuples and dicts are looked into."""
        import keras

        if isinstance(value, keras.Variable):
            return self._variable(value, symbolic)
        if isinstance(value, keras.layers.Layer):
            return self.of(value, symbolic=False)
        if isinstance(value, dict):
            replaced = {key: self._stand_in(item, symbolic) for key, item in value.items()}
            return value if all(replaced[key] is value[key] for key in replaced) else replaced
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            items = [self._stand_in(item, symbolic) for item in value]
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same else tuple(items) if isinstance(value, tuple) else items
        return value

    def _variable(self, variable: Any, symbolic: bool) -> Any:
        key = id(variable), symbolic
        if key not in self._made:
            dtype = "float32" if variable.dtype in HALF else variable.dtype
            stand_in = symbol(tuple(variable.shape), dtype) if symbolic else self._number(variable, dtype)
            self._made[key] = stand_in
            if symbolic:
                self._stands_for(stand_in, variable)
        return self._made[key]

    def _state(self, variable: Any) -> Any:
        """The symbol for a state of a recurrent layer, which has a row for each sample of a batch."""
        self._recurrent.add(id(variable))
        stand_in = self._made[id(variable), True] = symbol((1, *variable.shape[1:]), "float32")
        self._stands_for(stand_in, variable)
        return stand_in

    def _stands_for(self, stand_in: Any, variable: Any) -> None:
        """Let code do to a symbol what it does to a variable."""
        self.symbols[id(stand_in)] = stand_in, variable
        if "float" in variable.dtype:
            self._is_assignable(stand_in, variable)

    def _is_assignable(self, now: Any, variable: Any) -> None:
        import keras

        def assign(value: Any) -> Any:
            value = keras.ops.convert_to_tensor(value)
            if tuple(value.shape) != tuple(now.shape):
                raise ValueError(f"{tuple(value.shape)} is assigned to a variable of shape {tuple(now.shape)}")
            # The sum is a symbol of its own, that nothing else stands for.
            after = now * 0 + value if not isinstance(value, keras.KerasTensor) else value + 0
            self.assigned[id(variable)] = variable, after
            self._is_assignable(after, variable)
            self._replace(now, after)
            return after

        now.value, now.assign = now, assign
        now.assign_add = lambda value: assign(now + value)
        now.assign_sub = lambda value: assign(now - value)

    def _number(self, variable: Any, dtype: str) -> Any:
        """The array that stands for a variable, of a type that code on symbols computes with."""
        import keras

        value = self._value_of(variable)
        return value if dtype == variable.dtype else keras.ops.cast(value, dtype)


def is_stateful(layer: Any) -> bool:
    """Whether a layer is a recurrent one that keeps its state from one call to the next."""
    import keras

    return isinstance(layer, keras.layers.RNN) and bool(layer.stateful) and layer.states is not None


def _replaced(value: Any, old: Any, new: Any) -> Any:
    """The value of an attribute with another symbol in the place of one."""
    if isinstance(value, dict):
        items = {key: _replaced(item, old, new) for key, item in value.items()}
        return value if all(items[key] is value[key] for key in items) else items
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        parts = [_replaced(item, old, new) for item in value]
        same = all(part is item for part, item in zip(parts, value, strict=True))
        return value if same else tuple(parts) if isinstance(value, tuple) else parts
    return new if value is old else value


def _on_symbols(layer: Any, shadow: Any) -> dict[str, Any]:
    """Attributes of a stand-in in whose place the layer's own leave keras.ops for a backend's functions."""
    import keras
    from keras.src.utils.backend_utils import DynamicBackend

    found: dict[str, Any] = {}
    if isinstance(layer, keras.layers.RNN):
        found["call"] = partial(unrolled, shadow)
    if isinstance(layer, keras.layers.TimeDistributed):
        found["call"] = partial(at_each_time, shadow)
    if isinstance(vars(layer).get("backend"), DynamicBackend):
        found["backend"] = SymbolicBackend()
    return found


def _in_float32(layer: Any) -> dict[str, Any]:
    """The policy of a stand-in whose layer computes in half precision beside variables that are float32 here.

    Only where `call` is entered does Keras cast variables, and TensorFlow multiplies no two types.
    """
    import keras

    policy = vars(layer).get("_dtype_policy")
    half = getattr(policy, "compute_dtype", None) in HALF
    return {"_dtype_policy": keras.DTypePolicy("float32")} if half else {}
