"""What a lowering sees of a Keras call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
        values: What to read instead of a variable's own value, by `id` of the variable.
    """

    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    values: Mapping[int, np.ndarray]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the graph tensors among the arguments, in order."""
        return references((self.args, dict(self.kwargs)))

    def weight(self, attribute: str) -> np.ndarray:
        """The layer's variable `attribute` as float32, whatever the layer's dtype policy."""
        variable = getattr(self.operation, attribute)
        return self.values[id(variable)] if id(variable) in self.values else to_numpy(variable)


def references(arguments: Any) -> tuple[str, ...]:
    """Names of the graph tensors in a structure of arguments, in order."""
    return tuple(leaf.name for leaf in leaves(arguments) if isinstance(leaf, TensorRef))


def to_numpy(value: Any) -> np.ndarray:
    """A backend's array or variable in numpy; every float type becomes float32.

    Returns:
        An array of its own; one that shares the backend's memory would change with later training.
    """
    import keras

    array = keras.ops.convert_to_numpy(value.value if isinstance(value, keras.Variable) else value)
    floating = "float" in array.dtype.name
    return array.astype(np.float32 if floating else array.dtype, copy=not array.flags.owndata)


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


def flat(result: str | tuple[str, ...]) -> tuple[str, ...]:
    """The names of results, of which there may be one."""
    return (result,) if isinstance(result, str) else tuple(result)


def is_array(leaf: Any) -> bool:
    """Whether an argument is an array, as opposed to a tensor or a number."""
    return isinstance(leaf, np.ndarray) and leaf.ndim > 0
