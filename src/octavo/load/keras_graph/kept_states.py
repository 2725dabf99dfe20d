"""The variables that the code of layers assigns: states that a graph keeps from one run to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from octavo.load.keras_graph.shadow import Shadows
from octavo.ops.build import GraphBuilder
from octavo.ops.states import State


class KeptStates:
    """The states of a graph that is being read.

    Args:
        builder: Where their operators go.
        shadows: What tells which variables are assigned.
        value_of: The number that is read of a variable.
    """

    def __init__(self, builder: GraphBuilder, shadows: Shadows, value_of: Callable[[Any], np.ndarray]) -> None:
        self._builder, self._shadows, self._value_of = builder, shadows, value_of
        # By `id` of the variable.
        self._states: dict[int, State] = {}

    def before(self) -> dict[int, str]:
        """What the variables that code assigns hold before it runs, by `id` of the symbols that stand for them."""
        return {
            id(self._shadows.symbol_of(variable)): self._state(variable).value
            for variable, _ in self._shadows.assigned.values()
        }

    def assign(self, values: Mapping[int, str]) -> None:
        """Let variables hold tensors of the graph, by `id` of the variable."""
        for key, value in values.items():
            self._states[key] = replace(self._states[key], value=value)

    def write(self) -> None:
        """Let the next run find what they hold."""
        for state in self._states.values():
            state.write(self._builder)

    def _state(self, variable: Any) -> State:
        if id(variable) not in self._states:
            zeros = np.zeros(self._shadows.symbol_of(variable).shape)
            start = zeros if self._shadows.starts_from_zero(variable) else self._value_of(variable)
            self._states[id(variable)] = State.of(self._builder, start.astype(np.float32), variable.name)
        return self._states[id(variable)]
