"""Quantize, write and verify; and again with a wider type for operators that no scale of their own type serves.

Such an operator is told by its row before anything is written, or by a runtime that it ends on real inputs. It is
widened by name, with a note, instead of the model being refused: to int16, or to a float island where that does not
serve either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from octavo.calibration.statistics import Statistics
from octavo.condition import Conditioned
from octavo.config import QuantizeConfig
from octavo.data.sources import is_spent
from octavo.dtypes import DType
from octavo.errors import DatasetError
from octavo.evaluate.proof import check_proven
from octavo.evaluate.verification import Verification
from octavo.evaluate.verify import verify
from octavo.ir.graph import producers
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.numerics.affine import Range, representable
from octavo.ops.obstacles import obstacles
from octavo.ops.table import spec_of
from octavo.plan.make import make_plan, operator_name, own_config_of
from octavo.plan.spans import Span, wide_spans
from octavo.plan.types import Plan
from octavo.quantization.open_logarithms import int8_logarithms, open_logarithm, reaches_below
from octavo.quantization.parameters import settle_parameters
from octavo.quantization.quantize import quantized_graph
from octavo.quantization.split_spans import split_spans
from octavo.stages import Clock, Measured, Prepared, Source, measure
from octavo.version import VERSION
from octavo.write.tflite import TFLITE

Values = Mapping[str, np.ndarray]
# Makes the constants that a plan of a graph rounds.
Condition = Callable[[Prepared, Plan], Conditioned]


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan and the ranges to execute it by, and what was wider in it than was asked for.

    Attributes:
        config: What the plan is made by.
        plan: Of the float graph.
        measured: Ranges for it.
        inside: Results of operators that run on int16, as their ranges ask for it.
        notes: One for each operator that was widened.
    """

    config: QuantizeConfig
    plan: Plan
    measured: Measured
    inside: frozenset[str] = frozenset()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Fitted:
    """A written file that runtimes were not ended by.

    Attributes:
        draft: What it was made by.
        conditioned: The float graph with the constants that were rounded.
        graph: What was written.
        model: The file.
        verification: What the runtimes made of it; None where none was asked.
    """

    draft: Draft
    conditioned: Conditioned
    graph: Graph
    model: bytes
    verification: Verification | None


def fitted(
    draft: Draft,
    prepared: Prepared,
    conditioned: Conditioned,
    condition: Condition,
    source: Source,
    samples: Sequence[Values],
    clock: Clock,
) -> Fitted:
    """Execute a draft, and where an operator stands in the way of its kernels, the draft with that operator widened.

    Args:
        draft: To start from.
        prepared: The float graph.
        conditioned: The same with the constants to round.
        condition: Makes another such, where a plan rounds other constants than the one before.
        source: Data to measure ranges on that only a widened plan asks for.
        samples: Real inputs to verify with.
        clock: Gathers times.

    Raises:
        VerificationError: if a runtime does not compute what it should.
        DatasetError: if a range is needed that was not measured, and data cannot be read again.
    """
    while True:
        config, ranges = draft.config, draft.measured.ranges
        with clock("quantize"):
            graph = quantized_graph(conditioned.graph, draft.plan, config, ranges, conditioned.limits)
            wider = widened(draft, prepared.graph, obstacles(graph))
        if wider is None:
            with clock("write"):
                model = TFLITE.write(graph, _metadata(draft))
            with clock("verify"):
                verification = None if config.verify == "off" else verify(model, graph, samples, config.verify)
                wider = None if verification is None else widened(draft, prepared.graph, _ended(graph, verification))
            if wider is None:
                check_proven(verification)
                return Fitted(draft, conditioned, graph, model, verification)
        before, draft = draft.plan, replace(wider, plan=make_plan(prepared.graph, wider.config, wider.inside))
        old = conditioned
        if set(before.weights) != set(draft.plan.weights):
            with clock("condition"):
                conditioned = condition(prepared, draft.plan)
        with clock("calibrate"):
            if conditioned.graph is old.graph:
                measured = measured_for(draft, before, prepared, conditioned.graph, source)
            else:  # other biases make other ranges; conditioning showed that samples can be read again
                measured = measure(prepared, draft.plan, conditioned.graph, draft.config, source)
            draft = replace(draft, measured=measured)


def spread(
    draft: Draft, prepared: Prepared, conditioned: Conditioned, condition: Condition, source: Source, clock: Clock
) -> tuple[Draft, Prepared, Conditioned]:
    """Give room to functions with a pole, such as the reciprocal root of a normalization, whose operand spans much.

    Args:
        draft: As measured.
        prepared: The float graph.
        conditioned: The same with the constants to round.
        condition: Makes another such.
        source: Data to measure ranges on, where other constants make others.
        clock: Gathers times.

    Returns:
        The same of the graph that has such room; what was given where there is no such function.
    """
    wide = _spread_out(draft, prepared)
    if wide is None:
        return draft, prepared, conditioned
    draft, prepared = wide
    with clock("condition"):
        conditioned = condition(prepared, draft.plan)
    if conditioned.graph is not prepared.graph:
        with clock("calibrate"):
            draft = replace(draft, measured=measure(prepared, draft.plan, conditioned.graph, draft.config, source))
    return draft, prepared, conditioned


def _spread_out(draft: Draft, prepared: Prepared) -> tuple[Draft, Prepared] | None:
    """The draft of a graph with such room, and that graph; None where there is no such function.

    What is around them runs on int16, and where that does not serve them, they are computed part by part. The float
    graph still computes the same. Layers whose type is configured keep it.
    """
    makers = producers(prepared.graph)
    spans = [
        span
        for span in wide_spans(prepared.graph, draft.plan, draft.measured.extremes)
        if all(own_config_of(makers[name], draft.config).activations is None for name in {span.node, *span.inside})
    ]
    logarithms = [
        node
        for node in int8_logarithms(prepared.graph, draft.plan)
        if own_config_of(node, draft.config).activations is None
    ]
    if not spans and not logarithms:
        return None
    known = with_all_ranges(draft, prepared.graph)
    entering = {node: known.measured.ranges.get(str(node.inputs[0]), (0.0, 0.0)) for node in logarithms}
    low = [node for node in logarithms if reaches_below(entering[node])]
    if not spans and not low:
        return None
    notes = (*(_spread_note(makers[span.node], span) for span in spans), *map(_low_note, low))
    split = split_spans(prepared.graph, spans)
    for node in low:
        split = open_logarithm(split, node, entering[node])
    wide = with_inside(replace(known, notes=(*draft.notes, *notes)), split.graph, split.inside, split.ranges)
    return wide, replace(prepared, graph=split.graph)


def with_all_ranges(draft: Draft, graph: Graph) -> Draft:
    """The same with a range for every tensor of its groups, so that it serves other plans of its graph.

    Args:
        draft: As measured; a tensor without a range of its own has that of its parameters.
        graph: The float graph that it plans.
    """
    plan, known = draft.plan, draft.measured.ranges
    settled = settle_parameters(graph, plan, known).activations
    members = sorted(settled, key=lambda member: plan.natives.get(member.tensor) is member.dtype)
    made = {member.tensor: representable(settled[member], member.dtype) for member in members}
    return replace(draft, measured=replace(draft.measured, ranges={**made, **_inherited(plan, known), **known}))


def with_inside(
    draft: Draft, graph: Graph, inside: frozenset[str], ranges: Mapping[str, Range] = MappingProxyType({})
) -> Draft:
    """A draft with other operators on int16 inside; a model is called as ever, by the type of its scheme.

    Args:
        draft: With all ranges.
        graph: Float; it computes what the draft's does.
        inside: Results of the operators.
        ranges: Real (low, high) of the tensors that are new in the graph.
    """
    measured = replace(draft.measured, ranges={**draft.measured.ranges, **ranges})
    return replace(draft, plan=make_plan(graph, draft.config, inside), measured=measured, inside=inside)


def _spread_note(node: Node, span: Span) -> Note:
    parts = f", and it is computed in {len(span.bounds) + 1} parts" if span.bounds else ""
    found = f"they span a factor of {span.high / span.lowest:,.0f}, which int8 does not tell apart"
    return Note("plan", node.layer, f"the values that {node.op} is taken of are int16: {found}{parts}")


def _low_note(node: Node) -> Note:
    found = "its int8 results end at -16, and what enters lies further apart"
    return Note(
        "plan", node.layer, f"the largest result alone is taken of {node.op}, and differences to it added: {found}"
    )


def widened(draft: Draft, graph: Graph, found: Mapping[Node, str]) -> Draft | None:
    """The draft that gives operators the next wider type, or None if there are none.

    Weights of int4 become int8; activations int16 after int8, then float32. int16 is left out where not every runtime
    has such a kernel. Operators of one kind in one layer widen together; those without an integer type in the plan are
    left alone.

    Args:
        draft: As it is.
        graph: The float graph that the draft plans.
        found: Why, by operator of the graph that was made; its results may have other names there.
    """
    planned: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node.outputs[0] in draft.plan.types:
            planned.setdefault(operator_name(node), []).append(node.outputs[0])
    layers, notes = {}, []
    for node, reason in found.items():
        name = operator_name(node)
        if name not in planned or name in layers:
            continue
        current = min((draft.plan.types[result] for result in planned[name]), key=lambda dtype: dtype.bits)
        own = replace(own_config_of(node, draft.config), pattern=name)
        if any(rule.dtype is DType.INT4 for rule in draft.plan.weights if rule.node in planned[name]):
            layers[name], change = replace(own, weights="int8"), "has weights of int8 instead of int4"
        else:
            spec = spec_of(node.op)
            has_int16 = current is DType.INT8 and DType.INT16 in spec.activations & spec.micro
            wider = DType.INT16 if has_int16 else DType.FLOAT32
            layers[name] = replace(own, weights=None, activations=wider.value)
            change = f"is {wider.value} instead of {current.value}"
        notes.append(Note("plan", node.layer, f"{node.op} {change}: {reason}"))
    if set(layers.values()) <= set(draft.config.layers):
        return None
    config = replace(draft.config, layers=(*layers.values(), *draft.config.layers))
    return replace(draft, config=config, notes=(*draft.notes, *notes))


def _ended(graph: Graph, verification: Verification) -> dict[Node, str]:
    """The operators that end runtimes on real inputs, and what that was."""
    makers = producers(graph)
    return {makers[check.culprit]: check.reason for check in verification.runtimes if check.culprit in makers}


def measured_for(draft: Draft, before: Plan, prepared: Prepared, graph: Graph, source: Source) -> Measured:
    """The ranges of a draft, made for another plan, with those that its plan asks for anew.

    A tensor whose group had a range before, which it cannot exceed, has that; no sample is run for it.

    Raises:
        DatasetError: if one was not measured, follows from no row, and data cannot be read again.
    """
    plan, known = draft.plan, {**_inherited(before, draft.measured.ranges), **draft.measured.ranges}
    observed = ((name, plan.range_name(name, group)) for group in plan.groups for name in group.observed)
    missing = {
        name: filed
        for name, filed in observed
        if not {name, filed} & known.keys() and not graph.tensors[name].is_constant
    }
    if not missing:
        return replace(draft.measured, ranges=known)
    if source.data is not None and not isinstance(source.data, Statistics) and not is_spent(source.data):
        again = measure(prepared, plan, graph, draft.config, source)
        return replace(again, ranges={**again.ranges, **known})
    makers = producers(graph)
    bounds = {filed: spec_of(makers[name].op).bounds for name, filed in missing.items() if name in makers}
    unbounded = [name for name, filed in missing.items() if not np.isfinite(bounds.get(filed, np.inf)).all()]
    if unbounded:
        raise DatasetError(
            f"the range of '{unbounded[0]}' is needed: {draft.notes[-1].text}.",
            got="ranges that do not have it, and no data to measure it on",
            expected="a representative dataset that can be read again",
            fix="pass data=x_train[:500], or a function that returns a new generator",
        )
    return replace(draft.measured, ranges={**known, **bounds})


def _inherited(plan: Plan, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The range of every tensor of the groups that have one."""
    found: dict[str, Range] = {}
    for group in plan.groups:
        of_members = (ranges.get(plan.range_name(name, group)) for name in group.observed)
        of_group = next(filter(None, of_members), None)
        if of_group is not None:
            found |= dict.fromkeys(group.tensors, of_group)
    return found


def _metadata(draft: Draft) -> dict[str, object]:
    scheme = draft.plan.scheme
    made = {"made_by": f"octavo {VERSION}", "scheme": scheme.name, "seed": draft.config.seed}
    return {**made, "ranges": draft.measured.origin} if scheme.needs_data else made
