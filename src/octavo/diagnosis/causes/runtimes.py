"""Runtimes do not compute the same of the file."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, of_layers
from octavo.evaluate.verification import Verification


def look(case: Case) -> Iterator[Suspicion]:
    """Operators that a runtime computes further off than its arithmetic explains."""
    verification = case.parts.get("verification")
    if not isinstance(verification, Verification):
        return
    for check in verification.runtimes:
        for difference in check.differences:
            if difference.excessive:
                yield Suspicion(
                    difference.layer,
                    f"{check.runtime} is up to {difference.largest:.3g} {difference.unit} off the reference at its "
                    f"{difference.op}, where {difference.allowed:.3g} is explained",
                    {"largest": difference.largest, "allowed": difference.allowed},
                    case.outcome.loss,
                    (of_layers([difference.layer], "float for", activations="float32"),),
                )


CAUSE = Cause("runtimes", "runtimes that disagree", look)
