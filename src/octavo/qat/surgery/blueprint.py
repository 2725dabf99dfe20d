"""What is known of a model before fake quantization is put into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import consumers, producers
from octavo.ir.types import Graph, Node
from octavo.ops.table import spec_of
from octavo.plan.types import Plan, WeightRule
from octavo.qat.surgery.origins import Origins


@dataclass(frozen=True)
class Blueprint:
    """A flat model, its graph and the plan.

    Attributes:
        flat: Made by `octavo.qat.surgery.flatten`.
        loaded: The graph loaded from it, before any pass.
        names: Graph tensor by `id` of each of its Keras tensors.
        graph: The same graph after the passes.
        plan: Of that graph.
        origins: Of the constants of `loaded`.
        paths: For layers of `flat` that are called otherwise in the user's model, their path there.
    """

    flat: keras.Model
    loaded: Graph
    names: Mapping[int, str]
    graph: Graph
    plan: Plan
    origins: Origins
    paths: Mapping[str, str]

    @cached_property
    def made_by(self) -> dict[str, Node]:
        """The node of `loaded` that makes each tensor."""
        return producers(self.loaded)

    @cached_property
    def shown(self) -> frozenset[str]:
        """Tensors of `loaded` that are a result of a Keras call, or an input."""
        return frozenset(self.names.values())

    @cached_property
    def shown_at(self) -> dict[str, str]:
        """Where an inner tensor shows, after operators that only move its values, by inner tensor."""
        readers = consumers(self.loaded)
        places: dict[str, str] = {}
        for node in reversed(self.loaded.nodes):
            for name in node.outputs:
                reader = readers[name][0] if len(readers[name]) == 1 else None
                if name not in self.shown and reader is not None and moves_values(reader):
                    moved = reader.outputs[0]
                    place = moved if moved in self.shown else places.get(moved)
                    if place is not None:
                        places[name] = place
        return places

    @cached_property
    def rounded_constants(self) -> Mapping[str, WeightRule | DType]:
        """Constants that are rounded on a grid of their own and are no layer's weight: with their rule, or their type.

        Numbers of the code, and variables that are used like activations.
        """
        operands: dict[str, WeightRule | DType] = {
            group.tensors[0]: group.dtype
            for group in self.plan.groups
            if len(group.tensors) == 1
            and self.graph.tensors[group.tensors[0]].is_constant
            and group.tensors[0] in self.loaded.tensors
        }
        weights: dict[str, WeightRule | DType] = {
            rule.tensor: rule
            for rule in self.plan.weights
            if rule.tensor in self.loaded.tensors and not self.origins.depends_on_variables(rule.tensor)
        }
        return operands | weights

    def value_of(self, tensor: Any, values: Mapping[int, np.ndarray] = MappingProxyType({})) -> np.ndarray:
        """The value of a tensor of the flat model that depends on no input.

        Args:
            tensor: The tensor.
            values: Of variables, by `id`, in place of their present ones.
        """
        zeros = [keras.ops.zeros((1, *x.shape[1:]), x.dtype) for x in self.flat.inputs]
        given = [
            (variable, keras.ops.convert_to_tensor(values[id(variable)], variable.dtype))
            for variable in self.flat.variables
            if id(variable) in values
        ]
        with keras.StatelessScope(state_mapping=given):
            return np.asarray(keras.ops.convert_to_numpy(keras.Function(self.flat.inputs, tensor)(zeros)))

    def is_inner(self, name: str) -> bool:
        """Whether no Keras call shows a tensor, nor its values moved."""
        return name not in self.shown and name not in self.shown_at

    def call_nodes(self, node: Any) -> tuple[Node, ...]:
        """The nodes of `loaded` that stand for one Keras call, in order."""
        found: dict[str, Node] = {}
        entering = {self.names.get(id(tensor)) for tensor in node.input_tensors}
        waiting = [self.names[id(tensor)] for tensor in node.outputs if id(tensor) in self.names]
        while waiting:
            name = waiting.pop()
            maker = None if name in entering else self.made_by.get(name)
            if maker is not None and maker.outputs[0] not in found:
                found[maker.outputs[0]] = maker
                waiting += [read for read in maker.inputs if read is not None]
        return tuple(maker for maker in self.loaded.nodes if maker.outputs[0] in found)

    def calls(self) -> Iterator[Any]:
        """The Keras nodes of the flat model, inputs left out, in execution order."""
        by_depth = self.flat._nodes_by_depth
        for depth in sorted(by_depth, reverse=True):
            yield from (node for node in by_depth[depth] if not node.is_input)


def moves_values(node: Node) -> bool:
    """Whether every value a node makes is one that it reads."""
    return all(getattr(spec_of(node.op).rule(i), "moves", False) for i in range(len(node.outputs)))
