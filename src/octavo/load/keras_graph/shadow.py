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
    """

    def __init__(self, value_of: Callable[[Any], Any]) -> None:
        self.symbols: dict[int, tuple[Any, Any]] = {}
        self._value_of = value_of
        self._made: dict[tuple[int, bool], Any] = {}
        self._originals: dict[int, Any] = {}

    def of(self, layer: Any, *, symbolic: bool) -> Any:
        """The stand-in of a layer; always the same one.

        Args:
            layer: It.
            symbolic: Whether symbols stand for its own variables, on which keras.ops calls are noted, or arrays, which
                Keras can compute with. Arrays stand for those of the layers in it.
        """
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
        return self._made[key]

    def original(self, operation: Any) -> Any:
        """The layer that an operation stands for; the operation itself if it stands for none."""
        return self._originals.get(id(operation), operation)

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
                stand_in.value = stand_in
                self.symbols[id(stand_in)] = stand_in, variable
        return self._made[key]

    def _number(self, variable: Any, dtype: str) -> Any:
        """The array that stands for a variable, of a type that code on symbols computes with."""
        import keras

        value = self._value_of(variable)
        return value if dtype == variable.dtype else keras.ops.cast(value, dtype)


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
