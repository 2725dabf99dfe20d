"""What a plan leaves wider than its scheme's name promises, in words."""

from __future__ import annotations

from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.table import spec_of
from octavo.plan.make import MINIMUM_HYBRID_ELEMENTS, matches
from octavo.plan.roles import weight_input
from octavo.plan.types import Plan


def remarks(graph: Graph, plan: Plan, config: QuantizeConfig) -> tuple[Note, ...]:
    """One note for each operator that stays in float, and for each weight that is stored wider than the scheme says.

    Args:
        graph: The float graph the plan was made of.
        plan: Made by `config`.
        config: Tells what was wanted so.
    """
    islands = [Note("plan", each.layer, f"{each.op} stays in float: {each.reason}") for each in plan.islands]
    floating = {island.node for island in plan.islands}
    dtypes = {rule.node: rule.dtype for rule in plan.weights}
    wide = [
        Note("plan", node.layer, f"{node.op} has {dtype.value} weights: {reason}")
        for node in graph.nodes
        if node.outputs[0] not in floating
        for dtype in (dtypes.get(node.outputs[0], DType.FLOAT32),)
        if (reason := _wide_reason(graph, node, dtype, plan, config)) is not None
    ]
    return (*islands, *wide)


def _wide_reason(graph: Graph, node: Node, dtype: DType, plan: Plan, config: QuantizeConfig) -> str | None:
    """Why a node's weights, if it has any, take more bits than the scheme's; None where they do not or should."""
    spec = spec_of(node.op)
    name = weight_input(graph, node, spec)
    if name is None or spec.weight is None or dtype.bits <= plan.scheme.weights.bits:
        return None
    if dtype is not DType.FLOAT32:
        return None if spec.weight.int4 is not None else "not every runtime has an int4 kernel for it"
    if matches(node.layer, config.skip):
        return "named in skip"
    if spec.hybrid and graph.tensors[name].size < MINIMUM_HYBRID_ELEMENTS:
        return f"they are fewer than {MINIMUM_HYBRID_ELEMENTS}"
    return "it has no kernel for float activations and int8 weights"
