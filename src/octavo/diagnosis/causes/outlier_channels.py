"""A few channels reach far beyond the others, and the one scale of an activation is made for them."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.condition import ScaleChannels
from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, by_methods, wider
from octavo.diagnosis.layer_errors import OUTLIER_RATIO
from octavo.ir.graph import consumers
from octavo.ops.roles import Fixed
from octavo.ops.table import spec_of

# Beyond so many, uneven channels are what the layer is like.
MOST = 0.25


def look(case: Case) -> Iterator[Suspicion]:
    """Layers that matter and have some channels far larger than half of the others."""
    rules = {name: spec_of(node.op).rule() for node in case.pair.floats.nodes for name in node.outputs}
    explained: set[str] = set()
    for place, error in case.activations():
        fixed = isinstance(rules.get(place.tensor), Fixed) or place.tensor in explained
        if fixed or not case.matters(error.activations_effect):
            continue
        reach = case.seen.reach[place.tensor]
        ratio = case.seen.ratio(place.tensor)
        living = reach[reach > 0]
        if ratio < OUTLIER_RATIO or living.size < 2:
            continue
        far = living.max() / ratio * OUTLIER_RATIO
        which = [int(i) for i in (reach >= far).nonzero()[0]]
        if len(which) > MOST * living.size and living.size > 4:
            continue
        chain = _chain(case, place.tensor)
        explained.update(chain)
        layers = tuple(dict.fromkeys(layer for name in chain for layer in case.makers_and_readers(name)))
        numbers = ", ".join(map(str, which[:4])) + (f" and {len(which) - 4} more" if len(which) > 4 else "")
        yield Suspicion(
            error.layer,
            f"channel {numbers} of {reach.size} reaches {ratio:.3g} times as far as half of the others, for which "
            f"{255 / ratio:.2g} of 255 steps are left",
            {"ratio": ratio, "channels": float(len(which)), "channel": float(which[0])},
            error.activations_effect,
            (
                *by_methods(case.trial, "scale channels to the range of the largest", ScaleChannels()),
                *wider(layers),
            ),
        )


def _chain(case: Case, tensor: str) -> tuple[str, ...]:
    """The tensor, and those made of it whose channels are as uneven: all must have room for the others to matter."""
    readers, chain = consumers(case.pair.floats), {tensor: None}
    left = [tensor]
    while left:
        for node in readers[left.pop()]:
            for name in node.outputs:
                if name in case.seen.reach and name not in chain and case.seen.ratio(name) >= OUTLIER_RATIO:
                    chain[name] = None
                    left.append(name)
    return tuple(chain)


CAUSE = Cause("outlier_channels", "a few channels that reach far beyond the others", look)
