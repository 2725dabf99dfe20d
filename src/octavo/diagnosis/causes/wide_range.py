"""The range of a layer is far wider than its values: few of the integers are used."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Mend, Suspicion, again, wider
from octavo.diagnosis.layer_errors import used_share
from octavo.numerics.affine import representable
from octavo.ops.roles import Fixed
from octavo.ops.table import spec_of

# Of the range, what the values of the test span; of the calibration's, too, where a single sample does not count.
USED = 0.25


def look(case: Case) -> Iterator[Suspicion]:
    """Layers that matter and use a quarter of their range or less."""
    rules = {name: spec_of(node.op).rule() for node in case.pair.floats.nodes for name in node.outputs}
    for place, error in case.activations():
        if isinstance(rules.get(place.tensor), Fixed) or not case.matters(case.effect_of(place)):
            continue
        used = used_share(case.seen, place)
        if used > USED:
            continue
        low, high = representable(place.parameters, place.dtype)
        shown = case.trial.extremes.of(place.tensor)
        foreign = not case.own and (max(shown[1], 0) - min(shown[0], 0)) < USED * (high - low)
        yield Suspicion(
            error.layer,
            f"its values span {100 * used:.2g} % of its range {low:.4g} to {high:.4g}",
            {"used": used, "low": low, "high": high},
            case.effect_of(place),
            (again(),) if foreign else (*_least_squares(case), *wider(case.makers_and_readers(place.tensor))),
        )


def _least_squares(case: Case) -> tuple[Mend, ...]:
    """Ranges of least squared error, where some samples alone reach far."""
    reach = case.trial.extremes.reach
    rare = np.median(reach, axis=0) < USED * reach.max(axis=0)
    if case.trial.config.range_estimator.name == "mse" or not rare.any():
        return ()
    return (Mend("ranges of least squared error", "estimator='mse'", lambda trial: trial.with_config(estimator="mse")),)


CAUSE = Cause("wide_range", "a range far wider than the values", look)
