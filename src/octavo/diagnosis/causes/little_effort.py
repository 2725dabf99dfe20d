"""Nothing more special is known, and the numbers were not fitted to the data as far as they could be."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.diagnosis.causes.cause import FULL, Case, Cause, Mend, Suspicion, full_effort


def look(case: Case) -> Iterator[Suspicion]:
    """A file made without the methods of a higher level of effort."""
    if not case.own or case.trial.methods or case.trial.config.effort in FULL:
        return
    total = sum(error.effect for error in case.errors.values())
    worst = max(case.errors.values(), key=lambda error: error.effect)
    if not total or not case.matters(worst.effect):
        return
    yield Suspicion(
        worst.layer,
        f"effort '{case.trial.config.effort}' leaves channels and weights as they are; of the noise of all layers "
        f"{100 * worst.effect / total:.3g} % is its",
        {"share": worst.effect / total},
        0.0,
        (
            Mend(
                "scale channels, round weights by what they are multiplied with, and correct biases",
                "effort='good'",
                full_effort,
            ),
        ),
    )


CAUSE = Cause("little_effort", "numbers that more effort fits better", look)
