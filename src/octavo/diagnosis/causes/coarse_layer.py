"""One layer alone makes most of the noise, and nothing more special is known of it."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, of_layers, wider

# Share of what all layers make.
MOST = 0.4


def look(case: Case) -> Iterator[Suspicion]:
    """The layer with by far the largest effect."""
    total = sum(error.effect for error in case.errors.values())
    if not case.own or not total:
        return
    worst = max(case.errors.values(), key=lambda error: error.effect)
    if worst.effect < MOST * total or not case.matters(worst.effect):
        return
    places = [place for place, error in case.activations() if error is worst]
    by_weights = worst.weights_effect > worst.activations_effect
    what = "weights" if by_weights else "results"
    tried = (
        (of_layers([worst.layer], "float for", activations="float32"),)
        if by_weights or not places
        else wider(case.makers_and_readers(places[-1].tensor))
    )
    yield Suspicion(
        worst.layer,
        f"rounding its {what} alone makes {100 * worst.effect / total:.3g} % of the noise of all layers",
        {"share": worst.effect / total},
        worst.effect,
        tried,
    )


CAUSE = Cause("coarse_layer", "one layer that eight bits are too few for", look)
