"""Rounded weights move the mean of channels, layer after layer, and the shifts add up."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.condition import BiasCorrection
from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, by_methods

# Beyond this share of it, one layer is to blame, and not the sum.
MOST = 0.6


def look(case: Case) -> Iterator[Suspicion]:
    """A loss that comes mostly of weights, over several layers."""
    methods, effort = case.trial.methods, case.trial.config.effort
    corrected = any(method.name == "bias_correction" for method in methods) or not (methods or effort == "fast")
    if not case.own or corrected:
        return
    weights = {layer: error.weights_effect for layer, error in case.errors.items() if error.weights_effect > 0}
    total = sum(weights.values())
    activations = sum(error.activations_effect for error in case.errors.values())
    worst = max(weights, key=lambda layer: weights[layer], default="")
    if len(weights) < 2 or total <= activations or weights[worst] > MOST * total:
        return
    yield Suspicion(
        worst,
        f"rounded weights of {len(weights)} layers make {100 * total / (total + activations):.3g} % of the noise, "
        f"those of '{worst}' most",
        {"layers": float(len(weights)), "share": total / (total + activations)},
        min(total, case.outcome.loss) * 0.5,
        by_methods(case.trial, "give biases back what rounded weights move them by", BiasCorrection()),
    )


CAUSE = Cause("rounding_shifts", "shifted means by rounded weights", look)
