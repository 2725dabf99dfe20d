"""One layer alone makes most of the noise, and nothing more special is known of it."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.condition import GPTQ
from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, by_methods, of_layers, wider

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
    made = [place.tensor for place, error in case.activations() if error is worst]
    read = [place.node for place, error in case.operands() if error is worst]
    by_weights = worst.weights_effect > worst.activations_effect
    what = "weights" if by_weights else "results"
    rounded = by_methods(case.trial, "weights rounded so that their errors cancel", GPTQ())
    tried = (
        (*rounded, of_layers([worst.layer], "float for", activations="float32"))
        if by_weights or not (made or read)
        else wider(case.makers_and_readers((made or read)[-1]))
    )
    yield Suspicion(
        worst.layer,
        f"rounding its {what} alone makes {100 * worst.effect / total:.3g} % of the noise of all layers",
        {"share": worst.effect / total},
        worst.effect,
        tried,
    )


CAUSE = Cause("coarse_layer", "one layer that its integers are too coarse for", look)
