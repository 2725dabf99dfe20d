"""Gives tensors the names a user looks for: a layer's result bears the layer's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from octavo.ir.graph import fresh_name, producers
from octavo.ir.types import Graph


def named_as_in_keras(graph: Graph, results: Mapping[str, str], function: Any) -> tuple[Graph, dict[str, str]]:
    """The graph with the names that a `keras.Function` gives its tensors, and the new name of each by the old one.

    Args:
        graph: As it was emitted.
        results: Graph tensor of each layer's first call, by layer path.
        function: What it was read of.
    """
    names = {name: name for name in graph.tensors}
    for found in (
        result_names(graph, results),
        output_names(graph, function._outputs_struct),
        input_names(graph, function._inputs_struct),
    ):
        graph = rename_tensors(graph, found)
        names = {old: found.get(new, new) for old, new in names.items()}
    return graph, names


def result_names(graph: Graph, results: Mapping[str, str]) -> dict[str, str]:
    """New names, by old ones, that call each layer's result by the layer's path.

    The tensor that has the name already, as a convolution before its activation does, takes its operator's name for
    a suffix. A layer that did nothing keeps its input's name.

    Args:
        graph: The graph.
        results: The tensor that is each layer's result, by layer path.
    """
    made_by = producers(graph)
    names: dict[str, str] = {}
    for path, result in results.items():
        holder = graph.tensors.get(path)
        if result == path or graph.tensors[result].layer != path or result not in made_by:
            continue
        if holder is not None and holder.layer != path:
            continue
        if holder is not None:
            names[path] = fresh_name({*graph.tensors, *names.values()}, f"{path}/{made_by[path].op.lower()}")
        names[result] = path
    return names


def output_names(graph: Graph, outputs: Any) -> dict[str, str]:
    """New names, by old ones, that call the results of a model whose outputs are a dict by their keys."""
    if not isinstance(outputs, dict) or len(outputs) != len(graph.outputs):
        return {}
    made_by = producers(graph)
    pairs = zip(graph.outputs, sorted(outputs), strict=True)
    return {name: key for name, key in pairs if name in made_by and key not in graph.tensors}


def input_names(graph: Graph, inputs: Any) -> dict[str, str]:
    """New names, by old ones, that call the inputs of a model whose inputs are a dict by their keys, as its data do."""
    if not isinstance(inputs, dict) or len(inputs) != len(graph.inputs):
        return {}
    names = {name: key for name, key in zip(graph.inputs, sorted(inputs), strict=True) if name != key}
    taken = graph.tensors.keys() - set(graph.inputs)
    return {} if any(key in taken for key in names.values()) else names


def rename_tensors(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The graph with tensors renamed, old name to new; the same object if none is."""
    if not names:
        return graph

    def new(name: str) -> str:
        return names.get(name, name)

    return replace(
        graph,
        tensors={new(name): replace(tensor, name=new(name)) for name, tensor in graph.tensors.items()},
        nodes=tuple(
            replace(
                node,
                inputs=tuple(None if name is None else new(name) for name in node.inputs),
                outputs=tuple(map(new, node.outputs)),
            )
            for node in graph.nodes
        ),
        inputs=tuple(map(new, graph.inputs)),
        outputs=tuple(map(new, graph.outputs)),
    )
