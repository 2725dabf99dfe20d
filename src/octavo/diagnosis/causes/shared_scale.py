"""Tensors of very different ranges share one scale, as those that are concatenated do."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.condition import ScaleChannels
from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, by_methods, wider
from octavo.diagnosis.layer_errors import OUTLIER_RATIO
from octavo.diagnosis.places import layer_of
from octavo.ir.graph import consumers, producers
from octavo.ir.types import Node
from octavo.numerics.affine import representable
from octavo.plan.types import Group

# Operators that bring what they add to one scale.
SUMS = ("ADD", "SUB")
# A member uses less than this share of what the group spans.
SMALL = 0.125


def look(case: Case) -> Iterator[Suspicion]:
    """Groups with a member that matters and is far smaller than the group, and operands that are brought to one."""
    yield from _entering(case)
    yield from _summed(case)
    places = {place.tensor: (place, error) for place, error in case.activations()}
    for group in case.plan.groups:
        members = [name for name in group.tensors if name in places and name in case.seen.low]
        if len(members) < 2 or group.fixed is not None:
            continue
        spans = {name: _span(case, name) for name in members}
        widest = max(members, key=lambda name: spans[name])
        for name in members:
            place, error = places[name]
            share = spans[name] / max(spans[widest], 1e-30)
            if share >= SMALL or not case.matters(case.effect_of(place)):
                continue
            meeting = _meeting(case, group, name)
            if meeting is None:
                continue
            yield Suspicion(
                layer_of(meeting),
                f"{meeting.op} gives '{error.layer}', which spans {spans[name]:.3g}, the scale of "
                f"'{places[widest][1].layer}', which spans {spans[widest]:.3g}: {255 * share:.2g} steps are left",
                {"share": share, "small": spans[name], "large": spans[widest]},
                case.effect_of(place),
                (
                    *by_methods(case.trial, "scale channels to the range of the largest", ScaleChannels()),
                    *wider(case.makers_and_readers(name)),
                ),
            )


def _entering(case: Case) -> Iterator[Suspicion]:
    """Operands that enter an operator by a scale far too coarse for them."""
    for place, error in case.operands():
        low, high = representable(place.parameters, place.dtype)
        span = _span(case, place.tensor)
        share = span / (high - low)
        if share >= SMALL or not case.matters(case.effect_of(place)):
            continue
        node = producers(case.pair.floats)[place.node]
        operand = case.pair.floats.tensors[place.tensor].layer or place.tensor
        yield Suspicion(
            error.layer,
            f"{node.op} reads '{operand}', which spans {span:.3g}, by a scale that spans {high - low:.3g}: "
            f"{255 * share:.2g} steps are left",
            {"share": share, "small": span, "large": high - low},
            case.effect_of(place),
            wider(case.makers_and_readers(place.node)),
        )


def _summed(case: Case) -> Iterator[Suspicion]:
    """Sums of something small and something far larger, whose scale their results have."""
    made_by = producers(case.pair.floats)
    for place, error in case.activations():
        node = made_by.get(place.tensor)
        if node is None or node.op not in SUMS or not case.matters(case.effect_of(place)):
            continue
        spans = {name: _span(case, name) for name in node.inputs if name}
        small, large = min(spans, key=lambda name: spans[name]), max(spans, key=lambda name: spans[name])
        share = spans[small] / max(_span(case, place.tensor), 1e-30)
        uneven = case.seen.ratio(place.tensor) >= OUTLIER_RATIO
        if uneven or small == large or not spans[small] or share >= SMALL or small not in case.seen.low:
            continue
        yield Suspicion(
            error.layer,
            f"{node.op} adds what spans {spans[small]:.3g} to what spans {spans[large]:.3g}: {255 * share:.2g} steps "
            "are left to the smaller",
            {"share": share, "small": spans[small], "large": spans[large]},
            case.effect_of(place),
            wider(case.makers_and_readers(place.tensor)),
        )


def _span(case: Case, name: str) -> float:
    """From the smallest to the largest value of an activation or a constant, zero among them."""
    tensor = case.pair.floats.tensors[name]
    if tensor.is_constant:
        values = tensor.values
        low, high = float(values.min(initial=0)), float(values.max(initial=0))
    else:
        low, high = case.seen.low.get(name, 0.0), case.seen.high.get(name, 0.0)
    return max(high, 0.0) - min(low, 0.0)


def _meeting(case: Case, group: Group, name: str) -> Node | None:
    """The operator that makes a tensor share its scale with others: the first that reads several, else the first."""
    readers = consumers(case.pair.floats)
    reading = [node for node in readers[name] if set(node.outputs) & set(group.tensors)]
    several = [node for node in reading if len({each for each in node.inputs if each in group.tensors}) > 1]
    if several:
        return several[0]
    made = [node for node in case.pair.floats.nodes if name in node.outputs]
    return next(iter(reading or made), None)


CAUSE = Cause("shared_scale", "tensors of different ranges under one scale", look)
