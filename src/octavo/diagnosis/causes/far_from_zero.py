"""The values of a layer lie far from zero, which its range must hold: most of the integers stand for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, wider
from octavo.diagnosis.layer_errors import OUTLIER_RATIO
from octavo.ops.roles import Fixed
from octavo.ops.table import spec_of

# Of the way from zero to the farthest value, what all values span; of the range, what those of half of the channels do.
SPANNED, CHANNEL_SPANNED = 0.25, 0.125


def look(case: Case) -> Iterator[Suspicion]:
    """Layers that matter, whose values differ little beside what they are: all of them, or those of each channel."""
    rules = {name: spec_of(node.op).rule() for node in case.pair.floats.nodes for name in node.outputs}
    explained: set[str] = set()
    for place, error in case.activations():
        fixed = isinstance(rules.get(place.tensor), Fixed) or place.tensor in explained
        if fixed or not case.matters(case.effect_of(place)):
            continue
        low, high = case.seen.low[place.tensor], case.seen.high[place.tensor]
        farthest = max(abs(low), abs(high))
        if low * high > 0 and high - low <= SPANNED * farthest:
            share = (high - low) / farthest
            chain: tuple[str, ...] = (place.tensor,)
            told = f"its values lie from {low:.4g} to {high:.4g}, and its range must hold zero"
        elif _spread(case, place.tensor):
            chain, share = case.onward(place.tensor, partial(_spread, case)), _channel_share(case, place.tensor)
            told = (
                f"its channels lie around values of their own from {low:.4g} to {high:.4g}, and half of them vary by "
                f"less than {case.seen.typical_span(place.tensor):.3g}"
            )
        else:
            continue
        explained.update(chain)
        yield Suspicion(
            error.layer,
            f"{told}: {255 * share:.2g} of 255 steps are left",
            {"share": share, "low": low, "high": high},
            case.effect_of(place),
            wider(case.around(chain)),
        )


def _channel_share(case: Case, tensor: str) -> float:
    """Of the range a tensor needs, what the values of a channel span."""
    span = max(case.seen.high[tensor], 0.0) - min(case.seen.low[tensor], 0.0)
    return case.seen.typical_span(tensor) / max(span, float(np.finfo(np.float32).tiny))


def _spread(case: Case, tensor: str) -> bool:
    """Whether channels lie far apart and each varies by little, none far beyond the others."""
    several = case.seen.reach[tensor].size > 1
    return several and case.seen.ratio(tensor) < OUTLIER_RATIO and _channel_share(case, tensor) <= CHANNEL_SPANNED


CAUSE = Cause("far_from_zero", "values far from zero", look)
