"""The range of a layer is narrower than the values that calibration itself shows: they are cut."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.diagnosis.causes.cause import Case, Cause, Mend, Suspicion, again
from octavo.numerics.affine import representable
from octavo.ops.roles import Fixed
from octavo.ops.table import spec_of

NARROWER = 0.8
CUT = 0.0005


def look(case: Case) -> Iterator[Suspicion]:
    """Layers whose range ends within what calibration samples reach."""
    rules = {name: spec_of(node.op).rule() for node in case.pair.floats.nodes for name in node.outputs}
    for place, error in case.activations():
        cut = case.seen.beyond[place.tensor]
        if isinstance(rules.get(place.tensor), Fixed) or cut < CUT or not case.matters(case.effect_of(place)):
            continue
        low, high = case.trial.extremes.of(place.tensor)
        ends = representable(place.parameters, place.dtype)
        share = (min(high, ends[1]) - max(low, ends[0])) / max(high - low, 1e-30)
        if share > NARROWER:
            continue
        mend = _of_estimator(case) if case.own else again()
        if mend is not None:
            yield Suspicion(
                error.layer,
                f"its range {ends[0]:.4g} to {ends[1]:.4g} cuts {100 * cut:.2g} % of its values, which calibration "
                f"samples show from {low:.4g} to {high:.4g}",
                {"cut": cut, "share_of_range": share},
                case.effect_of(place),
                (mend,),
            )


def _of_estimator(case: Case) -> Mend | None:
    """Ranges that cut nothing, where an estimator does."""
    if case.trial.config.range_estimator.name == "minmax":
        return None
    return Mend(
        "ranges by minimum and maximum", "estimator='minmax'", lambda trial: trial.with_config(estimator="minmax")
    )


CAUSE = Cause("cut_ranges", "a range that cuts values", look)
