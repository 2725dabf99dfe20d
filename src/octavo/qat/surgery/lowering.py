"""Which Keras calls must train as the operators they become, and by which steps."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import keras
import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Node
from octavo.load.keras_graph.checks import mixes_batch
from octavo.ops.table import spec_of
from octavo.qat.layers.fake_quantize import FakeQuantize
from octavo.qat.layers.live_constant import LiveConstant
from octavo.qat.layers.lowered_call import PLACE, LoweredCall, Program, Step, on_keras_tensors
from octavo.qat.layers.owned_variable import OwnedVariable
from octavo.qat.surgery.blueprint import Blueprint
from octavo.qat.surgery.find_constants import live_constant
from octavo.qat.surgery.refuse import cannot_train, mixes_samples

# Largest relative error of several roundings to a type.
HALF_PRECISION = {"float16": 2.0**-9, "bfloat16": 2.0**-6}


@dataclass(frozen=True, slots=True)
class Site:
    """Where a tensor is fake-quantized: its group's layer, and its number in it (-1: not observed)."""

    layer: FakeQuantize
    index: int


@dataclass(frozen=True, slots=True)
class Lowered:
    """A call to replace: by which layer, and by which of its programs."""

    layer: LoweredCall
    which: int


def lower_calls(blueprint: Blueprint, sites: Mapping[str, Site]) -> dict[int, Lowered]:
    """The calls that must train as operators, by `id` of their Keras node.

    Raises:
        UnsupportedLayerError: for a call with an operator that cannot, and for one that mixes the samples of a batch.
    """
    for call in blueprint.calls():
        # A variable has no batch, whatever it is called on.
        if mixes_batch(call) and not isinstance(call.operation, OwnedVariable):
            raise mixes_samples(blueprint.paths.get(call.operation.name, call.operation.name), call.operation)
    programs: dict[int, list[Program]] = {}
    operations: dict[int, Any] = {}
    places: dict[int, tuple[int, int]] = {}
    for call in blueprint.calls():
        nodes = blueprint.call_nodes(call)
        if _must_lower(blueprint, nodes, sites):
            key = id(call.operation)
            operations[key] = call.operation
            own = programs.setdefault(key, [])
            places[id(call)] = key, len(own)
            own.append(_program(blueprint, call, nodes, sites))
    quantizers = _owned_quantizers(blueprint, sites, programs)
    layers = {
        key: LoweredCall(
            operation,
            programs[key],
            quantizers[key],
            trainable=getattr(operation, "trainable", True),
            dtype=getattr(operation, "dtype_policy", None),
        )
        for key, operation in operations.items()
    }
    return {call: Lowered(layers[key], which) for call, (key, which) in places.items()}


def _owned_quantizers(
    blueprint: Blueprint, sites: Mapping[str, Site], programs: Mapping[int, Sequence[Program]]
) -> dict[int, list[FakeQuantize]]:
    """The fake quantizers that have no place in the model but inside a call: the first call that uses one owns it."""
    taken = {site.layer.name for name, site in sites.items() if not blueprint.is_inner(name)}
    by_name = {site.layer.name: site.layer for site in sites.values()}
    owned: dict[int, list[FakeQuantize]] = {key: [] for key in programs}
    for key, name in ((key, name) for key, own in programs.items() for each in own for name, _ in each.sites.values()):
        if name not in taken:
            taken.add(name)
            owned[key].append(by_name[name])
    return owned


def _must_lower(blueprint: Blueprint, nodes: Sequence[Node], sites: Mapping[str, Site]) -> bool:
    """Whether deployment rounds what the call does not show, or cannot stand what it does at 0."""
    return any(
        spec_of(node.op).pole
        or any(name in sites and blueprint.is_inner(name) for name in node.outputs)
        or any(name is not None and name in blueprint.rounded_constants for name in node.inputs)
        for node in nodes
    )


def _program(blueprint: Blueprint, call: Any, nodes: Sequence[Node], sites: Mapping[str, Site]) -> Program:
    """The steps of one call."""
    tensors = call.arguments.keras_tensors
    places = {id(tensor): f"{PLACE}{i}" for i, tensor in reversed([*enumerate(tensors)])}
    arguments = keras.tree.map_structure(
        lambda leaf: places.get(id(leaf), leaf), (tuple(call.arguments.args), dict(call.arguments.kwargs))
    )
    made = [name for node in nodes for name in node.outputs if name in sites and blueprint.is_inner(name)]
    read = dict.fromkeys(name for node in nodes for name in node.inputs if name is not None)
    constants = [name for name in read if blueprint.loaded.tensors[name].is_constant]
    given = _constants_given(blueprint, tensors, constants)
    return Program(
        arguments=keras.saving.serialize_keras_object(arguments),
        inputs=tuple(blueprint.names.get(id(tensor)) or given.get(id(tensor), "") for tensor in tensors),
        outputs=tuple(blueprint.names[id(tensor)] for tensor in call.outputs),
        steps=tuple(_step(node) for node in nodes),
        constants={
            name: _given(blueprint, name) if name in given.values() else _constant(blueprint, call, name, nodes)
            for name in constants
        },
        sites={name: (sites[name].layer.name, sites[name].index) for name in made},
    )


def _step(node: Node) -> Step:
    """One node as a step.

    Raises:
        UnsupportedLayerError: for an operator without a form in training.
    """
    function = on_keras_tensors(node.op)
    if function is None:
        raise cannot_train(node.layer, f"operator {node.op} between roundings")
    taken = inspect.signature(function).parameters
    options = {option.name: getattr(node.options, option.name) for option in fields(node.options)}  # type: ignore[arg-type]
    return Step(node.op, node.inputs, node.outputs, {key: value for key, value in options.items() if key in taken})


def _constants_given(blueprint: Blueprint, tensors: Sequence[Any], constants: Sequence[str]) -> dict[int, str]:
    """The constants that are tensors among a call's arguments, computed of variables alone, by `id` of the tensor.

    A constant has the elements of its tensor, maybe in another shape, and more exactly than a tensor of half precision.
    """
    found: dict[int, str] = {}
    for tensor in tensors:
        if id(tensor) not in blueprint.names:
            value = blueprint.value_of(tensor).astype(np.float32)
            error = max(1e-5, HALF_PRECISION.get(tensor.dtype, 0.0))
            for name in constants:
                data = blueprint.loaded.tensors[name].data
                if data is None or data.size != value.size:
                    continue
                if np.allclose(data.ravel(), value.ravel(), rtol=error, atol=1e-12):
                    found[id(tensor)] = name
    return found


def _given(blueprint: Blueprint, name: str) -> LiveConstant:
    """A constant that a call is given, rounded where the plan rounds it."""
    grid = blueprint.rounded_constants.get(name)
    integer = grid.value if isinstance(grid, DType) else ""
    return LiveConstant("given", shape=blueprint.loaded.tensors[name].shape, integer=integer)


def _constant(blueprint: Blueprint, call: Any, name: str, nodes: Sequence[Node]) -> LiveConstant:
    """A constant of one call as training sees it.

    Raises:
        UnsupportedLayerError: for one that is computed from what trains, but in a batch normalization.
    """
    found = live_constant(blueprint, name, next(node for node in nodes if name in node.inputs))
    if found is None or found[0] not in (None, call.operation):
        raise cannot_train(
            blueprint.paths.get(call.operation.name, call.operation.name),
            f"constant '{name}', computed from what trains",
        )
    return found[1]
