"""What a lowering sees of a Keras call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from octavo.ops.spec import TensorRef


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a Keras layer, operation or activation function; implements `octavo.ops.spec.KerasCall`.

    Attributes:
        operation: The layer, operation or function.
        args, kwargs: What it was called with: a `TensorRef` stands where a Keras tensor was, a numpy array where an
            array or variable of the backend was; other values are as the user wrote them.
        inputs: Names of the graph tensors among them, in order.
        values: What to read instead of a variable's own value, by `id` of the variable.
    """

    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[str, ...]
    values: Mapping[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        operation: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        values: Mapping[int, np.ndarray] = MappingProxyType({}),
    ) -> Call:
        """A call on arguments that are already in graph terms."""
        inputs = tuple(leaf.name for leaf in leaves((args, dict(kwargs))) if isinstance(leaf, TensorRef))
        return cls(operation, args, kwargs, inputs, values)

    def weight(self, attribute: str) -> np.ndarray:
        """The layer's variable `attribute` as float32, whatever the layer's dtype policy."""
        variable = getattr(self.operation, attribute)
        return self.values[id(variable)] if id(variable) in self.values else to_numpy(variable)


def to_numpy(value: Any) -> np.ndarray:
    """A backend's array or variable in numpy; every float type becomes float32.

    Returns:
        A read-only array, or one of its own: an array that can be written to is the backend's own memory, which
        later training would change.
    """
    import keras

    array = keras.ops.convert_to_numpy(value)
    floating = "float" in array.dtype.name
    return array.astype(np.float32 if floating else array.dtype, copy=array.flags.writeable)


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """The structure of tuples, lists and dicts with `function` applied to what is none of them."""
    if isinstance(value, (tuple, list)):
        return type(value)([map_leaves(function, item) for item in value])
    if isinstance(value, dict):
        return {key: map_leaves(function, item) for key, item in value.items()}
    return function(value)


def leaves(value: Any) -> Iterator[Any]:
    """What is neither tuple, list nor dict in a structure; dicts in the order of their sorted keys, as in Keras."""
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from leaves(value[key])
    else:
        yield value
