"""Kernels fix the range of a result (softmax: 0 to 1 in steps of 1/256), and what lies between steps is lost."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, wider
from octavo.ops.roles import Fixed
from octavo.ops.table import spec_of

# Share of samples where rounding made several classes largest.
TIED = 0.03


def look(case: Case) -> Iterator[Suspicion]:
    """Results of a fixed range whose rounding matters, or makes answers tie."""
    rules = {name: spec_of(node.op).rule() for node in case.pair.floats.nodes for name in node.outputs}
    ties = case.outcome.ties or 0.0
    for place, error in case.activations():
        if not isinstance(rules.get(place.tensor), Fixed):
            continue
        shown = place.tensor in case.pair.floats.outputs
        if not (case.matters(case.effect_of(place)) or (shown and ties > TIED)):
            continue
        step = float(place.parameters.scale[0])
        tied = f"; {100 * ties:.2g} % of answers tie" if shown and ties else ""
        yield Suspicion(
            error.layer,
            f"its steps of {step:.3g} are fixed, and rounding to them leaves {error.activations_db or 0:.3g} dB{tied}",
            {"step": step, "ties": ties, "clipped": error.clipped},
            max(case.effect_of(place), ties),
            wider(case.makers_and_readers(place.tensor)),
        )


CAUSE = Cause("fixed_range", "a range that kernels fix", look)
