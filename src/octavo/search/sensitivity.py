"""What each layer loses at each type, the others held: one row a layer and type, measured on samples held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from octavo.footprint.live import live_bytes
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph
from octavo.plan.types import Plan
from octavo.search.crew import Crew, Job
from octavo.search.knapsack import Option
from octavo.search.workbench import Workbench, loss


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A layer of a type.

    Attributes:
        layer: The user's name.
        type: A name in `octavo.config.LAYER_TYPES`.
        file_bytes: What its weights and biases take in a file.
        noise: What it adds to the squared error of the outputs, as a share of their square, to that of int8; negative
            where it takes some away.
        live_bytes: What it adds, to what activations take where all are int8, while each operator runs.
    """

    layer: str
    type: str
    file_bytes: int
    noise: float
    live_bytes: tuple[int, ...]

    @property
    def option(self) -> Option:
        """The layer's choice; what a type takes away of the noise counts as nothing, as it is that of measuring."""
        return Option(self.type, self.file_bytes, max(0.0, self.noise), self.live_bytes)


def sensitivities(bench: Workbench, types: Sequence[str], crew: Crew) -> tuple[Sensitivity, ...]:
    """Measure layer after layer, int8 first; weights are rounded as in files of the same effort.

    Args:
        bench: The network.
        types: Beside int8.
        crew: Who measures.
    """
    plans = dict(_plans(bench, types))
    jobs = {f"layer {layer}={name}": Job(loss, (layer, name)) for layer, name in plans if name != "int8"}
    noises = crew.results("measure layers", jobs)
    base = live_in(bench.graph, bench.trial.plan)
    return tuple(
        Sensitivity(
            layer,
            name,
            stored_bytes(bench.graph, plan, layer),
            noises.get(f"layer {layer}={name}", 0.0),
            tuple(a - b for a, b in zip(live_in(bench.graph, plan), base, strict=True)),
        )
        for (layer, name), plan in plans.items()
    )


def _plans(bench: Workbench, types: Sequence[str]) -> Iterator[tuple[tuple[str, str], Plan]]:
    """By layer and type the plan where it alone is of the type, where that makes a difference."""
    common = bench.trial.plan
    for layer in layers_with_weights(common, bench.graph):
        yield (layer, "int8"), common
        for name in types:
            plan = bench.plan_with(layer, name)
            if plan is not None and (plan.weights, plan.types) != (common.weights, common.types):
                yield (layer, name), plan


def layers_with_weights(plan: Plan, graph: Graph) -> tuple[str, ...]:
    """Layers that have a planned weight, in execution order."""
    ruled = {rule.node for rule in plan.weights}
    return tuple(dict.fromkeys(node.layer for node in graph.nodes if node.outputs[0] in ruled and node.layer))


def stored_bytes(graph: Graph, plan: Plan, layer: str) -> int:
    """What the weights and biases of a layer take, without their scales, each constant once."""
    nodes = {node.outputs[0] for node in graph.nodes if node.layer == layer}
    ruled = {rule.tensor: rule.dtype.bits for rule in plan.weights if rule.node in nodes}
    ruled |= {rule.tensor: rule.dtype.bits for rule in plan.biases if rule.node in nodes}
    constants = {
        name: graph.tensors[name]
        for node in graph.nodes
        if node.outputs[0] in nodes
        for name in node.inputs
        if name is not None and graph.tensors[name].data is not None
    }
    return sum(-(-each.size * ruled.get(name, each.dtype.bits) // 8) for name, each in constants.items())


def live_in(graph: Graph, plan: Plan) -> list[int]:
    """What activations take while each operator of a float graph runs, by the types a plan makes them in."""
    typed = (replace(graph.tensors[name], dtype=dtype) for name, dtype in plan.natives.items() if name in graph.tensors)
    return live_bytes(with_tensors(graph, typed))
