"""From a constant in the graph back to the Keras variable it was made of.

A lowering may transpose and reshape a variable into a constant. To find out how, the model is loaded once more with
every element of every variable replaced by a number of its own: the constant then shows where each of its elements
came from, and no layer class needs to be known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from octavo.ir.types import Graph
from octavo.qat.layers.live_constant import variables_of


def changing_variables(model: keras.Model) -> list[tuple[keras.layers.Layer, str, Any]]:
    """(layer, path below it, variable) of each variable that training may move.

    Those of layers with nothing to train, such as Normalization, are numbers of the model like any other.
    """
    return [
        (layer, path, variable)
        for layer in model.layers
        if layer.trainable_variables or not layer.trainable
        for path, variable in variables_of(layer)
        if "float" in variable.dtype
    ]


def numbered_elements(model: keras.Model) -> dict[int, np.ndarray]:
    """For each changing variable, by `id`, an int64 array of its shape; no number occurs twice in the model.

    Small variables come first, as a lowering may take theirs through float32, which holds integers up to 2**24. What
    is 0 or 1 is no number here: a lowering leaves sums and products with them out.
    """
    numbers: dict[int, np.ndarray] = {}
    start = 2
    variables = [variable for _, _, variable in changing_variables(model)]
    for variable in sorted(variables, key=lambda variable: int(np.prod(variable.shape))):
        size = int(np.prod(variable.shape, dtype=np.int64))
        numbers[id(variable)] = np.arange(start, start + size, dtype=np.int64).reshape(variable.shape)
        start += size
    return numbers


def nudged_values(model: keras.Model) -> dict[int, np.ndarray]:
    """The changing variables' values, by `id`, with next to 0 and 1 in the place of 0 and 1.

    A fresh batch normalization multiplies by 1 and adds 0, which passes drop; after training it does not. What is
    planned for training must not depend on that.
    """
    one = np.nextafter(np.float32(1), np.float32(2))
    values = {id(variable): to_float32(variable.value) for _, _, variable in changing_variables(model)}
    return {
        key: np.where(array == 0, np.float32(1e-30), np.where(array == 1, one, array)) for key, array in values.items()
    }


def to_float32(value: Any) -> np.ndarray:
    """A tensor of the backend in numpy."""
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(value, "float32")))


@dataclass(frozen=True, slots=True)
class Origin:
    """The variable a constant was made of.

    Attributes:
        layer: That it belongs to.
        variable: Its path below the layer.
        numbers: Its numbered elements, in its own shape.
        elements: The same numbers, arranged as in the constant.
    """

    layer: keras.layers.Layer
    variable: str
    numbers: np.ndarray
    elements: np.ndarray

    @property
    def is_reshaped(self) -> bool:
        """Whether the constant has the variable's elements in the variable's order."""
        return self.numbers.size == self.elements.size and bool((self.numbers.ravel() == self.elements.ravel()).all())


class Origins:
    """Origins of the constants of a graph.

    Args:
        model: Flat.
        loaded: The graph loaded from it, before any pass.
        numbered: The same, loaded with `numbered_elements` for values.
    """

    def __init__(self, model: keras.Model, loaded: Graph, numbered: Graph) -> None:
        elements = numbered_elements(model)
        self._loaded, self._numbered = loaded, numbered
        self._variables = {
            int(elements[id(variable)].flat[0]): (layer, path, elements[id(variable)])
            for layer, path, variable in changing_variables(model)
            if elements[id(variable)].size
        }
        self._starts = np.array(sorted(self._variables))

    def depends_on_variables(self, name: str) -> bool:
        """Whether constant `name` changes as the model trains."""
        here, there = self._numbered.tensors[name].data, self._loaded.tensors[name].data
        return here is not None and there is not None and not np.array_equal(here, there)

    def of(self, name: str) -> Origin | None:
        """The origin of constant `name`; None if it is a number of the code, or computed from variables."""
        data = self._numbered.tensors[name].data
        if data is None or not self.depends_on_variables(name) or (data != np.round(data)).any():
            return None
        place = np.searchsorted(self._starts, data.flat[0], side="right") - 1
        layer, path, numbers = self._variables[int(self._starts[max(place, 0)])]
        inside = (data >= numbers.flat[0]) & (data <= numbers.flat[-1])
        complete = data.size == numbers.size and inside.all() and len(np.unique(data)) == data.size
        return Origin(layer, path, numbers, data.astype(np.int64)) if complete else None


def channel_index(origin: Origin, axis: int) -> np.ndarray:
    """For each element of a variable, the index along `axis` of the constant made of it.

    Returns:
        int64, broadcast against the variable: dimensions along which it does not change have length 1.
    """
    shape = [1] * origin.elements.ndim
    shape[axis] = -1
    indices = np.broadcast_to(np.arange(origin.elements.shape[axis]).reshape(shape), origin.elements.shape)
    flat = np.empty(origin.numbers.size, np.int64)
    flat[origin.elements.ravel() - origin.numbers.flat[0]] = indices.ravel()
    spread = flat.reshape(origin.numbers.shape)
    for dimension in range(spread.ndim):
        if not np.diff(spread, axis=dimension).any():
            spread = spread.take([0], axis=dimension)
    return spread
