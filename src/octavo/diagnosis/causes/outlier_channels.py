"""A few channels reach far beyond the others, and the one scale of an activation is made for them."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.condition import ScaleChannels
from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, by_methods, wider
from octavo.diagnosis.layer_errors import OUTLIER_RATIO
from octavo.ops.roles import Fixed
from octavo.ops.table import spec_of


def look(case: Case) -> Iterator[Suspicion]:
    """Layers that matter and have some channels far larger than a quarter of the others."""
    rules = {name: spec_of(node.op).rule() for node in case.pair.floats.nodes for name in node.outputs}
    explained: set[str] = set()
    for place, error in case.activations():
        fixed = isinstance(rules.get(place.tensor), Fixed) or place.tensor in explained
        if fixed or not case.matters(case.effect_of(place)):
            continue
        reach = case.seen.reach[place.tensor]
        ratio = case.seen.ratio(place.tensor)
        living = reach[reach > 0]
        if ratio < OUTLIER_RATIO or living.size < 2:
            continue
        far = living.max() / ratio * OUTLIER_RATIO
        which = [int(i) for i in (reach >= far).nonzero()[0]]
        chain = case.onward(place.tensor, lambda name: case.seen.ratio(name) >= OUTLIER_RATIO)
        explained.update(chain)
        numbers = ", ".join(map(str, which[:4])) + (f" and {len(which) - 4} more" if len(which) > 4 else "")
        yield Suspicion(
            error.layer,
            f"channel {numbers} of {reach.size} reaches {ratio:.3g} times as far as a quarter of the others, for "
            f"which {255 / ratio:.2g} of 255 steps are left",
            {"ratio": ratio, "channels": float(len(which)), "channel": float(which[0])},
            case.effect_of(place),
            (
                *by_methods(case.trial, "scale channels to the range of the largest", ScaleChannels()),
                *wider(case.around(chain)),
            ),
        )


CAUSE = Cause("outlier_channels", "a few channels that reach far beyond the others", look)
