"""The bias that belongs to a planned weight."""

from __future__ import annotations

from octavo.ir.graph import consumers
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.positive import positive_tensors
from octavo.ops.table import spec_of
from octavo.plan.types import Plan


def linear_bias(node: Node) -> str | None:
    """The bias of a node whose row has one weight and its bias; None where it has none, or a cell's several."""
    spec = spec_of(node.op)
    if not len(spec.weights) == len(spec.biases) == 1:
        return None
    ((index, _),) = spec.biases
    return node.inputs[index] if index < len(node.inputs) else None


def own_biases(graph: Graph, plan: Plan, method: str) -> tuple[dict[str, str], tuple[Note, ...]]:
    """The biases that a method may change, by their nodes' first outputs; and a note for each layer without one."""
    ruled, readers = {rule.node for rule in plan.weights}, consumers(graph)
    places, notes = {}, []
    has_pole = any(spec_of(node.op).pole for node in graph.nodes)
    positive = positive_tensors(graph) if has_pole else frozenset[str]()
    for node in graph.nodes:
        if node.outputs[0] not in ruled:
            continue
        name = linear_bias(node)
        if name is None or not graph.tensors[name].is_constant:
            notes.append(Note(method, node.layer, f"{node.op} has no constant bias of a single weight to correct"))
        elif len(readers[name]) > 1:
            notes.append(Note(method, node.layer, f"bias '{name}' is read elsewhere too, and stays as it is"))
        elif graph.tensors[name].size != graph.tensors[node.outputs[0]].shape[-1]:
            notes.append(Note(method, node.layer, f"bias '{name}' is not one number for each channel"))
        elif node.outputs[0] in positive:
            text = "is never negative, which a root or logarithm may count on, and keeps its bias"
            notes.append(Note(method, node.layer, f"what {node.op} makes {text}"))
        else:
            places[node.outputs[0]] = name
    return places, tuple(notes)
