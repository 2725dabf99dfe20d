"""Tensors of very different ranges share one scale, as those that are concatenated do."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, wider
from octavo.diagnosis.places import layer_of
from octavo.ir.graph import consumers
from octavo.ir.types import Node
from octavo.plan.types import Group

# A member uses less than this share of what the group spans.
SMALL = 0.125


def look(case: Case) -> Iterator[Suspicion]:
    """Groups with a member that matters and is far smaller than the group."""
    places = {place.tensor: (place, error) for place, error in case.activations()}
    for group in case.plan.groups:
        members = [name for name in group.tensors if name in places and name in case.seen.low]
        if len(members) < 2 or group.fixed is not None:
            continue
        spans = {name: max(case.seen.high[name], 0.0) - min(case.seen.low[name], 0.0) for name in members}
        widest = max(members, key=lambda name: spans[name])
        for name in members:
            error = places[name][1]
            share = spans[name] / max(spans[widest], 1e-30)
            if share >= SMALL or not case.matters(error.activations_effect):
                continue
            meeting = _meeting(case, group, name)
            if meeting is None:
                continue
            yield Suspicion(
                layer_of(meeting),
                f"{meeting.op} gives '{error.layer}', which spans {spans[name]:.3g}, the scale of "
                f"'{places[widest][1].layer}', which spans {spans[widest]:.3g}: {255 * share:.2g} steps are left",
                {"share": share, "small": spans[name], "large": spans[widest]},
                error.activations_effect,
                wider(case.makers_and_readers(name)),
            )


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
