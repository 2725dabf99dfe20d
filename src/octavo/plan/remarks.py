"""What a plan leaves wider than its scheme's name promises, in words."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.config import EFFORTS, QuantizeConfig
from octavo.dtypes import DType
from octavo.ir.graph import operands
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.operands import weight_inputs
from octavo.ops.table import spec_of
from octavo.plan.make import MINIMUM_HYBRID_ELEMENTS, operator_name, own_config_of, stays_float, wanted_weights
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
    dtypes = {(rule.node, rule.input): rule.dtype for rule in plan.weights}
    wide = [
        Note("plan", node.layer, f"{node.op} has {dtype.value} weights: {reason}")
        for node in graph.nodes
        if node.outputs[0] not in floating
        for i, name in weight_inputs(graph, node)
        for dtype in (dtypes.get((node.outputs[0], i), DType.FLOAT32),)
        if (reason := _wide_reason(graph, node, name, dtype, plan, config)) is not None
    ]
    return (*islands, *_made_safe(graph, plan, config), *wide)


def _made_safe(graph: Graph, plan: Plan, config: QuantizeConfig) -> Iterator[Note]:
    """One note for each operator whose activations are wider than the scheme's because of a hazard."""
    wanted = plan.scheme.activations
    for node in graph.nodes:
        dtype = plan.types.get(node.outputs[0])
        if wanted is None or dtype is None or dtype is wanted or own_config_of(node, config).activations is not None:
            continue
        if hazard := spec_of(node.op).hazard(node.options, operands(graph, node), wanted):
            keep = f"layers=[LayerConfig({operator_name(node)!r}, activations={wanted.value!r})] keeps {wanted.value}"
            yield Note("plan", node.layer, f"{node.op} is {dtype.value} instead of {wanted.value}: {hazard}; {keep}")


def _wide_reason(graph: Graph, node: Node, name: str, dtype: DType, plan: Plan, config: QuantizeConfig) -> str | None:
    """Why a weight takes more bits than was wanted; None where it does not."""
    wanted = wanted_weights(node, plan.scheme, config)
    if dtype.bits <= wanted.bits:
        return None
    if dtype is not DType.FLOAT32:
        beside = plan.types[node.outputs[0]]
        activations = "" if beside is plan.scheme.activations else f" beside {beside.value} activations"
        return f"not every runtime has an {wanted.value} kernel for it{activations}"
    if stays_float(node, config):
        return "named in skip"
    hybrid = any(DType.FLOAT32 in role.types for _, role in spec_of(node.op).weights)
    if hybrid and graph.tensors[name].size < MINIMUM_HYBRID_ELEMENTS:
        return f"they are fewer than {MINIMUM_HYBRID_ELEMENTS}"
    return "it has no kernel for float activations and int8 weights"


def what_helps(plan: Plan, config: QuantizeConfig) -> str:
    """What to try where a file answers otherwise than the float model, in words."""
    ways = []
    levels = list(EFFORTS)
    if any(not rule.dtype.is_float for rule in plan.weights) and config.effort != levels[-1]:
        level = levels[max(levels.index(config.effort) + 1, levels.index("good"))]
        ways.append(f"effort='{level}' with some hundred samples ({EFFORTS[level]})")
    if any(rule.dtype is DType.INT4 for rule in plan.weights):
        ways.append("int8 weights for the layers that lose most, which `octavo search` finds")
    return ", ".join((*ways, "`octavo diagnose` to find what loses most, quantization-aware training"))
