"""From changed constants of a planned graph back to the variables of the flat model it was loaded from.

No layer class needs to be known for it: what folding makes of a variable is found by loading the model with other
values in the variable's place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from octavo.condition.biases import linear_bias
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.load.keras_graph import load_keras
from octavo.plan.types import WeightRule
from octavo.qat.layers.live_constant import variables_of
from octavo.qat.prepare import prepare_as_named
from octavo.qat.surgery.blueprint import Blueprint
from octavo.qat.surgery.origins import Origin, changing_variables, nudged_values, to_float32
from octavo.qat.surgery.weights import linear_node

# A gain or a factor below divides no number out of float32.
SMALLEST = 1e-20
# The second step takes out what float32 made of the first.
STEPS = 2
# What counts as the constant that was wanted, relative to the largest of it.
CLOSE = 1e-5


def write_back(blueprint: Blueprint, paths: Mapping[str, str], wanted: Graph) -> tuple[Note, ...]:
    """Give the variables of a flat model the values that make it load as a changed graph.

        weight = kernel * F          F found with a kernel of ones    kernel' = weight' / F
        bias = ... + variable * G    G found with 1 added             variable' = variable + (bias' - bias) / G

    Args:
        blueprint: Of the model, before the change; the model's variables are assigned.
        paths: As `octavo.qat.prepare.prepare_as_named` takes them.
        wanted: The graph of `blueprint` with other constants.

    Returns:
        A note for each layer that trains without what was changed, since no variable of it holds that.
    """
    _write_weights(blueprint, paths, wanted)
    _write_biases(blueprint, paths, wanted)
    found = folded(blueprint.flat, paths)
    layers = dict.fromkeys(
        tensor.layer or name for name, tensor in wanted.tensors.items() if not _is_close(found, wanted, name)
    )
    return tuple(
        Note("condition", layer, "training starts without what was changed here: no variable of the layer holds it")
        for layer in layers
    )


def folded(model: keras.Model, paths: Mapping[str, str], values: Mapping[int, np.ndarray] | None = None) -> Graph:
    """The graph that a flat model becomes with these values in the place of variables, by `id`."""
    return prepare_as_named(load_keras(model, values={**nudged_values(model), **(values or {})}), paths).graph


def _is_close(found: Graph, wanted: Graph, name: str) -> bool:
    data, other = wanted.tensors[name].data, found.tensors[name].data if name in found.tensors else None
    if data is None or not wanted.tensors[name].dtype.is_float:
        return True
    return other is not None and bool(np.abs(data - other).max(initial=0) <= CLOSE * np.abs(data).max(initial=0))


def _write_weights(blueprint: Blueprint, paths: Mapping[str, str], wanted: Graph) -> None:
    """Assign the variables that weights and other constants of their own were made of."""
    origins = dict(_changed_origins(blueprint, wanted))
    variables = {name: _variable(origin) for name, origin in origins.items()}
    ones = {id(each): np.ones(each.shape, np.float32) for each in variables.values()}
    factors = folded(blueprint.flat, paths, ones)
    written: set[int] = set()
    for name, origin in origins.items():
        variable, factor = variables[name], factors.tensors[name].data
        before, after = blueprint.graph.tensors[name].data, wanted.tensors[name].data
        if id(variable) in written or factor is None or before is None or after is None:
            continue
        written.add(id(variable))
        # What stays as it is keeps its bits; what a factor of 0 hides cannot be told.
        moved = (before != after) & (np.abs(factor) > SMALLEST)
        values = to_float32(variable.value).ravel().copy()
        places = (origin.elements - origin.numbers.flat[0])[moved]
        values[places] = after[moved] / factor[moved]
        variable.assign(values.reshape(variable.shape))


def _changed_origins(blueprint: Blueprint, wanted: Graph) -> Iterator[tuple[str, Origin]]:
    """(constant, origin) of each that was changed and is made of one variable; biases left out."""
    rules = {rule.tensor: rule for rule in reversed(blueprint.plan.weights)}
    biases = set(_biases(blueprint).values())
    for name, tensor in wanted.tensors.items():
        before = blueprint.graph.tensors[name].data
        if tensor.data is None or before is None or name in biases or np.array_equal(tensor.data, before):
            continue
        source = linear_node(blueprint, rules[name]).weight if name in rules else name
        origin = blueprint.origins.of(source) if source in blueprint.loaded.tensors else None
        if origin is not None:
            yield name, origin


def _variable(origin: Origin) -> Any:
    return dict(variables_of(origin.layer))[origin.variable]


def _biases(blueprint: Blueprint) -> dict[str, str]:
    """The bias of each node with a planned weight, by the node's first output."""
    ruled = {rule.node for rule in blueprint.plan.weights}
    found = {}
    for node in blueprint.graph.nodes:
        name = linear_bias(node)
        if node.outputs[0] in ruled and name is not None:
            found[node.outputs[0]] = name
    return found


def _write_biases(blueprint: Blueprint, paths: Mapping[str, str], wanted: Graph) -> None:
    """Assign, for each bias that is not as wanted, a variable that adds to it."""
    biases, now = _biases(blueprint), folded(blueprint.flat, paths)
    rules = [
        rule
        for rule in blueprint.plan.weights
        if rule.node in biases and not np.array_equal(_data(now, biases[rule.node]), _data(wanted, biases[rule.node]))
    ]
    candidates = {rule.node: list(_additive(blueprint, rule, biases[rule.node])) for rule in rules}
    chosen: dict[str, tuple[Any, np.ndarray]] = {}
    for turn in range(max((len(each) for each in candidates.values()), default=0)):
        tried = {node: own[turn] for node, own in candidates.items() if node not in chosen and turn < len(own)}
        raised = {id(each): to_float32(each.value) + np.float32(1) for each in tried.values()}
        probed = folded(blueprint.flat, paths, raised)
        for rule in rules:
            if rule.node in tried and np.array_equal(_data(probed, rule.tensor), _data(now, rule.tensor)):
                gain = _data(probed, biases[rule.node]) - _data(now, biases[rule.node])
                if (np.abs(gain) > SMALLEST).all():
                    chosen[rule.node] = tried[rule.node], gain
    for _ in range(STEPS if chosen else 0):
        now, moved = folded(blueprint.flat, paths), set()
        for node, (variable, gain) in chosen.items():
            if id(variable) not in moved:
                moved.add(id(variable))
                missing = (_data(wanted, biases[node]) - _data(now, biases[node])) / gain
                variable.assign(to_float32(variable.value) + missing.reshape(variable.shape).astype(np.float32))


def _additive(blueprint: Blueprint, rule: WeightRule, bias: str) -> Iterator[Any]:
    """Variables that may add to a bias, one number for each channel; those nearest to the result come first.

    Before a batch normalization the batch's mean would take them away again in training.
    """
    linear = linear_node(blueprint, rule)
    size = blueprint.graph.tensors[bias].size
    layers = {layer.name: layer for layer in blueprint.flat.layers}
    changing = {id(variable) for _, _, variable in changing_variables(blueprint.flat)}
    named = dict.fromkeys(node.layer for node in (*linear.after, linear.node))
    for layer in (layers[name] for name in named if name in layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        own = [layer.beta] if is_norm and layer.center else [] if is_norm else layer.variables
        yield from (each for each in own if id(each) in changing and int(np.prod(each.shape)) == size)


def _data(graph: Graph, name: str) -> np.ndarray:
    data = graph.tensors[name].data
    assert data is not None
    return data
