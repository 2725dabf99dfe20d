"""The values of a layer lie far from zero, which its range must hold: most of the integers stand for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, wider
from octavo.ops.roles import Fixed
from octavo.ops.table import spec_of

# Of the way from zero to the farthest value, what the values span.
SPANNED = 0.25


def look(case: Case) -> Iterator[Suspicion]:
    """Layers that matter, whose values have one sign and differ little beside what they are."""
    rules = {name: spec_of(node.op).rule() for node in case.pair.floats.nodes for name in node.outputs}
    for place, error in case.activations():
        low, high = case.seen.low[place.tensor], case.seen.high[place.tensor]
        farthest = max(abs(low), abs(high))
        if isinstance(rules.get(place.tensor), Fixed) or low * high <= 0 or high - low > SPANNED * farthest:
            continue
        if not case.matters(error.activations_effect):
            continue
        share = (high - low) / farthest
        yield Suspicion(
            error.layer,
            f"its values lie from {low:.4g} to {high:.4g}, and its range must hold zero: {255 * share:.2g} of 255 "
            "steps are left",
            {"share": share, "low": low, "high": high},
            error.activations_effect,
            wider(case.makers_and_readers(place.tensor)),
        )


CAUSE = Cause("far_from_zero", "values far from zero", look)
