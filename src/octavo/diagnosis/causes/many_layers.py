"""Rounded results of many layers add up, and no layer of them stands out."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.diagnosis.causes.cause import Case, Cause, Mend, Suspicion

WIDE = "int16x8"


def look(case: Case) -> Iterator[Suspicion]:
    """A file of 8-bit activations that loses by their rounding more than by that of weights."""
    activations = {layer: error.activations_effect for layer, error in case.errors.items()}
    total, weights = sum(activations.values()), sum(error.weights_effect for error in case.errors.values())
    if not case.own or case.plan.scheme.name != "int8" or total <= weights:
        return
    worst = max(activations, key=lambda layer: activations[layer])
    yield Suspicion(
        worst,
        f"rounded results of {sum(map(case.matters, activations.values()))} layers make "
        f"{100 * total / (total + weights):.3g} % of the noise, those of '{worst}' most",
        {"share": total / (total + weights)},
        0.0,
        (
            Mend(
                "16-bit activations throughout, in twice the RAM",
                f"scheme={WIDE!r}",
                lambda trial: trial.with_config(scheme=WIDE),
            ),
        ),
    )


CAUSE = Cause("many_layers", "rounding that adds up over many layers", look)
